"""WebSocket frames (RFC 6455, 5) and their compression (RFC 7692), without a connection.

A server's frame is unmasked, and compressed without a context of its connection, so one frame is the same
bytes for everybody. What comes in is parsed as it comes, with a bound on what a message may become.
"""

import codecs
import zlib
from collections.abc import Iterator
from typing import Any

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
CONTINUATION = 0
NORMAL, GOING_AWAY, PROTOCOL_ERROR, BAD_DATA, TOO_BIG = 1000, 1001, 1002, 1007, 1009
CHECKED = 256  # bytes of a frame that are looked at before it is whole
WHOLE, LEAST = 15, 9  # bits of a window to compress with: all that there is, and zlib's least
EMPTY_BLOCK = b"\0\0\xff\xff"  # what a compressed message leaves out (RFC 7692, 7.2.1)

EXTENSION = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
PARAMETERS = {
    "server_no_context_takeover",
    "client_no_context_takeover",
    "client_max_window_bits",
    "server_max_window_bits",
}


class Broken(ValueError):
    """The peer broke the protocol; `code` says how (RFC 6455, 7.4.1)."""

    def __init__(self, code: int, why: str):
        super().__init__(why)
        self.code = code


def frame(message: str | bytes, opcode: int | None = None) -> bytes:
    """One uncompressed frame with a whole message: text of a str, binary of bytes, or the given opcode."""
    data = message.encode("utf-8", "replace") if isinstance(message, str) else message
    if opcode is None:
        opcode = TEXT if isinstance(message, str) else BINARY
    return _head(0x80 | opcode, len(data)) + data


def deflated(message: str | bytes, most: int = WHOLE) -> bytes:
    """As frame(), compressed (RFC 7692, 7.2.1) with a window of `most` bits, LEAST or more."""
    data = message.encode("utf-8", "replace") if isinstance(message, str) else message
    packed = block(data, most).removesuffix(EMPTY_BLOCK)
    return _head(0xC0 | (TEXT if isinstance(message, str) else BINARY), len(packed)) + packed


def block(data: bytes, most: int = WHOLE) -> bytes:
    """Compressed up to the edge of a byte, so that more blocks may follow (RFC 1951, 3.2.3)."""
    # Most of the time would go into clearing a window of 32 KB: for a short message a short one does.
    window = max(LEAST, min(len(data).bit_length(), most))
    packer = zlib.compressobj(6, zlib.DEFLATED, -window, 5 if window < 14 else 8)
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)


def deflated_after(beginning: bytes, end: str) -> bytes:
    """As deflated(), of a text that begins with what this block() holds. Its end, below 64 KB, goes as it is.

    It is a stored block (RFC 1951, 3.2.4), before the empty one that a message ends with.
    """
    data = end.encode("utf-8", "replace")
    length = len(data).to_bytes(2, "little") + (len(data) ^ 0xFFFF).to_bytes(2, "little")
    packed = beginning + b"\0" + length + data + b"\0"
    return _head(0xC0 | TEXT, len(packed)) + packed


def goodbye(code: int) -> bytes:
    """A close frame."""
    return frame(code.to_bytes(2, "big"), CLOSE)


def _head(first: int, length: int) -> bytes:
    if length < 126:
        return bytes((first, length))
    if length < 65536:
        return bytes((first, 126)) + length.to_bytes(2, "big")
    return bytes((first, 127)) + length.to_bytes(8, "big")


def extension(offers: str) -> tuple[str, int]:
    """The answer to Sec-WebSocket-Extensions, and the window that we are granted (RFC 7692, 7.1.2): its bits;
    ("", 0) to what is no offer. The whole one is preferred, for one compressed frame is for everybody.
    """
    second = "", 0
    for offer in offers.split(","):
        name, *parameters = (word.strip() for word in offer.split(";"))
        said = dict(_parameter(text) for text in parameters)
        once = len(said) == len(parameters) and said.keys() <= PARAMETERS
        if name != "permessage-deflate" or not once or not _are_right(said):
            continue
        bits = said.get("server_max_window_bits")
        answer = EXTENSION + (f"; server_max_window_bits={bits}" if bits else ""), int(bits or WHOLE)
        if answer[1] == WHOLE:
            return answer
        second = second if second[0] else answer
    return second


def _parameter(text):
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip().strip('"')


def _are_right(said: dict[str, str]) -> bool:
    flags = [said[name] for name in said if name.endswith("no_context_takeover")]
    theirs, ours = said.get("client_max_window_bits", ""), said.get("server_max_window_bits", "15")
    windows = [str(bits) for bits in range(8, 16)]
    return not any(flags) and theirs in ("", *windows) and ours in windows


