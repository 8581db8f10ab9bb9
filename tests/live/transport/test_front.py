"""Connections that wait at the front: for whom a clock runs, and for whom it must not."""

import queue
import signal
import time
from collections import Counter
from types import SimpleNamespace

import gevent
import pytest
from gevent import socket

from statuspage.live.transport import front, polling, traffic
from statuspage.live.transport.blocking import BlockingWire
from statuspage.live.transport.front import HEAD_SECONDS, IDLE_SECONDS, Input, Waiting
from statuspage.live.transport.wire import SLOW
from tests.live.transport.wire import all_bytes, beside, close_code, masked, until

CACHED = b"GET /cached HTTP/1.1\r\n\r\n"


class Wire:
    """One that a test lets write."""

    def __init__(self):
        self.fd, self.unsent, self.turns, self.paused = 3, None, [], False
        self.written = b""

    def send(self, data):
        self.unsent = (self.unsent or b"") + data

    def flush(self):
        """Nothing goes: its peer's buffer is full."""

    def pause(self):
        self.paused = True

    def resume(self):
        self.paused = False

    def run(self, turn):
        self.turns.append(turn)

    def cut(self, why=""):
        self.fd = -1

    def release(self):
        return 3


@pytest.fixture
def spawned():
    return []


@pytest.fixture
def waiting(spawned):
    listener = SimpleNamespace(
        poller=SimpleNamespace(add=lambda *_: Wire()),
        answer=lambda head: b"an answer" if head == CACHED else None,
        spawn=lambda fd, address, data: spawned.append(data),
    )
    return Waiting(listener, 3, None)


def test_who_says_half_a_head_or_nothing_is_cut_in_time(waiting):
    waiting.receive(b"GET ")
    waiting.check(waiting.since + HEAD_SECONDS - 1)
    assert waiting.wire.fd == 3
    waiting.check(waiting.since + HEAD_SECONDS + 1)
    assert waiting.wire.fd == -1


def test_no_clock_runs_against_who_waits_for_our_turn(waiting):
    """A crowd's handshakes may wait for longer than a head may take; this one has been here for a while."""
    waiting.since -= IDLE_SECONDS - 1
    waiting.receive(b"GET /socket.io/?transport=websocket HTTP/1.1\r\n\r\n")
    assert waiting.wire.turns == [waiting._open]
    waiting.check(time.monotonic() + 1000)
    assert waiting.wire.fd == 3


def test_who_asks_much_at_once_and_reads_is_answered_all_of_it(waiting, spawned):
    other = b"GET /other HTTP/1.1\r\n\r\n"
    waiting.receive(CACHED * 3 + other)
    wire = waiting.wire
    assert (wire.fd, wire.paused, spawned) == (3, True, [])
    later = gevent.spawn(wire.turns.pop())
    gevent.sleep(0.05)
    assert spawned == []
    wire.unsent = None  # its peer has read
    later.join(5)
    assert spawned == [other]


def test_who_asks_and_reads_nothing_is_the_wires_to_cut(waiting, spawned):
    waiting.receive(CACHED + b"GET /other HTTP/1.1\r\n\r\n")
    later = gevent.spawn(waiting.wire.turns.pop())
    waiting.wire.cut()
    later.join(5)
    assert later.successful()
    assert spawned == []


def test_a_body_that_does_not_come_is_waited_for_only_so_long(monkeypatch):
    monkeypatch.setattr(front, "BODY_SECONDS", 0.2)
    near, far = socket.socketpair()
    with near, far:
        far.sendall(b"x" * 100)
        begun = time.monotonic()
        body = Input(near, b"early", set())
        assert body.read(1000) == b"early" + b"x" * 100
        assert 0.2 <= time.monotonic() - begun < 5
        assert body.gave_up, "what comes later is no request"


def test_a_body_that_comes_slowly_but_comes_is_taken(monkeypatch):
    monkeypatch.setattr(front, "BODY_SECONDS", 0.2)
    near, far = socket.socketpair()

    def trickle():
        for _ in range(8):
            far.sendall(b"x" * 100)  # a tenth of a second's worth each
            gevent.sleep(0.08)

    with near, far:
        gevent.spawn(trickle)
        body = Input(near, b"", set())
        assert body.read(800) == b"x" * 800
        assert not body.gave_up


