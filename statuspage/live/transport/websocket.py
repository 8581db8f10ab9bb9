"""One WebSocket (RFC 6455), server side, on the socket of the WSGI server that took the request.

It stands in for simple-websocket, whose send() drops what the socket did not take, which accepts compression
from everyone, buffers received messages without a bound and keeps a second reader per connection. Here one
greenlet (or thread) reads, one writes, and both write under one lock.
"""

import base64
import binascii
import contextlib
import hashlib
import math
import socket
import time
from typing import Any

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import CloseConnection, Message, Ping, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
LINGER = 1  # seconds that a closed connection waits for its peer to read the last bytes and close too


class Refused(Exception):
    """The request is not a WebSocket handshake that can be accepted (RFC 6455, 4.2.1)."""


class WebSocket:
    """An accepted WebSocket. A message over `limit` bytes closes it; a peer that reads nothing for `patience`
    seconds is cut.

    No extension is ever negotiated: compression costs a zlib state and a compression per client.
    Raises Refused when the request is no handshake, OSError when the peer is gone already.
    """

    def __init__(self, environ: dict, *, limit: int, patience: float, lock: Any):
        answer = accept(environ)
        self.limit, self.lock = limit, lock
        self.socket, early = take_over(environ)
        self.socket.settimeout(patience)
        self.frames = Connection(ConnectionType.SERVER, trailing_data=early)
        self.patience = patience
        self.parts: list[Any] = []
        self.size = 0
        self.over = False  # nothing more will be read
        self.until = math.inf  # when an answer to our goodbye is waited for no longer
        self._write(answer)

    def wait(self, seconds: float | None = None) -> str | bytes | None:
        """The next whole message; None when the connection has ended or `seconds` have passed without one."""
        self.socket.settimeout(min(seconds or self.patience, self.patience))
        deadline = time.monotonic() + seconds if seconds else math.inf
        while not self.over and time.monotonic() < min(deadline, self.until):
            message = self._next()
            if message is not None:
                return message
            if not self.over:
                self._read()
        return None

    def send(self, frames: bytes) -> None:
        """Write all of these frames, or none after a goodbye; OSError when the peer is gone or has not read
        for `patience` seconds."""
        with self.lock:
            if self.frames.state is ConnectionState.OPEN:
                self._write(frames)

    def close(self, code: int = CloseReason.NORMAL_CLOSURE, reason: str = "") -> None:
        """Say goodbye (RFC 6455, 7.1.2), once; what was being written is finished first."""
        self._say_goodbye(CloseConnection(code, reason))

    def cut(self) -> None:
        """End the connection now, from any greenlet: pending reads and writes return at once."""
        self.over = True
        with contextlib.suppress(OSError):  # it may be gone already
            self.socket.shutdown(socket.SHUT_RDWR)

    def finish(self) -> None:
        """Give the peer a second to read the last bytes, then shut down, so that nobody reads on as HTTP."""
        deadline = time.monotonic() + LINGER
        with contextlib.suppress(OSError):
            self.socket.settimeout(LINGER)
            # Closing with unread bytes would reset the connection and take the close frame with it.
            while self.socket.recv(65536) and time.monotonic() < deadline:
                pass
        self.cut()

    def _read(self):
        try:
            data = self.socket.recv(16384)
        except TimeoutError:
            return  # quiet, not gone: the heartbeat decides
        except OSError:
            data = b""
        if data:
            self.frames.receive_data(data)
        else:
            self.over = True

    def _next(self):
        """The first message among the bytes received so far, or None."""
        for event in self.frames.events():
            if isinstance(event, Message):
                message = self._gather(event)
                if message is not None:
                    return message
            elif isinstance(event, Ping):
                self._reply(event.response())
            elif isinstance(event, CloseConnection):
                self.over = True
                self._say_goodbye(event.response())
            if self.over:
                break
        return None

    def _gather(self, event: Message) -> str | bytes | None:
        """The whole message once its last part is here; one too long closes the connection as it comes in."""
        self.size += len(event.data.encode() if isinstance(event.data, str) else event.data)
        if self.size > self.limit:
            self.over = True
            self.close(CloseReason.MESSAGE_TOO_BIG)
            return None
        self.parts.append(event.data if isinstance(event, TextMessage) else bytes(event.data))
        if not event.message_finished:
            return None
        parts, self.parts, self.size = self.parts, [], 0
        return "".join(parts) if isinstance(event, TextMessage) else b"".join(parts)

    def _say_goodbye(self, event):
        self.until = time.monotonic() + LINGER
        self._reply(event)
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def _reply(self, event):
        # Nothing may follow a goodbye, and nothing can be said to a peer that is gone.
        with self.lock, contextlib.suppress(LocalProtocolError, OSError):
            self._write(self.frames.send(event))

    def _write(self, data):
        # send() and not sendall(): the limit is on standing still, not on the time that a long message takes.
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self.socket.send(rest) :]
        except OSError:
            self.cut()  # half a frame is on the wire: nothing that follows could be understood
            raise


def frame(message: str | bytes) -> bytes:
    """One unmasked, uncompressed server frame (RFC 6455, 5.2): the same bytes for every client."""
    data = message.encode("utf-8", "replace") if isinstance(message, str) else message
    opcode = b"\x81" if isinstance(message, str) else b"\x82"
    if len(data) < 126:
        return opcode + bytes([len(data)]) + data
    if len(data) < 65536:
        return opcode + b"\x7e" + len(data).to_bytes(2, "big") + data
    return opcode + b"\x7f" + len(data).to_bytes(8, "big") + data


def accept(environ: dict) -> bytes:
    """The 101 answer to this request, without any offered extension; Refused when it is no handshake."""
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "").strip()
    tokens = [token.strip() for token in environ.get("HTTP_CONNECTION", "").lower().split(",")]
    right = (
        environ.get("REQUEST_METHOD") == "GET"
        and environ.get("SERVER_PROTOCOL") == "HTTP/1.1"
        and environ.get("HTTP_UPGRADE", "").strip().lower() == "websocket"
        and "upgrade" in tokens
        and environ.get("HTTP_SEC_WEBSOCKET_VERSION", "").strip() == "13"
        and environ.get("CONTENT_LENGTH") in (None, "", "0")
        and "HTTP_TRANSFER_ENCODING" not in environ
    )
    if not right or not _sixteen_bytes(key):
        raise Refused("not a WebSocket handshake")
    proof = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest())
    lines = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return lines + b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n"


def _sixteen_bytes(key):
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def take_over(environ: dict) -> tuple[socket.socket, bytes]:
    """The request's socket and the bytes behind its head; Refused when the server hands out neither."""
    reader = environ["wsgi.input"]
    try:
        # werkzeug and gunicorn hand the socket over; gevent's pywsgi leaves it behind the reader.
        sock = environ.get("werkzeug.socket") or environ.get("gunicorn.socket") or reader.raw._sock
    except AttributeError:
        raise Refused("this server cannot do WebSockets") from None
    sock.settimeout(0)
    early = reader.peek() if hasattr(reader, "peek") else b""
    return sock, reader.read1(len(early)) if early else b""