class Parser:
    """The frames of one client, as messages. `limit` is the most bytes of a message, unpacked.

    It keeps only what a message in parts needs, so one that waits for the next message costs next to nothing.
    """

    __slots__ = ("inflate", "limit", "parts", "rest")

    def __init__(self, limit: int, inflate: bool):
        self.limit, self.inflate = limit, inflate
        self.rest = b""
        self.parts: Any = None  # the message that has begun

    def feed(self, data: bytes) -> Iterator[tuple[int, str | bytes]]:
        """What these bytes complete, in order: (opcode, message); a close frame's is its raw body.

        Raises Broken at the first thing that the protocol forbids; what was complete before it is yielded.
        """
        data = self.rest + data if self.rest else data
        at, self.rest = 0, b""
        while True:
            end, body, first = self._next(data, at)
            if end is None:
                self.rest = data[at:]
                self._check_begun()
                return
            at = end
            opcode = first & 15
            if opcode >= CLOSE:
                yield opcode, body
                continue
            message = self._gather(first, opcode, body)
            if message is not None:
                yield message

    def _next(self, data: bytes, at: int) -> tuple[int | None, bytes, int]:
        """The next frame from `at` on: where it ends (None: not all is here), its body, its first byte."""
        have = len(data) - at
        if have < 2:
            return None, b"", 0
        first, length = data[at], data[at + 1]
        self._check_head(first, length)
        if not length & 0x80:
            raise Broken(PROTOCOL_ERROR, "not masked")
        length, at = length & 0x7F, at + 2
        if length > 125:
            size = 2 if length == 126 else 8
            if have < 2 + size:
                return None, b"", 0
            length, least = int.from_bytes(data[at : at + size], "big"), 126 if size == 2 else 65536
            at += size
            if length < least or length >> 63:
                raise Broken(PROTOCOL_ERROR, "length")
        begun = self.parts.size if self.parts and first & 15 < CLOSE else 0
        if begun + length > self.limit:
            raise Broken(TOO_BIG, "message too long")
        if len(data) < at + 4 + length:
            return None, b"", 0
        at += 4
        return at + length, unmasked(data[at : at + length], data[at - 4 : at]), first

    def _check_begun(self):
        """Text that can become none is refused before the rest of its frame is here, while that is cheap."""
        if 6 < len(self.rest) <= CHECKED and self.rest[0] & 0x4F == TEXT and self.rest[1] & 0x7F < 126:
            _text(unmasked(self.rest[6:], self.rest[2:6]), codecs.getincrementaldecoder("utf-8")())

    def _check_head(self, first, length):
        opcode, last = first & 15, first & 0x80
        begins = opcode in (TEXT, BINARY)
        if first & (0x30 if self.inflate and begins else 0x70):
            raise Broken(PROTOCOL_ERROR, "reserved bits")
        if 2 < opcode < CLOSE or opcode > PONG:
            raise Broken(PROTOCOL_ERROR, "opcode")
        if opcode >= CLOSE and not (last and length & 0x7F < 126):
            raise Broken(PROTOCOL_ERROR, "control frame")
        if begins and self.parts:
            raise Broken(PROTOCOL_ERROR, "message within a message")
        if opcode == CONTINUATION and not self.parts:
            raise Broken(PROTOCOL_ERROR, "continuation of nothing")

    def _gather(self, first, opcode, body):
        if self.parts is None:
            if first & 0xC0 == 0x80:  # whole and not compressed, as nearly all are
                return opcode, (_text(body) if opcode == TEXT else body)
            self.parts = Parts(opcode, bool(first & 0x40))
        parts = self.parts
        parts.add(body, self.limit)
        if not first & 0x80:
            return None
        self.parts = None
        return parts.opcode, parts.whole()


class Parts:
    """A message that comes in parts, or compressed."""

    def __init__(self, opcode: int, packed: bool):
        self.opcode = opcode
        self.size = 0  # bytes so far, as they came
        self._unpacked = 0
        self._unpacker = zlib.decompressobj(-zlib.MAX_WBITS) if packed else None
        self._decoder = codecs.getincrementaldecoder("utf-8")() if opcode == TEXT else None
        self._parts: list[Any] = []

    def add(self, body: bytes, limit: int) -> None:
        """One part more; Broken when text is none, or the message becomes longer than `limit`."""
        self.size += len(body)
        if self._unpacker:
            body = self._unpack(body, limit)
        part = _text(body, self._decoder) if self._decoder else body
        if part:  # a message may have any number of empty parts
            self._parts.append(part)

    def whole(self) -> str | bytes:
        if self._unpacker:
            self.add(EMPTY_BLOCK, self._unpacked + len(EMPTY_BLOCK))
        if self._decoder:
            return "".join(self._parts) + _text(b"", self._decoder, final=True)
        return b"".join(self._parts)

    def _unpack(self, body, limit):
        assert self._unpacker
        try:
            data = self._unpacker.decompress(body, limit - self._unpacked + 1)
        except zlib.error:
            raise Broken(BAD_DATA, "not compressed data") from None
        self._unpacked += len(data)
        if self._unpacked > limit or self._unpacker.unconsumed_tail:
            raise Broken(TOO_BIG, "message too long")
        return data


def _text(body: bytes, decoder: Any = None, final: bool = False) -> str:
    try:
        return decoder.decode(body, final) if decoder else body.decode()
    except UnicodeDecodeError:
        raise Broken(BAD_DATA, "not UTF-8") from None


def unmasked(data: bytes, key: bytes) -> bytes:
    """The data as it was before the client masked it (RFC 6455, 5.3)."""
    length = len(data)
    mask = (key * (length // 4 + 1))[:length]
    return (int.from_bytes(data, "little") ^ int.from_bytes(mask, "little")).to_bytes(length, "little")


def close_code(body: bytes) -> int:
    """The code to answer a close frame with (RFC 6455, 5.5.1 and 7.4); Broken when the frame is wrong."""
    if not body:
        return NORMAL
    code = int.from_bytes(body[:2], "big")
    known = 1000 <= code <= 1014 and code not in (1004, 1005, 1006)
    if len(body) == 1 or not (known or 3000 <= code <= 4999):
        raise Broken(PROTOCOL_ERROR, "close code")
    _text(body[2:])
    return code
