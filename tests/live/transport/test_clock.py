"""The transport's clock, in a time that passes only while it waits."""

import logging
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from statuspage.live.transport import clock
from statuspage.live.transport.clock import LONGEST, MOST, Clock

START = 1000.0


class World:
    """The time, and the event that wakes the clock. `waits`: how long it meant to wait, each time.

    `meanwhile` happens a second after the first wait began.
    """

    def __init__(self) -> None:
        self.now, self.waits = START, []
        self.meanwhile: Callable[[], object] | None = None
        self.tasks: list[Callable[[], None]] = []
        self.clock = Clock(self.tasks.append, lambda: self)
        self.calls: list[tuple[str, float]] = []
        self.clear()

    def set(self) -> None:
        self.woken = True

    def clear(self) -> None:
        self.woken = False

    def wait(self, seconds: float) -> None:
        assert self.now < START + 1000, "It does not end."
        self.waits.append(seconds)
        until, meanwhile, self.meanwhile = self.now + seconds, self.meanwhile, None
        if meanwhile:
            self.now += 1
            meanwhile()
        if not self.woken:
            self.now = until

    def call(self, seconds: float, name: str) -> None:
        self.clock.after(seconds, lambda: self.calls.append((name, self.now - START)))

    def run(self, seconds: float) -> list[tuple[str, float]]:
        """What is called, and when, until the clock is stopped; it has one task."""
        self.clock.after(seconds, self.clock.stop)
        (task,) = self.tasks
        task()
        return self.calls


@pytest.fixture
def world(monkeypatch) -> World:
    found = World()
    monkeypatch.setattr(clock, "time", SimpleNamespace(monotonic=lambda: found.now))
    return found


def test_each_is_called_in_its_order_when_it_is_due_and_little_later(world):
    for seconds, name in ((30, "e"), (1, "a"), (20, "c"), (2, "b"), (20, "d")):
        world.call(seconds, name)
    calls = world.run(50)
    assert [name for name, _ in calls] == ["a", "b", "c", "d", "e"]
    for (_, moment), seconds in zip(calls, (1, 2, 20, 20, 30), strict=True):
        assert seconds <= moment <= seconds + min(MOST, seconds / 20) + 1e-6


def test_equal_delays_that_begin_one_after_the_other_are_one_turn(world):
    for number in range(20):
        world.call(20, str(number))
        world.now += 0.01
    calls = world.run(50)
    assert [name for name, _ in calls] == [str(number) for number in range(20)]
    assert len({moment for _, moment in calls}) == 1
    assert len(world.waits) == 2, "for them, and for the end"


def test_what_is_due_earlier_wakes_the_clock_and_what_is_due_later_does_not(world):
    world.call(40, "late")

    def meanwhile() -> None:
        world.call(50, "later")
        assert not world.woken
        world.call(0.1, "early")

    world.meanwhile = meanwhile
    calls = world.run(60)
    assert [name for name, _ in calls] == ["early", "late", "later"]
    assert calls[0][1] == pytest.approx(1.1, abs=0.01)


def test_what_is_asked_for_in_a_call_is_called_too(world):
    world.clock.after(1, lambda: world.call(1, "again"))
    assert world.run(5) == [("again", pytest.approx(2.1, abs=0.1))]


def test_what_fails_is_logged_and_stops_nothing(world, caplog):
    def fail() -> None:
        raise RuntimeError("as told")

    world.clock.after(1, fail)
    world.call(1, "beside")
    world.call(2, "after")
    with caplog.at_level(logging.ERROR):
        assert [name for name, _ in world.run(5)] == ["beside", "after"]
    assert [record.getMessage() for record in caplog.records] == ["what was due failed"]


def test_what_is_due_after_the_end_is_not_called(world):
    world.call(10, "never")
    assert world.run(5) == []


def test_without_anything_to_do_it_looks_once_a_minute(world):
    world.call(1, "only")
    world.clock.after(1, lambda: setattr(world, "meanwhile", world.clock.stop))
    (task,) = world.tasks
    task()
    assert world.waits[1:] == [LONGEST]


def test_stop_ends_it_though_it_waits():
    tasks: list[threading.Thread] = []

    def start(task: Callable[[], None]) -> None:
        tasks.append(threading.Thread(target=task, daemon=True))
        tasks[0].start()

    real = Clock(start, threading.Event)
    real.after(3600, print)
    real.stop()
    tasks[0].join(5)
    assert not tasks[0].is_alive()
