"""What a connection asks has its turn beside the poller."""

import socket
from contextvars import ContextVar
from types import SimpleNamespace

import gevent
from gevent.event import Event

from statuspage.live.transport.wire import Wire
from statuspage.live.transport.workers import Workers

WHOSE: ContextVar[str] = ContextVar("WHOSE", default="nobody's")


def begin(workers: Workers, seconds: float = 1.0) -> None:
    """As the poller does it: in gevent's hub."""
    over = Event()
    gevent.get_hub().loop.run_callback(lambda: (workers.begin(seconds), over.set()))
    assert over.wait(5)


def test_a_turn_that_fails_ends_its_connection_and_no_other_thing(caplog):
    ours, theirs = socket.socketpair()
    poller = SimpleNamespace(run=lambda function, *arguments: function(*arguments), forget=lambda _: None)
    lost: list[str] = []
    wire = Wire(poller, ours.detach(), SimpleNamespace(lost=lost.append), 100)

    def fail(word: str) -> None:
        raise RuntimeError(word)

    with theirs:
        wire.run(fail, "broken")
        assert theirs.recv(1) == b"", "it is closed"
    assert lost == [""]
    assert "RuntimeError: broken" in caplog.text


def test_what_waits_holds_up_nobody_and_goes_on_when_it_can():
    workers, gate, done = Workers(), Event(), []

    def wait(number: int) -> None:
        gate.wait()
        done.append(number)

    for number in range(20):
        workers.run(wait, number)
    workers.run(done.append, "the last one")
    begin(workers)
    assert done == ["the last one"], "all that came before it wait"
    gate.set()
    gevent.sleep(0)
    assert sorted(done[1:]) == list(range(20))
    workers.run(done.append, "one more")
    begin(workers)
    assert done[-1] == "one more"


def test_what_does_not_wait_runs_in_its_order_in_one_greenlet_and_sees_nothing_of_the_one_before():
    workers, seen = Workers(), []

    def look(number: int) -> None:
        seen.append((number, WHOSE.get(), gevent.getcurrent()))
        WHOSE.set(f"number {number}'s")

    for number in range(5):
        workers.run(look, number)
    begin(workers)
    workers.run(look, 5)
    begin(workers)
    assert [number for number, *_ in seen] == [0, 1, 2, 3, 4, 5]
    assert {whose for _, whose, _ in seen} == {"nobody's"}
    assert len({greenlet for *_, greenlet in seen}) == 1


def test_what_fails_beyond_all_measure_is_said_and_the_others_go_on(monkeypatch):
    workers, done, said = Workers(), [], []
    monkeypatch.setattr(gevent.get_hub(), "handle_error", lambda _context, kind, *_: said.append(kind))

    def fail() -> None:
        raise gevent.Timeout

    workers.run(fail)
    workers.run(done.append, "the next")
    begin(workers)
    assert (done, said) == (["the next"], [gevent.Timeout])


def test_one_that_is_killed_where_it_waits_does_nothing_more():
    workers, waiting, done = Workers(), [], []

    def wait() -> None:
        waiting.append(gevent.getcurrent())
        Event().wait()

    workers.run(wait)
    begin(workers)
    workers.run(done.append, "the next")
    gevent.get_hub().loop.run_callback(waiting[0].throw)  # as gevent.kill() does
    gevent.sleep(0)
    assert done == []
    begin(workers)
    assert done == ["the next"]


def test_a_turn_is_over_when_its_time_is():
    workers, done = Workers(), []
    for number in range(3):
        workers.run(done.append, number)
    begin(workers, seconds=-1.0)
    assert done == []
    begin(workers)
    assert done == [0, 1, 2]
