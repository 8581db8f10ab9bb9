"""One Engine.IO session (protocol 4): packets to and from one client, over polling or a WebSocket.

Nothing here yields while it sends or closes: whoever sends to a thousand clients is held up by none of them.
A session that only listens costs its few fields: no greenlet, no queue, no timer of its own.
"""

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from engineio import packet

from . import frames, traffic
from .websocket import WebSocket
from .wire import SLOW, Wire

if TYPE_CHECKING:
    from .probe import Probe

PACKETS_PER_POLL = 16  # python-engineio clients refuse a payload with more
WORTH_DEFLATING = 512  # bytes: below it goes what one client alone is sent
UNREAD = 16  # messages that wait for their handler until nothing more is read


class Malformed(ValueError):
    """The client sent what the protocol does not allow; its session ends."""


DISCONNECT = packet.Packet(packet.MESSAGE, "1")  # of Socket.IO, from the namespace "/"
CLOSE, PING, NOOP = (packet.Packet(kind) for kind in (packet.CLOSE, packet.PING, packet.NOOP))


class Session:
    """A client's session; `engine` is the Server that holds it, `sid` the bearer secret that names it."""

    __slots__ = (
        "attended",
        "closed",
        "closing",
        "form",
        "inbox",
        "kept",
        "lingering",
        "pinged",
        "polling",
        "posting",
        "probe",
        "queue",
        "request",
        "server",
        "sid",
        "socket",
        "wire",
    )

    def __init__(self, engine: Any, sid: str, request: Any, *, polls: bool):
        self.server, self.sid, self.request = engine, sid, request
        self.queue: Any = engine.create_queue() if polls else None
        self.kept: Any = None  # what python-socketio's get_session() keeps
        self.socket: WebSocket | None = None
        self.wire: Any = None  # where the poller may write events to, and in which form: see Poller.spread()
        self.form = "frame"
        self.inbox: deque[Any] | None = None  # messages whose handler has not run, while one runs
        self.probe: Probe | None = None  # a WebSocket that is being tried
        self.polling = self.posting = False  # a GET, a POST is being answered
        self.closing = self.closed = False  # takes and delivers nothing more; its handlers have run
        self.lingering = False  # closed, but the reason waits for one more poll
        self.attended = time.monotonic()  # when it was last seen in a namespace
        self.pinged = 0.0  # when an unanswered ping was sent

    # The names that python-engineio's Server asks for

    @property
    def session(self) -> dict[str, Any]:
        if self.kept is None:
            self.kept = {}
        return self.kept

    @session.setter
    def session(self, value: dict[str, Any]) -> None:
        self.kept = value

    @property
    def upgraded(self) -> bool:
        return self.socket is not None

    # Sending

    def send(self, pkt: Any) -> None:
        """Queue one packet; a client that has `max_backlog` of them waiting is closed instead."""
        if self.closing:
            return
        if self.server.log_traffic:
            traffic.sent(self.sid, pkt.data)
        if self.socket is None:
            with self.server.moving:
                if self.socket is None:
                    self._keep(pkt)
                    return
        self._write(self.socket, pkt)

    def _write(self, socket: WebSocket, pkt: Any) -> None:
        socket.wire.send(deflated(pkt) if socket.deflate else framed(pkt))

    def _keep(self, pkt: Any) -> None:
        """For the next poll."""
        if self.queue.qsize() >= self.server.max_backlog:
            traffic.cut[SLOW] += 1
            traffic.log.info("%s is too slow, closed", traffic.alias(self.sid))
            self.close(wait=False, reason=SLOW)
        else:
            self.queue.put(pkt)

    @property
    def backlog(self) -> int:
        """How many packets wait to be sent."""
        queue = self.queue  # looked at first: when it is gone there is a socket
        return queue.qsize() if queue is not None else self.socket.wire.backlog  # type: ignore[union-attr]

    def owes(self, message: Any) -> bool | None:
        """Whether the message waits to be sent; None once the session has ended. See poller.written()."""
        if self.closing:
            return None
        pkt, queue, socket = message.packet, self.queue, self.socket
        if queue is not None:
            return any(one is pkt for one in list(queue.queue))
        assert socket
        return socket.wire.owes(deflated(pkt) if socket.deflate else framed(pkt))

    @property
    def transport(self) -> str:
        """websocket or polling."""
        return "websocket" if self.socket else "polling"

    @property
    def address(self) -> str | None:
        """Where its first request came from."""
        return self.request.address

    # Ending

    def disconnect(self) -> None:
        """End it now, without yielding: what is queued is its last, then a Socket.IO DISCONNECT, so that the
        client does not come back by itself. Its disconnect handler runs soon, beside the caller."""
        self.send(DISCONNECT)
        self.close(wait=False, reason=self.server.reason.SERVER_DISCONNECT, linger=True)

    def let_go(self) -> None:
        """End it now, without yielding, because the server stops: what is queued is its last, and its client
        comes back, to another process. Its disconnect handler runs soon, beside the caller."""
        reason = self.server.reason.SERVER_DISCONNECT
        self.close(wait=False, reason=reason, code=frames.GOING_AWAY, linger=True)

    def close(self, wait=True, abort=False, reason=None, *, last=None, code=frames.NORMAL, linger=False):
        """End the session; from here on nothing is queued and nothing received is looked at.

        The disconnect handlers run at once; without `wait` soon, beside the caller.
        `abort` cuts a WebSocket instead of saying goodbye; `linger` keeps the last packets for a poll.
        """
        with self.server.moving:
            if self.closing:
                return
            self.closing, self.wire = True, None
            if self.probe:
                self.probe.give_up()
            self.lingering = linger and self.socket is None
            if self.socket is None:
                if last:
                    self.queue.put(last)
                self.queue.put(None)
            elif abort:
                self.socket.wire.cut()
            else:
                self.socket.close(code)
        reason = reason or self.server.reason.SERVER_DISCONNECT
        if wait:
            self._part(reason)
        elif self.socket:
            self.socket.wire.later(self._part, reason)
        else:
            self.server.start_background_task(self._part, reason)

    def _part(self, reason):
        try:
            self.server.handlers["disconnect"](self.sid, reason)
        except Exception:
            traffic.log.exception("a disconnect handler failed")
        self.closed, self.attended = True, time.monotonic()
        if not (self.lingering and self.has_packets()):
            self.server.sockets.pop(self.sid, None)

    def has_packets(self) -> bool:
        """Whether a closed session still has something to say."""
        return self.queue is not None and self.queue.qsize() > 1  # the last one is the end mark

    # Receiving

    def take(self, message: str | bytes) -> None:
        """A message of its WebSocket. Pongs are handled at once; the rest, in order, beside the poller."""
        if self.closing:
            return
        if message == "3":
            self.pong()
        elif self.inbox is None:
            self.inbox = deque((message,))
            assert self.socket
            self.socket.wire.run(self._work)
        else:
            self.inbox.append(message)
            if len(self.inbox) > UNREAD and self.socket:
                self.socket.wire.pause()

    def _work(self):
        """Handle what came, then give the greenlet back."""
        inbox = self.inbox
        try:
            while inbox and not self.closing:
                self.handle(inbox.popleft())
                if inbox:
                    self.server.sleep(0)  # one client with much to say: others have their turn
        except Malformed as fault:
            traffic.log.info("%s sent a malformed packet (%s), closed", traffic.alias(self.sid), fault)
            self.close(reason=self.server.reason.TRANSPORT_ERROR, code=frames.PROTOCOL_ERROR)
        self.inbox = None
        if self.socket:
            self.socket.wire.resume()

    def handle(self, message: str | bytes) -> None:
        """Act on one packet from the client; Malformed when the protocol does not allow it here."""
        if self.closing:
            return
        if not isinstance(message, str):
            self.server.handlers["message"](self.sid, message)
            return
        kind, data = message[:1], message[1:]
        if kind == "4":
            self.server.handlers["message"](self.sid, data)
        elif kind == "3":
            self.pong()
        elif kind == "1":
            self.close(reason=self.server.reason.CLIENT_DISCONNECT, last=NOOP)
        else:
            raise Malformed("packet type")

    def lost(self, why: str) -> None:
        """Its WebSocket is over."""
        self.close(wait=False, reason=why or self.server.reason.TRANSPORT_CLOSE)

    # Being alive

    def pong(self) -> None:
        """The client lives: it is asked again in `ping_interval` seconds."""
        if self.pinged:
            self.pinged = 0.0
            self.server.ask_later(self.sid)

    def ping(self) -> None:
        """Ask whether the client lives."""
        if not self.closing:
            self.pinged = time.monotonic()
            self.send(PING)

    def expect_pong(self) -> None:
        """Close if the client was asked and did not answer in `ping_timeout` seconds."""
        if self.pinged and time.monotonic() - self.pinged >= self.server.ping_timeout:
            self.close(wait=False, reason=self.server.reason.PING_TIMEOUT, abort=True)

    # Polling, and leaving it

    def poll(self, most: int = PACKETS_PER_POLL) -> list[Any]:
        """The next packets, as soon as there is one; an empty list when the session has ended."""
        empty = self.server.get_queue_empty_exception()
        patience = self.server.ping_interval + self.server.ping_timeout
        queue = self.queue  # a WebSocket may take the session over meanwhile
        packets: list = []
        try:
            packets.append(queue.get(timeout=patience))
            while packets[-1] is not None and len(packets) < most:
                packets.append(queue.get(block=False))
        except empty:
            pass
        if packets and packets[-1] is None:
            queue.put(packets.pop())  # for the next one that asks
        return packets

    def adopt(self, socket: WebSocket) -> None:
        """From now on it is served over this WebSocket."""
        with self.server.moving:  # what is sent from now on goes behind what waited
            if self.closing:
                socket.close()
                return
            socket.owner = self
            for pkt in self._waiting():
                if pkt is not NOOP and not self.closing:  # one of them may be too much for it
                    self._write(socket, pkt)
            if self.polling:
                self.queue.put(NOOP)  # the poll that waits is let go
            self.form = "deflated" if socket.deflate else "frame"
            self.socket, self.queue = socket, None
            if isinstance(socket.wire, Wire) and not self.server.log_traffic and not self.closing:
                self.wire = socket.wire

    def _waiting(self):
        """What waits for a poll, taken away: a poll that goes on beside this may take some of it first."""
        if self.queue is None:
            return
        with suppress(self.server.get_queue_empty_exception()):
            while True:
                yield self.queue.get(block=False)


def framed(pkt: Any) -> bytes:
    """The packet's WebSocket frame, made by the first receiver and kept with it for all the others."""
    try:
        return pkt.frame
    except AttributeError:
        pkt.frame = frames.frame(pkt.data if pkt.binary else pkt.encode())
        return pkt.frame


def deflated(pkt: Any) -> bytes:
    """As framed(), for clients that can unpack it: compressed, if that makes it shorter."""
    try:
        return pkt.deflated
    except AttributeError:
        message = pkt.data if pkt.binary else pkt.encode()
        pkt.deflated = shortest(frames.frame(message), lambda: frames.deflated(message))
        return pkt.deflated


def shortest(plain: bytes, pack: Callable[[], bytes]) -> bytes:
    """This frame, or the same compressed if that is worth it and makes it shorter."""
    return min(pack(), plain, key=len) if len(plain) >= WORTH_DEFLATING else plain
