"""Figures are rolled up once, whoever is killed, and forgotten only when they are."""

from datetime import timedelta

import pytest

from statuspage.database import database_time, db, snapshot, transaction
from statuspage.models import figure, retention
from statuspage.models.figure import Figure


@pytest.fixture
def hour(app, cast):
    """The beginning of an hour that is over, two days back."""
    return figure.floor(database_time(db.session()) - timedelta(days=2), "day")


def count(at, value: int, tenant: str = "", name: str = "joins") -> None:
    with transaction():
        figure.count(at, {("org-456", tenant, name): value})


def sums(span: str) -> list[tuple[int, int]]:
    with snapshot() as session:
        found = session.query(Figure).filter_by(span=span).order_by(Figure.at)
        return [(row.value, row.peak) for row in found]


def test_minutes_become_hours_and_hours_a_day(hour):
    for minute, value in ((0, 5), (0, 2), (59, 1), (60, 4)):
        count(hour + timedelta(minutes=minute), value)
    figure.roll_up(lambda: True)
    assert (sums("hour"), sums("day")) == ([(8, 7), (4, 4)], [(12, 7)])
    figure.roll_up(lambda: True)
    assert (sums("hour"), sums("day")) == ([(8, 7), (4, 4)], [(12, 7)]), "never twice"


def test_who_is_killed_between_two_hours_loses_and_doubles_nothing(hour, monkeypatch):
    for number in range(3):
        count(hour + timedelta(hours=number), 1)
    figure.roll_up(lambda: False)
    assert (len(sums("quarter-hour")), len(sums("hour"))) == (1, 0)
    with monkeypatch.context() as patch:  # killed after the rows, before the mark: one transaction
        patch.setattr(figure.Mark, "__setattr__", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            figure.roll_up(lambda: True)
    figure.roll_up(lambda: True)
    assert (sums("hour"), sums("day")) == ([(1, 1)] * 3, [(3, 1)])


def test_an_hour_that_is_not_over_waits(hour):
    count(figure.floor(database_time(db.session()), "minute"), 1)
    figure.roll_up(lambda: True)
    assert sums("hour") == []


def test_every_minute_is_read_once_however_far_it_is_rolled_up(hour):
    count(hour, 3), count(hour + timedelta(hours=30), 4)
    figure.roll_up(lambda: True)
    count(figure.floor(database_time(db.session()), "minute"), 5)
    count(figure.floor(database_time(db.session()), "minute"), 7, tenant="north")
    for span in figure.FINER:  # minutes of two days ago are forgotten
        with snapshot() as session:
            of_all = figure.over_time(session, "org-456", hour, span, figure.ALL)
            own = figure.over_time(session, "org-456", hour, span, "")
            pages = figure.by_page(session, "org-456", hour, span)
        assert sorted(row.value for row in of_all) == [3, 4, 12], span
        assert sorted(row.value for row in own) == [3, 4, 5], span
        assert sum(row.value for row in pages if row.tenant_id == "") == 12, span


def test_who_watches_two_pages_is_counted_once_among_all(hour):
    for tenant, name in (("*", "watching"), ("", "watching"), ("north", "watching"), ("*", "watching.sse")):
        count(hour, 1, tenant, name)
    with snapshot() as session:
        seen = {
            page: {row.name: row.value for row in figure.over_time(session, "org-456", hour, "minute", page)}
            for page in ("*", "", "south")
        }
    by_transport = {"watching.sse": 1}
    assert seen == {
        "*": {"watching": 1} | by_transport,
        "": {"watching": 1} | by_transport,
        "south": by_transport,
    }


def test_nothing_is_forgotten_before_it_is_rolled_up(app, hour):
    count(hour - timedelta(days=1), 3)
    figure.forget_fine()
    assert sums("minute") == [(3, 3)]
    figure.roll_up(lambda: True)
    assert (sums("minute"), sums("hour"), sums("day")) == ([], [(3, 3)], [(3, 3)])
    retention.pruning(app.config | {"ANALYTICS_DAYS": 2})(lambda: True)
    assert (sums("hour"), sums("day")) == ([], []), "ANALYTICS_DAYS is a promise about every span"