def test_what_is_refused_packed_is_not_packed():
    body = b"0123456789" * 1000
    assert polling.packed(body, {"HTTP_ACCEPT_ENCODING": "gzip;q=0"}) == (body, [])
    assert polling.packed(body, {"HTTP_ACCEPT_ENCODING": "br, gzip"})[1] == [("Content-Encoding", "gzip")]


def test_who_reads_a_little_at_times_is_not_waited_for_without_end(waiting, spawned, monkeypatch):
    monkeypatch.setattr(front, "HEAD_SECONDS", 0.1)
    waiting.receive(CACHED + b"GET /other HTTP/1.1\r\n\r\n")
    later = gevent.spawn(waiting.wire.turns.pop())
    later.join(5)
    assert (waiting.wire.fd, spawned) == (-1, [])


# --- on a server -----------------------------------------------------------------------------------


def test_a_websocket_that_is_tried_ends_with_its_session(site):
    query = site.polling("gives up")
    ws = site.raw_websocket(query.replace("polling", "websocket"))
    ws.send("2probe")
    assert ws.recv() == "3probe"
    assert site.post(query, content="1").text == "ok"
    assert close_code(ws) == 1002


def test_a_post_whose_session_ended_while_it_came_is_refused(site):
    query = site.polling("slow")
    head = (
        f"POST /socket.io/?{query} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: 9\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", site.port), timeout=8) as sock:
        sock.sendall(head.encode() + b"42[")
        until(lambda: site.state["posts"])  # it is being read: a second one ends the session
        assert site.post(query, content="42[1]").status_code == 400
        sock.sendall(b'"echo"]')
        assert all_bytes(sock).startswith(b"HTTP/1.1 400")


def test_an_upgrade_in_one_breath_lets_the_poll_go(site):
    """The packet that ends the poll is not taken along to the WebSocket."""
    query = site.polling("quick")
    poll = beside(site.get, query)
    until(lambda: site.state["polls"])
    ws = site.raw_websocket(query.replace("polling", "websocket"))
    ws.sock.sendall(masked(b"2probe") + masked(b"5"))
    assert poll().text == "6"
    assert ws.recv() == "3probe"
    ws.send('42["echo",1]')
    assert ws.recv() == '42["echoed",1]'


def test_a_poll_that_was_cancelled_ends_its_session_with_what_it_should_have_brought(site):
    """That is lost: a session that went on would have a hole."""
    query = site.polling("cancelled")
    sid = until(lambda: site.state["clients"].get("cancelled"))
    with socket.create_connection(("127.0.0.1", site.port), timeout=8) as sock:
        sock.sendall(f"GET /socket.io/?{query} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        until(lambda: site.state["polls"])
    site.http.post(f"/send/{sid}", params={"size": 10, "count": 1})
    assert until(lambda: ["cancelled", "transport error"] in site.state["left"])
    assert site.get(query).status_code == 400


def test_a_body_that_stalled_ends_its_connection_and_what_comes_later_is_no_request(start):
    """A proxy that keeps its connections would be answered what another visitor put into a body."""
    site = start(body_seconds=0.3)
    query = site.polling("stalled")
    head = f"POST /socket.io/?{query} HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", site.port), timeout=8) as sock:
        sock.sendall(head.encode() + b"42[")
        answer = sock.recv(65536)
        sock.sendall(b"GET /state HTTP/1.1\r\nHost: here\r\n\r\n")
        answer += all_bytes(sock)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"Connection: close" in answer
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_body_that_stalled_holds_no_stop_up(start):
    """Though who runs has all the time that it needs."""
    site = start(grace=60)
    query = site.polling("stalled")
    with socket.create_connection(("127.0.0.1", site.port), timeout=8) as sock:
        sock.sendall(
            f"POST /socket.io/?{query} HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n42".encode()
        )
        until(lambda: site.state["posts"])  # it is being read
        site.process.send_signal(signal.SIGTERM)
        assert site.process.wait(10) == 0
        assert all_bytes(sock).startswith(b"HTTP/1.1 503")


def test_who_is_cut_for_being_slow_is_counted_where_threads_serve_too(monkeypatch):
    monkeypatch.setattr(traffic, "cut", Counter())
    near, far = socket.socketpair()
    with near, far:
        wire = BlockingWire(SimpleNamespace(create_queue=queue.Queue), near, None, 1, 1.0)
        for _ in range(4):
            wire.send(b"more than it may owe")
        wire.cut()
    assert traffic.cut == {SLOW: 1}
