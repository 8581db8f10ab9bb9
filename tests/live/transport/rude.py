"""Clients that leave in every way that is not polite, a batch at a time, from several addresses."""

import contextlib
import itertools
import re
import socket
from collections import Counter, deque
from typing import NamedTuple

from tests.live.transport.wire import DEADLINE, POLLING, WEBSOCKET, masked, reset

SID = re.compile(rb'"sid":"([^"]+)"')
GIVEN_UP = b" 400 Bad Request"  # what a request is answered whose session is over
AT_ONCE = 80
HELD = 300  # connections that are dead for us, but not yet closed

HEAD = b" HTTP/1.1\r\nHost: here\r\n"
UPGRADE = (
    HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: c2l4dGVlbiBieXRlcyAxNg==\r\n\r\n"
)
SOCKET = b"GET /socket.io/?" + WEBSOCKET.encode() + UPGRADE
SESSION = b"GET /socket.io/?" + POLLING.encode() + HEAD + b"\r\n"
POLL = b"GET /socket.io/?" + POLLING.encode() + b"&sid=SID" + HEAD + b"\r\n"
POST = b"POST /socket.io/?" + POLLING.encode() + b"&sid=SID" + HEAD + b"Content-Length: 2\r\n\r\n"
PROBE = b"GET /socket.io/?" + WEBSOCKET.encode() + b"&sid=SID" + UPGRADE
JOINED = SOCKET + masked(b"40") + masked(b'42["join","org:rude"]')


class Step(NamedTuple):
    """Send this (SID: its session's) and wait for an answer with these words, if there are any."""

    sent: bytes
    heard: bytes = b""


OPENED = Step(SOCKET, b'"sid"')
POLLED = Step(SESSION, b'"sid"')
WAYS: dict[str, list[Step]] = {
    "without a word": [],
    "in a request's head": [Step(SESSION[:20])],
    "in a handshake's head": [Step(SOCKET[:-2])],
    "in a handshake": [Step(SOCKET)],
    "before it connected": [OPENED],
    "in a frame's head": [OPENED, Step(masked(b"", length=70_000)[:5])],
    "in a frame": [OPENED, Step(masked(b"4" * 1000, length=60_000))],
    "in a message": [OPENED, Step(masked(b"42", fin=False))],
    "in its connect handler": [OPENED, Step(masked(b'40{"pauses":true}'))],
    "before its disconnect handler, which takes its time": [
        Step(SOCKET + masked(b'40{"pauses":true}'), b"40{")
    ],
    "in its disconnect handler": [
        Step(SOCKET + masked(b'40{"pauses":true}'), b"40{"),
        Step(masked(b"41")),
    ],
    "in a room": [Step(JOINED, b"40{")],
    "without reading": [Step(JOINED + masked(b'42["echo","' + b"x" * 60_000 + b'"]') * 4)],
    "after a broken frame": [Step(JOINED, b"40{"), Step(b"\xff\xff\xff\xff")],
    "between two polls": [POLLED],
    "in a poll": [POLLED, Step(POLL)],
    "in a room, in a poll": [POLLED, Step(POST + b"40", b"ok"), Step(POLL, b"40{"), Step(POLL)],
    "in a POST": [POLLED, Step(POST + b"4")],
    "before the probe": [POLLED, Step(PROBE, b"101 ")],
    "in the probe": [POLLED, Step(PROBE, b"101 "), Step(masked(b"2probe"), b"3probe")],
    "after the upgrade": [
        POLLED,
        Step(PROBE, b"101 "),
        Step(masked(b"2probe"), b"3probe"),
        Step(masked(b"5") + masked(b"40"), b"40{"),
    ],
    "in a stream": [Step(b"GET /stream" + HEAD + b"\r\n", b"event: head")],
    "in a stream on a wire": [Step(b"GET /events" + HEAD + b"\r\n", b"event: head")],
}


class Crowd:
    """Rude clients of one server, from several addresses."""

    def __init__(self, port: int):
        self.port = port
        self.came: Counter[str] = Counter()  # clients, by the way in which they leave;
        self.late: Counter[str] = Counter()  # and those whom the server gave up before they had done it all
        self.held: deque[socket.socket] = deque()
        self.addresses = itertools.cycle(f"127.0.0.{number}" for number in range(2, 12))
        manners = (reset, socket.socket.close, self._half_close, self._hold)
        self.turns = itertools.cycle(itertools.product(manners, WAYS.items()))
        self.seen: set[tuple[str, str]] = set()  # manners and ways

    def come_and_go(self, count: int) -> None:
        """So many clients, in batches, leave in each way and each manner in turn."""
        for _, (leave, (way, steps)) in zip(range(0, count, AT_ONCE), self.turns, strict=False):
            self.seen.add((leave.__name__, way))
            clients = [Client(self.port, next(self.addresses)) for _ in range(AT_ONCE)]
            for step in steps:
                for client in clients:
                    client.send(step.sent)
                for client in clients if step.heard else ():
                    client.hear(step.heard)
            self.came[way] += len(clients)
            self.late[way] += sum(client.late for client in clients)
            for client in clients:
                leave(client.socket)
            self._close_held(HELD)
        self._close_held(0)

    def _close_held(self, but: int) -> None:
        while len(self.held) > but:
            self.held.popleft().close()

    def _half_close(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the server was first
            sock.shutdown(socket.SHUT_WR)
        self.held.append(sock)

    def _hold(self, sock: socket.socket) -> None:
        self.held.append(sock)


class Client:
    """One connection, from this address."""

    def __init__(self, port: int, address: str):
        self.socket = socket.socket()
        self.socket.settimeout(DEADLINE)
        self.socket.bind((address, 0))
        self.socket.connect(("127.0.0.1", port))
        self.sid = b""
        self.late = False  # a step took longer than the server's patience, on a busy machine: so it leaves

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data.replace(b"SID", self.sid))
        except ConnectionError:
            self.late = True

    def hear(self, words: bytes) -> None:
        heard = b""
        while words not in heard and not self.late:
            try:
                data = self.socket.recv(4096)
            except ConnectionError:
                data = b""
            except TimeoutError:
                raise AssertionError(f"waited for {words!r}, heard {heard!r}") from None
            heard += data
            self.late = not data or GIVEN_UP in heard
        found = SID.search(heard)
        if found and not self.sid:
            self.sid = found[1]
