"""One that reads slowly gets every byte in order or a clean cut, and holds nobody up."""

import random
import selectors
import time
import zlib

import pytest

from statuspage.live.transport import frames
from tests.live.transport.wire import DEADLINE, handshake, masked

EVENTS, SIZE, AT_ONCE = 700, 30_000, 20
READERS = 200
PACE = 1024  # bytes a second
OFFER = (
    "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover\r\n"
)
CLOSE = b"\x88"  # what may follow a whole event: the first byte of a close frame


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_a_slow_reader_among_two_hundred_gets_all_or_a_clean_cut_and_they_get_all(start, packed):
    site = start(ping_interval=60)
    stream, ends = news(packed)
    headers = OFFER if packed else ""
    slow = Reader(site, stream, headers=headers, receive_buffer=4096)
    others = [Reader(site, stream, headers=headers) for _ in range(READERS)]
    with selectors.DefaultSelector() as selector:
        for reader in others:
            selector.register(reader.socket, selectors.EVENT_READ, reader)
        for first in range(0, EVENTS, AT_ONCE):
            last = first + AT_ONCE
            params = {"first": first, "last": last, "size": SIZE}
            assert site.http.post("/broadcast", params=params).status_code == 200
            read_up_to(ends[last - 1], selector, others, slow)
    assert all(reader.position == len(stream) and not reader.rest for reader in others)
    while slow.position < len(stream) and slow.read(65536):
        pass
    assert slow.position > 0
    assert slow.position == len(stream) or is_clean_cut(slow, ends)


def news(packed):
    """The frames of all events (RFC 6455, 5.2; RFC 7692, 6.1), and where each ends."""
    stream, ends = bytearray(), []
    for number in range(EVENTS):
        text = random.Random(number).randbytes(SIZE // 2).hex()
        body = b'42["news",{"number":%d,"text":"%s"}]' % (number, text.encode())
        head = b"\x81\x7e"
        if packed:
            head, body = b"\xc1\x7e", pack(body)
        stream += head + len(body).to_bytes(2, "big") + body
        ends.append(len(stream))
    return bytes(stream), ends


def pack(text):
    """The very bytes that our frames have; that they are the text again is seen here."""
    body = frames.deflated(text.decode())[4:]
    assert zlib.decompressobj(-15).decompress(body + b"\0\0\xff\xff") == text
    return body


def read_up_to(end, selector, others, slow):
    """Until all the others have so much; the slow one takes its kilobyte a second beside them."""
    deadline = time.monotonic() + DEADLINE
    behind = len(others)
    while behind:
        for key, _ in selector.select(0.1):
            assert key.data.read(1 << 20), "A reader that reads well was cut."
            behind -= key.data.position == end
        slow.read_slowly()
        assert time.monotonic() < deadline, f"{behind} are behind"


def is_clean_cut(reader, ends):
    """It ended, and what it heard last was the goodbye after a whole event, or a part of the stream."""
    return not reader.rest or (reader.position in ends and reader.rest.startswith(CLOSE))


class Reader:
    """A client that compares every byte with what was sent; `rest` is what was not expected."""

    def __init__(self, site, stream, **options):
        self.stream, self.position, self.rest = stream, 0, b""
        self.socket, request = handshake(site, **options)
        self.socket.sendall(request + masked(b"40"))
        heard = b""
        while not (b"40{" in heard and heard.endswith(b"}")):
            heard += self.socket.recv(1024)
        self.next = time.monotonic()

    def read(self, size):
        """Whether the connection goes on."""
        try:
            data = self.socket.recv(size)
        except ConnectionResetError:
            return False
        if not self.rest and data == self.stream[self.position : self.position + len(data)]:
            self.position += len(data)
            return bool(data)
        same = 0
        while not self.rest and data[same] == self.stream[self.position]:
            same, self.position = same + 1, self.position + 1
        self.rest += data[same:]
        return bool(data)

    def read_slowly(self):
        if time.monotonic() >= self.next:
            self.read(PACE)
            self.next = time.monotonic() + 1
