"""The HTTP front: connections between requests, which cost no greenlet, and answers that are ready.

A connection waits here for the head of a request. What the answer cache has is written at once; for all else
the connection goes to a greenlet of the WSGI server, and comes back when the answer is written.
"""

import math
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import gevent

MAX_HEAD = 65536  # bytes; the WSGI server refuses lines and counts well below it
HEAD_SECONDS = 20.0  # for a head to come in whole
IDLE_SECONDS = 75.0  # between two requests
LOOK_SECONDS = 0.05  # between two looks at whether what was answered is written
BODY_SECONDS, BODY_RATE = 20.0, 1000.0  # for a body to come in, and a second more for so many bytes of it
MAX_PIECES = 100  # answers that a client may ask for without reading any

Answers = Callable[[bytes], bytes | None]

HANDSHAKE = b"GET /socket.io/?"
REQUEST = re.compile(r"(GET|HEAD) (/[A-Za-z0-9._~/-]*)(?:\?([!-~]*))? HTTP/1\.1\r\n")
FIELD = re.compile(r"([A-Za-z0-9-]+):[ \t]*([^\r\n]*?)[ \t]*\r\n")
BODY = {"content-length", "content-type", "transfer-encoding", "expect"}
END = b"\r\n\r\n"


class Waiting:
    """A connection that waits for a request."""

    __slots__ = ("address", "head", "listener", "since", "wire")

    def __init__(self, listener: Any, fd: int, address: Any) -> None:
        self.listener, self.address = listener, address
        self.head = b""
        self.since = time.monotonic()
        self.wire = listener.poller.add(fd, self, MAX_PIECES)

    def hand_over(self, max_pieces: int) -> tuple[Any, bytes]:
        """Give the connection away where it is: its wire, and the bytes that came behind the head."""
        wire, rest = self.wire, self.head
        wire.max_pieces, self.wire = max_pieces, None
        return wire, rest

    def receive(self, data: bytes) -> None:
        """More of a head, or of several."""
        data = self.head + data if self.head else data
        while True:
            end = data.find(END)
            ready = 0 <= end < MAX_HEAD and not data.startswith(HANDSHAKE)
            answer = self.listener.answer(data[: end + 4]) if ready else None
            if answer is None:
                break
            self.wire.send(answer)
            data = data[end + 4 :]
            if not data:
                break
        if end >= 0 and data.startswith(HANDSHAKE):
            self.head = data
            self._have_it_wait(self._open)
            return
        if data and (end >= 0 or len(data) > MAX_HEAD):
            self._hand_over(data)
            return
        if bool(data) != bool(self.head) or not data:
            self.since = time.monotonic()
        self.head = data

    def _have_it_wait(self, turn):
        """For a turn of ours: no clock runs against the client, and nothing more is read."""
        self.since = math.inf
        self.wire.pause()
        self.wire.run(turn)

    def _open(self):
        """The turn of a handshake has come. A crowd's handshakes wait here, so that a page need not."""
        if self.wire.fd < 0:
            return
        self.wire.resume()
        data = self.head
        if not self._becomes_websocket(data, data.find(END) + 4):
            self._hand_over(data)

    def _becomes_websocket(self, data, end):
        """Where it is. What is not as usual goes the other way; nothing has happened to it yet."""
        if self.wire.unsent is not None:
            return False
        head = read_head(data[:end])
        if head is None or not _opens_websocket(head):
            return False
        environ = environ_of(head, self.address, self.listener.environ)
        self.head, environ["transport.request"] = data[end:], self
        self.listener.application(environ, lambda *_: None)
        return self.wire is None

    def _hand_over(self, data):
        if self.wire.unsent is not None:  # what was answered first is sent first
            self.wire.flush()
        if self.wire.fd < 0:
            return
        if self.wire.unsent is not None:
            self.head = data
            self._have_it_wait(self._hand_over_when_written)
            return
        self.listener.spawn(self.wire.release(), self.address, data)
        self.wire.reader = None

    def _hand_over_when_written(self):
        """Who asks, and does not read what it is answered, is cut."""
        until = time.monotonic() + HEAD_SECONDS
        while self.wire.fd >= 0 and self.wire.unsent is not None and time.monotonic() < until:
            gevent.sleep(LOOK_SECONDS)
        if self.wire.unsent is not None:
            self.wire.cut("it asks and does not read")
        elif self.wire.fd >= 0:
            self._hand_over(self.head)

    def lost(self, why: str) -> None:
        """The client went."""

    def check(self, now: float) -> None:
        """Close a connection that waited too long, for the rest of a head or for another request."""
        if now - self.since > (HEAD_SECONDS if self.head else IDLE_SECONDS):
            self.wire.cut()


