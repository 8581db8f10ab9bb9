"""The WebSocket itself (RFC 6455): its handshake, its frames, its end."""

import contextlib
import re
import zlib

import pytest

from statuspage.live.transport import frames
from tests.live.transport.wire import all_bytes, close_code, handshake, masked

NO_CONTEXT = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"


@pytest.mark.parametrize(
    ("offer", "answered"),
    [
        ("permessage-deflate", NO_CONTEXT),
        ("permessage-deflate; client_max_window_bits", NO_CONTEXT),
        ("x-webkit-deflate-frame, permessage-deflate; server_no_context_takeover", NO_CONTEXT),
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", NO_CONTEXT),
        ("permessage-deflate; server_max_window_bits=15", NO_CONTEXT + b"; server_max_window_bits=15"),
        ("permessage-deflate; server_max_window_bits=10", NO_CONTEXT + b"; server_max_window_bits=10"),
        ("permessage-deflate; server_max_window_bits=7", None),
        ("permessage-deflate; server_max_window_bits", None),
        ("permessage-deflate; client_max_window_bits=7", None),
        ("permessage-deflate; surprise", None),
        ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", None),
    ],
)
def test_only_a_compression_without_context_is_negotiated(site, offer, answered):
    sock, request = handshake(site, headers=f"Sec-WebSocket-Extensions: {offer}\r\n")
    with sock:
        sock.sendall(request)
        answer = sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 101")
    found = re.search(rb"Sec-WebSocket-Extensions: (.*)\r\n", answer)
    assert (found and found[1]) == answered


@pytest.mark.parametrize(("bits", "ours"), [(15, b"\xc1"), (10, b"x" * 600)], ids=["whole", "small"])
def test_who_grants_us_a_small_window_compresses_and_is_sent_messages_as_they_are(site, bits, ours):
    offer = f"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits={bits}\r\n"
    sock, request = handshake(site, headers=offer)
    packer = zlib.compressobj(wbits=-15)
    theirs = packer.compress(b'42["echo","' + b"x" * 600 + b'"]') + packer.flush(zlib.Z_SYNC_FLUSH)
    with sock:
        sock.sendall(request + masked(b'40{"name": "one"}') + masked(theirs[:-4], opcode=0x41))
        answer = b""
        while not (b"\xc1" in answer or b"x" * 600 in answer):
            answer += sock.recv(65536)
    assert ours in answer


def test_compression_can_be_switched_off(start):
    offer = f"Sec-WebSocket-Extensions: {NO_CONTEXT.decode()}\r\n"
    sock, request = handshake(start(compression=False), headers=offer)
    with sock:
        sock.sendall(request)
        assert b"extensions" not in sock.recv(65536).lower()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Version: 13", "Version: 8"),
        ("Sec-WebSocket-Key", "Sec-WebSocket-Lock"),
        ("Key: c2l4", "Key: !!!!"),
        ("Connection: Upgrade", "Connection: close"),
        ("HTTP/1.1", "HTTP/1.0"),
        ("Connection:", "Content-Length: 5\r\nConnection:"),
    ],
)
def test_a_broken_websocket_handshake_is_a_bad_request_and_leaves_no_session(site, old, new):
    before = site.state["sessions"]
    sock, request = handshake(site)
    with sock:
        sock.sendall(request.replace(old.encode(), new.encode()) + b"GET /state HTTP/1.1\r\n\r\n")
        answer = all_bytes(sock)
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.endswith(b'{"code": 3, "message": "Bad request"}')
    assert site.state["sessions"] == before


def test_what_follows_a_finished_websocket_is_not_read_as_http(site):
    sock, request = handshake(site)
    smuggled = b"GET /state HTTP/1.1\r\nHost: here\r\n\r\n"
    with sock:
        sock.sendall(request)
        sock.sendall(masked(b"\x03\xe8", opcode=8) + smuggled)
        answer = all_bytes(sock)
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.endswith(b"\x88\x02\x03\xe8")


def test_what_comes_with_the_handshake_is_read_as_websocket_not_as_http(site):
    sock, request = handshake(site)
    with sock:
        sock.sendall(request + b"GET /state HTTP/1.1\r\nHost: here\r\n\r\n")
        answer = all_bytes(sock)
    assert answer.count(b"HTTP/1.1") == 1


BROKEN = {
    "unmasked": b"\x81\x05hello",
    "reserved bits": b"\xf1\x80\0\0\0\0",
    "no UTF-8": masked(b"\xff\xfe"),
    "an unknown opcode": b"\x83\x80\0\0\0\0",
    "a continuation of nothing": masked(b"x", opcode=0),
    "a ping in parts": masked(b"x", opcode=9, fin=False),
    "a close of one byte": masked(b"x", opcode=8),
}


@pytest.mark.parametrize("bad", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_frame_closes_its_websocket_cleanly(site, bad):
    sock, request = handshake(site)
    with sock:
        sock.sendall(request + bad)
        answer = all_bytes(sock)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"\x88" in answer


def test_a_message_that_is_too_long_is_refused_while_it_comes_in(site):
    sock, request = handshake(site)
    with sock:
        sock.sendall(request + masked(b"4" + b"x" * 100_000, length=10_000_000))
        answer = all_bytes(sock)
    assert answer.endswith(b"\x88\x02\x03\xf1")  # 1009


def test_a_message_in_too_many_parts_is_refused_too(site):
    ws = site.client("parts")
    with contextlib.suppress(OSError):
        ws.sock.sendall(masked(b"4", fin=False))
        for _ in range(80):
            ws.sock.sendall(masked(b"x" * 1000, opcode=0, fin=False))
    assert close_code(ws) == 1009


def test_a_message_of_exactly_the_limit_is_taken(site):
    ws = site.client("limit")
    ws.send('42["echo","' + "x" * (65536 - 13) + '"]')
    assert len(ws.recv()) > 65536 - 13
    ws.close()


def test_a_message_of_empty_parts_takes_no_memory():
    parser = frames.Parser(limit=1000, inflate=False)
    assert list(parser.feed(masked(b"", fin=False) + masked(b"", opcode=0, fin=False) * 10_000)) == []
    assert parser.parts._parts == []
    assert list(parser.feed(masked(b"end", opcode=0))) == [(1, "end")]
