"""The Socket.IO server (protocol 5): packets checked, handlers guarded, rooms without ghosts."""

import inspect
import json
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import socketio
from bidict import bidict
from socketio import packet

from . import traffic
from .engine import Engine
from .request import Environs
from .session import Malformed

# An event of such a name would run the application's own connect or disconnect handler; socket.io-parser
# refuses them too. And "*" would run the catch-all handler, with a session id of the client's choice.
RESERVED = {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener", "*"}


class Json:
    """JSON without the constants that JavaScript cannot read, and without integers of a thousand digits."""

    @staticmethod
    def loads(text):
        return json.loads(text, parse_constant=_refuse, parse_int=_integer)

    @staticmethod
    def dumps(value, **options):
        return json.dumps(value, **options)


def _refuse(constant):
    raise ValueError(constant)


def _integer(digits):
    return int(digits) if len(digits) <= 100 else _refuse("integer")


MAX_ATTACHMENTS = 10  # binary parts of one packet
PLAIN = {packet.BINARY_EVENT: packet.EVENT, packet.BINARY_ACK: packet.ACK}  # with attachments, without


class Packet(packet.Packet):
    """A Socket.IO packet; decoding raises Malformed on all that a client may not send."""

    json = Json

    def decode(self, text):
        try:
            attachments = super().decode(text)
        except Exception as why:  # among others RecursionError, for a thousand brackets
            raise Malformed(type(why).__name__) from None
        binary = self.packet_type in PLAIN
        if not self._is_allowed() or attachments > MAX_ATTACHMENTS or bool(attachments) != binary:
            raise Malformed("Socket.IO packet")
        return attachments

    def add_attachment(self, attachment):
        try:
            return super().add_attachment(attachment)
        except Exception as why:  # a placeholder for what is not there
            raise Malformed(type(why).__name__) from None

    def _is_allowed(self):
        kind, data = PLAIN.get(self.packet_type, self.packet_type), self.data
        if kind == packet.CONNECT:
            return data is None or isinstance(data, dict)
        if kind == packet.DISCONNECT:
            return data is None
        if kind == packet.EVENT:
            return isinstance(data, list) and data and isinstance(data[0], str) and data[0] not in RESERVED
        return kind == packet.ACK and isinstance(data, list) and bool(self.id)


class Rooms(socketio.Manager):
    """Who is in which room. A client's own room, named by its sid, is not kept: it is the client.

    A client that is gone enters no room, and connecting late does not bring it back; leaving costs the rooms
    that it is in, not all rooms.
    """

    def __init__(self):
        super().__init__()
        self.entered: dict[tuple[str, str], set[Any]] = {}  # rooms by (namespace, sid), of those in any

    def pre_connect(self, eio_sid, namespace):
        everybody = self.rooms.setdefault(namespace, {}).setdefault(None, bidict())
        if eio_sid in everybody.inverse:
            return None
        sid = self.server.eio.generate_id()
        everybody[sid] = eio_sid
        self.pending_connect.setdefault(namespace, []).append(sid)
        return sid

    def connect(self, sid, namespace):
        return super().connect(sid, namespace) if self.is_pre_connected(sid, namespace) else None

    def get_participants(self, namespace, room):
        everybody = self.rooms.get(namespace, {}).get(None, {})
        if isinstance(room, str) and room in everybody:
            yield room, everybody[room]
        elif isinstance(room, list | tuple):
            yield from {pair: 0 for one in room for pair in self.get_participants(namespace, one)}
        else:
            yield from super().get_participants(namespace, room)

    def get_rooms(self, sid, namespace):
        return [sid, *self.entered.get((namespace, sid), ())]

    def enter_room(self, sid, namespace, room, eio_sid=None):
        # A handler that waited may find its client gone: that is no error of the handler.
        if self.is_sid_room(namespace, sid) and room != sid:
            super().enter_room(sid, namespace, room, eio_sid=eio_sid)
            self.entered.setdefault((namespace, sid), set()).add(room)

    def leave_room(self, sid, namespace, room):
        super().leave_room(sid, namespace, room)
        rooms = self.entered.get((namespace, sid), set())
        rooms.discard(room)
        if not rooms:
            self.entered.pop((namespace, sid), None)

    def basic_disconnect(self, sid, namespace, **kwargs):
        if namespace not in self.rooms:
            return
        for room in [*self.entered.pop((namespace, sid), ()), None]:
            self.basic_leave_room(sid, namespace, room)
        self.callbacks.pop(sid, None)
        for pending in (self.pending_connect, self.pending_disconnect):
            if sid in pending.get(namespace, ()):
                pending[namespace].remove(sid)
                if not pending[namespace]:
                    del pending[namespace]


class Server(socketio.Server):
    """A socketio.Server whose clients always leave: who was let in, however briefly, is disconnected once."""

    def __init__(self, *, connect_timeout, **options):
        super().__init__(client_manager=Rooms(), serializer=Packet, **options)
        self.environ = Environs()
        self.connect_timeout = connect_timeout
        self.over: Any = None  # an event: the reaper shall stop

    def _engineio_server_class(self):
        return Engine

    def shutdown(self) -> None:
        """Close every client, keep nobody new; returns within about a second."""
        if self.over:
            self.over.set()
        self.eio.shutdown()

    # Packets from a client

    def _handle_eio_connect(self, eio_sid, environ):
        super()._handle_eio_connect(eio_sid, self.eio.sockets[eio_sid].request)
        if self.over is None:
            self.over = self.eio.create_event()
            self.start_background_task(self._reap)

    def _handle_eio_message(self, eio_sid, data):
        waiting = self._binary_packet.get(eio_sid)
        if (not data and not waiting) or isinstance(data, str) is bool(waiting):
            raise Malformed("empty, or an attachment of nothing, or not the attachment")
        if waiting:
            if waiting.add_attachment(data):
                del self._binary_packet[eio_sid]
                self._dispatch(eio_sid, waiting)
            return
        if self.eio.log_traffic:
            traffic.received(eio_sid, data)
        pkt = self.packet_class(encoded_packet=data)
        if pkt.packet_type == packet.CONNECT:
            self._handle_connect(eio_sid, pkt.namespace, pkt.data)
        elif not self.manager.sid_from_eio_sid(eio_sid, pkt.namespace or "/"):
            raise Malformed("not connected to the namespace")
        elif pkt.packet_type in PLAIN:
            self._binary_packet[eio_sid] = pkt
        else:
            self._dispatch(eio_sid, pkt)

    def _handle_eio_disconnect(self, eio_sid, reason):
        self._binary_packet.pop(eio_sid, None)
        super()._handle_eio_disconnect(eio_sid, reason)

    def _dispatch(self, eio_sid, pkt):
        try:
            if pkt.packet_type == packet.DISCONNECT:
                self._handle_disconnect(eio_sid, pkt.namespace, self.reason.CLIENT_DISCONNECT)
            elif PLAIN.get(pkt.packet_type, pkt.packet_type) == packet.ACK:
                self._handle_ack(eio_sid, pkt.namespace, pkt.id, pkt.data)
            elif self._suits(pkt):
                self._handle_event(eio_sid, pkt.namespace, pkt.id, pkt.data)
        except Exception:
            traffic.log.exception("a handler failed")  # the application's fault, not the client's: it stays

    def _suits(self, pkt):
        handler = self.handlers.get(pkt.namespace or "/", {}).get(pkt.data[0])
        fits = handler is None or takes(handler, len(pkt.data) - 1)
        if not fits:
            traffic.log.info("an event %.60r with %d arguments was ignored", pkt.data[0], len(pkt.data) - 1)
        return fits

    # Coming and going

    def _handle_connect(self, eio_sid, namespace, data):
        namespace, session = namespace or "/", self.eio.sockets.get(eio_sid)
        if session is None or eio_sid not in self.environ:
            return
        if not self._knows(namespace):
            self._deny(eio_sid, namespace, "Invalid namespace")
            return
        if self.manager.sid_from_eio_sid(eio_sid, namespace):
            raise Malformed("connected twice")
        try:
            with self.eio.answer_first(eio_sid):
                super()._handle_connect(eio_sid, namespace, data)
        except Exception:
            traffic.log.exception("a connect handler failed")
            self.manager.disconnect(self.manager.sid_from_eio_sid(eio_sid, namespace), namespace)
            self._deny(eio_sid, namespace, "Connection refused by server")
        if eio_sid not in self.environ:  # it went while the handler ran
            self.environ[eio_sid] = session.request
            self._handle_disconnect(eio_sid, namespace, self.reason.TRANSPORT_CLOSE)
            self.environ.pop(eio_sid, None)

    def _knows(self, namespace):
        named = namespace in self.handlers or namespace in self.namespace_handlers
        return named or self.namespaces == "*" or namespace in self.namespaces

    def _deny(self, eio_sid, namespace, message):
        kind, data = packet.CONNECT_ERROR, {"message": message}
        self._send_packet(eio_sid, self.packet_class(kind, data, namespace=namespace))

    def _trigger_event(self, event, namespace, *args):
        try:
            return super()._trigger_event(event, namespace, *args)
        except Exception:
            if event != "disconnect":
                raise
            traffic.log.exception("a disconnect handler failed")  # the client leaves its rooms all the same

    # What is left behind

    def _reap(self):
        while not self.over.wait(self.connect_timeout / 4):
            try:
                self.sweep(time.monotonic())
            except Exception:
                traffic.log.exception("the reaper failed")

    def sweep(self, now: float) -> None:
        """Close sessions in no namespace for `connect_timeout` seconds; forget what belongs to no session."""
        sessions = self.eio.sockets
        for session in list(sessions.values()):
            if not session.closing and self._is_attended(session.sid):
                session.attended = now
            elif now - session.attended > self.connect_timeout:
                session.close(wait=False, reason="no connect")
                if session.closed:
                    sessions.pop(session.sid, None)
        for namespace in list(self.manager.get_namespaces()):
            for sid, eio_sid in list(self.manager.get_participants(namespace, None)):
                if eio_sid not in sessions and self.manager.is_connected(sid, namespace):
                    self._handle_disconnect(eio_sid, namespace, self.reason.TRANSPORT_ERROR)
        for eio_sid in [eio_sid for eio_sid in list(self.environ) if eio_sid not in sessions]:
            self.environ.pop(eio_sid, None)

    def _is_attended(self, eio_sid):
        return any(self.manager.sid_from_eio_sid(eio_sid, n) for n in list(self.manager.get_namespaces()))


@lru_cache(4096)
def takes(handler: Callable, count: int) -> bool:
    """Whether the handler can be called with so many arguments of a client, the session id not counted."""
    # Flask-SocketIO wraps the application's function, which is given no session id.
    function = getattr(handler, "__wrapped__", None)
    try:
        inspect.signature(function or handler).bind(*range(count if function else count + 1))
    except TypeError:
        return False
    return True
