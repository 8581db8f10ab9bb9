"""Bytes that nobody meant: the server stays well-formed, silent in its log, and there for the next client."""

import contextlib
import os
import random
import re
import socket

import pytest

from tests.live.transport.rude import JOINED, POLL, POST, PROBE, SESSION, SOCKET, Client
from tests.live.transport.wire import POLLING, all_bytes, masked

CASES, AT_ONCE = (50_000 if "SOAK" in os.environ else 1000), 50

ECHO = b'42["echo",{"text":"x"}]'
CONVERSATIONS = [
    [masked(ECHO), masked(ECHO)],
    [masked(ECHO[:9], fin=False), masked(b"", opcode=9), masked(ECHO[9:], opcode=0)],
    [masked(b"\0" * 300, opcode=2)],
    [masked(b'42["echo","' + b"y" * 66_000 + b'"]')],
    [masked(b"x" * 125, opcode=9), masked(b"y", opcode=10), masked(b"3")],
    [masked("für \u2028".encode()), masked(b"\x03\xe8bye", opcode=8), masked(ECHO)],
    [masked(b"40/other,"), masked(b'421["echo",1]'), masked(b"41"), masked(b"1")],
]
STATE = b"GET /state HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
CHUNKED = POST.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked") + b"2\r\n40\r\n0\r\n\r\n"
HEADS = [SESSION, SOCKET, JOINED, STATE, POLL, POST + b"40", PROBE]
NASTY = [
    b"\r\n",
    b"\n",
    b"\0",
    b"\r\n ",
    b":",
    b"\xff\xfe",
    b" HTTP/1.1",
    b"%00",
    b"../" * 50,
    b"x" * 9000,
    b"\r\nContent-Length: -1\r\n",
    b"\r\nContent-Length: 1e3\r\nContent-Length: 4\r\n",
    b"\r\nTransfer-Encoding: chunked, identity\r\n",
    b"\r\nExpect: 100-continue\r\n",
    b"\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n",
    b"&transport=websocket&sid=&EIO=4&EIO=3",
]
ANSWER = re.compile(rb"HTTP/1\.[01] (100|101|200|204|4\d\d|501|505) ")


def test_mutated_frames_get_well_formed_frames_or_an_end(site):
    chance = random.Random(7)

    def conversation():
        return JOINED, mutated(chance, b"".join(chance.choice(CONVERSATIONS)))

    for (_, sent), answer in answers(site, conversation):
        head, _, frames = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert is_well_formed(frames), (sent, frames)
    assert site.get(POLLING).status_code == 200


@pytest.mark.parametrize("kind", ["whole", "chunked"])
def test_mutated_requests_are_answered_or_dropped(start, kind):
    site, chance = start(), random.Random(7)

    def request():
        head = chance.choice(HEADS) if kind == "whole" else CHUNKED
        sid = site.polling().rpartition("=")[2] if head.startswith(b"POST") else "unknown"
        return b"", mutated(chance, head.replace(b"SID", sid.encode()))

    for (_, sent), answer in answers(site, request):
        assert not answer or ANSWER.match(answer), (sent, answer[:200])
    assert site.get(POLLING).status_code == 200


def mutated(chance, data):
    data = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        at = chance.randrange(len(data) + 1)
        way = chance.randrange(6)
        if way == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif way == 1:
            data[at:at] = chance.randbytes(chance.randrange(1, 9))
        elif way == 2:
            del data[at : at + chance.randrange(1, 9)]
        elif way == 3:
            data[at:at] = chance.choice(NASTY)
        elif way == 4:
            data[at:at] = data[chance.randrange(len(data) + 1) :][: chance.randrange(200)]
        else:
            del data[at:]
    return bytes(data)


def answers(site, make):
    """What was sent and all that the server said, for many clients; each says no more and listens."""
    for _ in range(0, CASES, AT_ONCE):
        before = site.log.stat().st_size
        cases = [(make(), Client(site.port, "127.0.0.1")) for _ in range(AT_ONCE)]
        for (first, sent), client in cases:
            with contextlib.suppress(OSError):  # it may have heard enough
                client.send(first + sent)
                client.socket.shutdown(socket.SHUT_WR)
        for sent, client in cases:
            yield sent, all_bytes(client.socket)
            client.socket.close()
        said = site.log.read_text()[before:]
        assert "Traceback" not in said, (said[-1000:], [sent for (_, sent), _ in cases])


def is_well_formed(data):
    """Whether these are frames that a server may send (RFC 6455, 5.2), the last one perhaps cut off."""
    while data:
        if data[0] not in (0x81, 0x82, 0x88, 0x89, 0x8A) or data[1:2] > b"\x7f":
            return False
        length, start = (data[1], 2) if len(data) > 1 else (0, 2)
        if length > 125:
            size = 2 if length == 126 else 8
            length, start = int.from_bytes(data[2 : 2 + size], "big"), 2 + size
        if data[0] == 0x88 and len(data) != start + length:
            return False  # nothing follows a goodbye
        data = data[start + length :]
    return True
