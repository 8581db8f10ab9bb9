"""One WebSocket (RFC 6455), server side: the handshake, messages, pings, goodbyes. It never blocks."""

import base64
import binascii
import hashlib
from typing import Any, Protocol

from . import frames
from .frames import Broken

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


class Refused(Exception):
    """The request is not a WebSocket handshake that can be accepted (RFC 6455, 4.2.1)."""


class Owner(Protocol):
    """Who acts on what a WebSocket brings; under our own server in gevent's hub, so it must not block."""

    def take(self, message: str | bytes) -> None:
        """A whole message."""

    def lost(self, why: str) -> None:
        """Nothing more will come: the client said goodbye, broke the protocol or is gone. Called once."""


class WebSocket:
    """An accepted WebSocket; it answers pings and goodbyes by itself. Set `owner`, then serve().

    `window`: bits that we may compress with; 0: neither side may compress. `deflate`: whether it takes the
    compressed frames that are the same for everybody.
    """

    __slots__ = ("deflate", "owner", "parser", "window", "wire")

    def __init__(self, wire: Any, limit: int, window: int) -> None:
        self.wire, self.window, self.deflate = wire, window, window == frames.WHOLE
        self.owner: Any = None
        self.parser = frames.Parser(limit, inflate=window > 0)
        wire.reader = self

    def send(self, message: str | bytes) -> None:
        """Queue a message to this client alone."""
        if self.window < frames.LEAST:
            self.wire.send(frames.frame(message))
        else:
            self.wire.send(frames.deflated(message, self.window))

    def close(self, code: int = frames.NORMAL) -> None:
        """Say goodbye (RFC 6455, 7.1.2), once, after what is queued."""
        self.wire.send(frames.goodbye(code))
        self.wire.finish()

    def serve(self, early: bytes = b"") -> None:
        """Act on what came with the handshake, then on all that follows."""
        if early:
            self.receive(early)
        self.wire.serve()

    def receive(self, data: bytes) -> None:
        """These bytes came from the client."""
        parser = self.parser
        if len(data) == 7 and data[:2] == b"\x81\x81" and not parser.rest and parser.parts is None:
            character = data[2] ^ data[6]
            if character < 0x80:  # a pong: nearly all that idle clients say
                self.owner.take(chr(character))
                return
        try:
            for opcode, body in self.parser.feed(data):
                if opcode == frames.CLOSE:
                    self._end(frames.close_code(body))  # type: ignore[arg-type]
                elif opcode == frames.PING:
                    self.wire.send(frames.frame(body, frames.PONG))
                elif opcode != frames.PONG:
                    self.owner.take(body)
                if self.wire.finishing or self.owner is None:
                    return  # it ended, or was cut for not reading our answers
        except Broken as fault:
            self._end(fault.code)

    def lost(self, why: str = "") -> None:
        """The connection is gone."""
        owner, self.owner = self.owner, None
        if owner:
            owner.lost(why)

    def _end(self, code):
        self.close(code)
        self.lost()


def accept(
    environ: dict, *, limit: int, max_pieces: int, patience: float, engine: Any, compression: bool
) -> Any:
    """Take over the request's connection: (the WebSocket, the bytes that came with the handshake).

    A message over `limit` bytes closes it; a client with `max_pieces` frames waiting, or that takes nothing
    for `patience` seconds, is cut. Raises Refused when the request is no handshake.
    """
    key = check(environ)
    offers = environ.get("HTTP_SEC_WEBSOCKET_EXTENSIONS", "") if compression else ""
    said, window = frames.extension(offers)
    wire, early = take_over(environ, max_pieces, patience, engine)
    proof = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest())
    extension = b"Sec-WebSocket-Extensions: " + said.encode() + b"\r\n" if said else b""
    wire.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + extension
        + b"Sec-WebSocket-Accept: "
        + proof
        + b"\r\n\r\n"
    )
    return WebSocket(wire, limit, window), early


def check(environ: dict) -> str:
    """The handshake's key; Refused when the request is none (RFC 6455, 4.2.1)."""
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
    return key


def _sixteen_bytes(key):
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def take_over(environ: dict, max_pieces: int, patience: float, engine: Any) -> tuple[Any, bytes]:
    """The request's connection and the bytes behind its head; Refused when the server hands out neither."""
    from .blocking import BlockingWire

    ours = environ.get("transport.request")
    if ours:
        return ours.hand_over(max_pieces)
    reader = environ["wsgi.input"]
    try:
        # werkzeug and gunicorn hand the socket over; gevent's pywsgi leaves it behind the reader.
        sock = environ.get("werkzeug.socket") or environ.get("gunicorn.socket") or reader.raw._sock
    except AttributeError:
        raise Refused("this server cannot do WebSockets") from None
    sock.settimeout(0)
    early = reader.peek() if hasattr(reader, "peek") else b""
    return BlockingWire(engine, sock, None, max_pieces, patience), reader.read1(len(early)) if early else b""