class Input:
    """What pywsgi reads a request from: bytes that came already, then the socket.

    A client that sends too slowly is taken for one that is gone: it would hold a greenlet for ever. Its
    connection ends with this request (`gave_up`): what came later would be read as the next one.
    `receiving` has the greenlets that wait for bytes.
    """

    def __init__(self, sock: Any, early: bytes, receiving: set[Any]) -> None:
        self._socket, self.rest, self._receiving = sock, early, receiving
        self.gave_up = False
        self._until = 0.0  # when its patience is over; 0: nothing was waited for yet
        self.closed = False

    def readline(self, limit: int = -1) -> bytes:
        while True:
            end = self.rest.find(b"\n") + 1
            if end and not 0 <= limit < end:
                return self._take(end)
            if 0 <= limit <= len(self.rest) or not self._more():
                return self._take(limit if limit >= 0 else len(self.rest))

    def read(self, size: int = -1) -> bytes:
        while (size < 0 or len(self.rest) < size) and self._more():
            pass
        return self._take(len(self.rest) if size < 0 else size)

    def close(self) -> None:
        self.closed = True

    def _more(self):
        now = time.monotonic()
        self._until = self._until or now + BODY_SECONDS
        data, me = None, gevent.getcurrent()
        self._receiving.add(me)
        try:
            if now < self._until:
                with gevent.Timeout(self._until - now, False):
                    data = self._socket.recv(65536)
        except gevent.GreenletExit:  # the process stops; pywsgi asks for the rest all the same
            self._until = -math.inf
            raise
        finally:
            self._receiving.discard(me)
        if data is None:
            self.gave_up, data = True, b""
        self._until += len(data) / BODY_RATE
        self.rest += data
        return bool(data)

    def _take(self, size):
        data, self.rest = self.rest[:size], self.rest[size:]
        return data


class Head(NamedTuple):
    """A request's head (RFC 9112, 3); its fields by lower-case name."""

    method: str
    path: str
    query: str
    fields: dict[str, str]


def read_head(head: bytes) -> Head | None:
    """A GET or HEAD as nearly all are; None for what is in any way unusual, which the WSGI server reads."""
    text = head.decode("latin-1")
    line = REQUEST.match(text)
    if line is None:
        return None
    fields: dict[str, str] = {}
    at = line.end()
    while text[at : at + 2] != "\r\n":
        field = FIELD.match(text, at)
        if field is None or field[1].lower() in fields:
            return None  # folded, garbled or repeated
        fields[field[1].lower()] = field[2]
        at = field.end()
    return Head(line[1], line[2], line[3] or "", fields)


def environ_of(head: Head, address: Any, base: dict[str, Any]) -> dict[str, Any]:
    """The WSGI environment (PEP 3333) of a request without a body."""
    return {
        **base,
        "REQUEST_METHOD": head.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": head.path,
        "QUERY_STRING": head.query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": str(address[0]) if isinstance(address, tuple) else "",
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in head.fields.items()},
    }


def _opens_websocket(head):
    """Whether no more than that is asked: a poll would wait, and here nobody may."""
    asked = [word for word in head.query.split("&") if word.startswith("transport")]
    upgrades = head.fields.get("upgrade", "").lower() == "websocket"
    return upgrades and asked == ["transport=websocket"] and BODY.isdisjoint(head.fields)


def no_answer(head: bytes) -> bytes | None:
    """Without a cache nothing is ready."""
    return None
