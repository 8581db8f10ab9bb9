"""One Engine.IO session (protocol 4): a queue of packets to one client, over polling or a WebSocket.

Nothing here yields while it queues or closes: whoever sends to a thousand clients is held up by none of them.
"""

import base64
import time
from typing import Any

from engineio import packet

from . import traffic
from .websocket import WebSocket, frame

PACKETS_PER_POLL = 16  # python-engineio clients refuse a payload with more
PROBE_SECONDS = 10  # how long a WebSocket may take to prove itself (socket.io's upgradeTimeout)

CLOSE, PING, NOOP = (packet.Packet(kind) for kind in (packet.CLOSE, packet.PING, packet.NOOP))


class Malformed(ValueError):
    """The client sent what the protocol does not allow; its session ends."""


class Session:
    """A client's session; `engine` is the Server that holds it, `sid` the bearer secret that names it."""

    def __init__(self, engine: Any, sid: str):
        self.server, self.sid = engine, sid
        self.queue = engine.create_queue()
        self.session: dict = {}  # what python-socketio's get_session() keeps
        self.socket: WebSocket | None = None
        self.connected = self.upgraded = False
        self.probing = self.upgrading = False  # a WebSocket is being tried; it has proved itself
        self.polling = self.posting = False  # a GET, a POST is being answered
        self.closing = self.closed = False  # takes and delivers nothing more; its handlers have run
        self.lingering = False  # closed, but the reason waits for one more poll
        self.code = 1000
        self.attended = time.monotonic()  # when it was last seen in a namespace
        self.gone, self.pong = engine.create_event(), engine.create_event()

    def send(self, pkt: packet.Packet) -> None:
        """Queue one packet; a client that has `max_backlog` of them waiting is closed instead."""
        if self.closing:
            return
        if self.queue.qsize() >= self.server.max_backlog:
            traffic.log.info("%s is too slow, closed", traffic.alias(self.sid))
            self.close(wait=False, abort=True, reason="too slow")
            return
        self.queue.put(pkt)
        if self.server.log_traffic:
            traffic.sent(self.sid, pkt.data)

    def close(self, wait=True, abort=False, reason=None, *, last=None, code=1000, linger=False):
        """End the session; from here on nothing is queued and nothing received is looked at.

        The disconnect handlers run at once; without `wait` beside the caller, and the task is returned.
        `abort` cuts a WebSocket instead of saying goodbye; `linger` keeps the last packets for a poll.
        """
        if self.closing:
            return None
        self.closing, self.code = True, code
        self.lingering = linger and not self.upgraded
        if last:
            self.queue.put(last)
        self.queue.put(None)
        self.gone.set()
        self.pong.set()
        if abort and self.socket:
            self.socket.cut()
        reason = reason or self.server.reason.SERVER_DISCONNECT
        if wait:
            return self._part(reason)
        return self.server.start_background_task(self._part, reason)

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
        return self.queue.qsize() > 1  # the last one is the end mark

    def take(self, text: str | bytes) -> None:
        """Act on one packet from the client; Malformed when the protocol does not allow it here."""
        if self.closing:
            return
        if not isinstance(text, str):
            raise Malformed("binary")
        kind, data = text[:1], text[1:]
        if kind == str(packet.PONG):
            self.pong.set()
        elif kind == str(packet.MESSAGE):
            self.server.handlers["message"](self.sid, data)
            self.server.sleep(0)  # a socket with data ready never yields by itself: others have their turn
        elif kind == str(packet.CLOSE):
            self.close(reason=self.server.reason.CLIENT_DISCONNECT, last=NOOP)
        else:
            raise Malformed("packet type")

    def poll(self, most: int = PACKETS_PER_POLL) -> list[packet.Packet]:
        """The next packets, as soon as there is one; an empty list when the session has ended."""
        empty = self.server.get_queue_empty_exception()
        patience = self.server.ping_interval + self.server.ping_timeout
        packets: list = []
        try:
            packets.append(self.queue.get(timeout=patience))
            while packets[-1] is not None and len(packets) < most:
                packets.append(self.queue.get(block=False))
        except empty:
            pass
        if packets and packets[-1] is None:
            self.queue.put(packets.pop())  # for the next one that asks
        return packets

    def beat(self) -> None:
        """Ping `ping_interval` seconds after each answer; close when none comes in `ping_timeout` seconds."""
        while not self.gone.wait(self.server.ping_interval):
            self.pong.clear()
            self.send(PING)
            if not self.pong.wait(self.server.ping_timeout):
                self.close(reason=self.server.reason.PING_TIMEOUT, abort=True)

    def upgrade(self, socket: WebSocket) -> None:
        """Move from polling to this WebSocket once it has proved itself; else polling goes on as before."""
        try:
            proved = self._probe(socket)
        except OSError:
            proved = False
        finally:
            self.probing = self.upgrading = False
        if proved and not self.closing:
            self.converse(socket)
        else:
            socket.close(1002)
            socket.finish()

    def _probe(self, socket):
        """The exchange of the specification's "Upgrade": 2probe, 3probe, the waiting poll is let go, 5."""
        if socket.wait(PROBE_SECONDS) != "2probe":
            return False
        self.upgrading = True
        socket.send(frame("3probe"))
        if self.polling:
            self.queue.put(NOOP)
        return socket.wait(PROBE_SECONDS) == "5"

    def converse(self, socket: WebSocket) -> None:
        """Serve the client over this WebSocket until it or the session ends."""
        self.socket, self.connected, self.upgraded = socket, True, True
        writer = self.server.start_background_task(self._write, socket)
        try:
            self._read(socket)
            writer.join()
            socket.finish()
        finally:
            socket.cut()  # also when this greenlet is killed: nothing may follow on the connection
            self.close(wait=False)

    def _read(self, socket):
        try:
            while (message := socket.wait()) is not None:
                self.take(message)
            self.close(reason=self.server.reason.TRANSPORT_CLOSE)
        except Malformed as fault:
            traffic.log.info("%s sent a malformed packet (%s), closed", traffic.alias(self.sid), fault)
            self.close(reason=self.server.reason.TRANSPORT_ERROR, code=1002)

    def _write(self, socket):
        try:
            while packets := self.poll():
                socket.send(b"".join(map(framed, packets)))
            socket.close(self.code)
        except OSError:
            socket.cut()


def framed(pkt: Any) -> bytes:
    """The packet's WebSocket frame, made by the first receiver and kept with it for all the others."""
    if not hasattr(pkt, "frame"):
        pkt.frame = frame(pkt.data if pkt.binary else pkt.encode())
    return pkt.frame


def payload(packets: list[packet.Packet]) -> bytes:
    """The packets as one polling body (Engine.IO protocol, "HTTP long-polling")."""
    parts = ("b" + base64.b64encode(p.data).decode() if p.binary else p.encode() for p in packets)
    return "\x1e".join(parts).encode("utf-8", "replace")
