"""All nodes tell the time of one clock, whatever their own says."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from statuspage import clock
from statuspage.clock import Clock, iso
from statuspage.database import database_time, db, transaction

AHEAD = timedelta(hours=1)


class Machine:
    """A machine that has been up for so many seconds, and whose own clock is wrong."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.up = 1000.0
        self.truth = datetime(2026, 11, 22, 14, tzinfo=UTC)
        monkeypatch.setattr(clock.time, "monotonic", lambda: self.up)

    def wait(self, seconds: float) -> None:
        self.up += seconds
        self.truth += timedelta(seconds=seconds)

    def ask(self, there: float, back: float, clock: Clock) -> None:
        """The question and the answer take so many seconds."""
        asked = self.up
        self.wait(there)
        said = self.truth
        self.wait(back)
        clock.hear(said, asked, self.up)

    def error(self, clock: Clock) -> float:
        return (clock.now() - self.truth).total_seconds()


@pytest.fixture
def machine(monkeypatch) -> Machine:
    return Machine(monkeypatch)


def test_as_long_as_no_other_was_heard_it_is_this_machines(monkeypatch):
    class Set(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2030, 1, 1, tzinfo=tz)

    monkeypatch.setattr(clock, "datetime", Set)
    assert iso(Clock().now()) == "2030-01-01T00:00:00.000Z", "also after it was set"


def test_it_goes_on_by_itself_and_the_best_answer_counts(machine):
    told = Clock()
    machine.ask(0.4, 0.0, told)
    assert machine.error(told) == pytest.approx(0.2)
    machine.ask(0.001, 0.001, told)
    assert machine.error(told) == pytest.approx(0)
    machine.wait(30)
    machine.ask(0.3, 0.0, told)
    assert machine.error(told) == pytest.approx(0)


def test_an_answer_that_is_as_good_by_now_takes_over(machine):
    """Else the two machines' seconds, which are not quite as long, would lead them apart."""
    told = Clock()
    machine.ask(0.001, 0.001, told)
    machine.wait(600)
    machine.truth += timedelta(milliseconds=30)  # 50 millionths
    machine.ask(0.002, 0.002, told)
    assert machine.error(told) == pytest.approx(0)


@pytest.mark.parametrize("step", [AHEAD, -AHEAD], ids=str)
def test_a_clock_that_was_set_is_followed_at_once(machine, step):
    """Another server took its place, or this machine slept."""
    told = Clock()
    machine.ask(0.001, 0.001, told)
    machine.truth += step
    machine.ask(0.2, 0.2, told)
    assert abs(machine.error(told)) <= 0.2


def test_what_a_node_with_a_wrong_clock_writes_has_the_right_time(app, cast, monkeypatch):
    """Even what a new process writes first, with no statement more."""
    told = Clock()
    monkeypatch.setattr(clock, "hear", told.hear)
    with transaction(cast.acme):
        pass
    if db.engine.dialect.name == "sqlite":
        assert told._span is None, "the database's clock is this machine's"
    else:
        assert told._span is not None
        assert told._span.high - told._span.low < 1
    before = time.time()
    assert abs(told.now().timestamp() - before) < 1
    assert abs((told.now() - database_time(db.session())).total_seconds()) < 1
