"""The thread that delivers is never kept from looking; what may wait for a lock is done beside it."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import OperationalError

from statuspage.database import Busy, committing, db, transaction
from statuspage.live import chores
from statuspage.live.chores import Chores
from statuspage.live.dispatcher import Dispatcher
from statuspage.models import token
from statuspage.models.organization import Organization


@pytest.fixture
def dispatcher(app, watched) -> Dispatcher:
    return Dispatcher(app, watched, 15)


def yesterday(*organizations: Organization) -> None:
    """As pages showed it before midnight."""
    with transaction(*organizations):
        for organization in organizations:
            organization.today -= timedelta(days=1)
            organization.record("day", "started", organization.id)


@pytest.mark.one_database
def test_rings_that_keep_coming_do_not_keep_it_from_looking(dispatcher, cast, watched, monkeypatch):
    advanced: list[str] = []

    def advance(id: str) -> None:
        advanced.append(id)
        if len(advanced) < 50:
            dispatcher.ring(id)  # somebody commits meanwhile

    monkeypatch.setattr(watched, "advance", advance)
    dispatcher.ring(cast.acme.id)
    dispatcher.turn()
    assert len(advanced) == 1
    dispatcher.turn()
    assert len(advanced) == 2, "who rang meanwhile is next"


@pytest.mark.one_database
def test_after_a_ring_it_looks_when_it_would_have_looked_without_one(dispatcher, cast, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(dispatcher._bell, "wait", lambda seconds: waits.append(seconds))
    dispatcher.turn()
    dispatcher._due[dispatcher._look] = time.monotonic() + 0.01
    dispatcher.turn()
    assert 0 < waits[1] <= 0.01 < waits[0] <= 0.25


@pytest.mark.one_database
def test_while_the_database_is_away_seats_expire_all_the_same(dispatcher, watched, monkeypatch):
    def away() -> list[str]:
        raise OperationalError("SELECT", {}, Exception("away"))

    kept: list[bool] = []
    monkeypatch.setattr(watched, "behind", away)
    monkeypatch.setattr(watched, "upkeep", lambda: kept.append(True))
    monkeypatch.setattr(dispatcher._bell, "wait", lambda seconds: None)
    dispatcher.turn()
    assert kept


def test_it_waits_for_no_lock(dispatcher, cast, watched, monkeypatch):
    watched.channel(cast.acme.id)
    yesterday(cast.acme)
    watched.advance(cast.acme.id)
    token.last_use.note(cast.token_rows["acme-editor"].id)
    monkeypatch.setattr(dispatcher._bell, "wait", lambda seconds: None)
    dispatcher.turn()
    organization = db.session.get(Organization, cast.acme.id)
    assert organization.today < organization.local_date()
    assert token.last_use.noted


def test_a_new_day_is_told_to_all_though_one_is_busy(app, cast, watched, monkeypatch, caplog):
    for organization in (cast.acme, cast.globex):
        watched.channel(organization.id)
    yesterday(cast.acme, cast.globex)
    for organization in (cast.acme, cast.globex):
        watched.advance(organization.id)
    turn = chores.turn_day_if_due

    def busy_at_first(organization: Organization) -> None:
        tried.append(organization.id)
        if len(tried) == 1:
            raise Busy
        turn(organization)

    tried: list[str] = []
    monkeypatch.setattr(chores, "turn_day_if_due", busy_at_first)
    doing = Chores(app, watched)
    doing.turn_days()
    assert len(tried) == 2
    assert "Traceback" not in caplog.text
    doing.turn_days()
    for id in (cast.acme.id, cast.globex.id):
        organization = db.session.get(Organization, id)
        assert organization.today == organization.local_date()


@pytest.mark.one_database
def test_while_it_is_the_same_day_nobody_is_asked(app, cast, watched, asked):
    watched.channel(cast.acme.id)
    asked.clear()
    Chores(app, watched).turn_days()
    assert asked == []


def test_the_last_uses_of_tokens_are_written_together_and_not_lost(app, cast, watched, asked):
    ids = sorted(cast.token_rows[name].id for name in ("acme-owner", "acme-editor", "acme-admin"))
    for id in reversed(ids):
        token.last_use.note(id)

    def refuse(_session: object) -> None:
        raise Busy

    doing = Chores(app, watched)
    with committing.connected_to(refuse):
        doing.store_uses()
    assert token.last_use.noted, "they were rolled back"
    asked.clear()
    doing.store_uses()
    assert not token.last_use.noted
    assert len([statement for statement in asked if statement.startswith("UPDATE")]) == 1
    assert all(db.session.get(token.ApiToken, id).last_used_at for id in ids)


def test_an_older_use_from_another_node_takes_no_newer_one_back(app, cast):
    row = cast.token_rows["acme-editor"]
    later = datetime.now(UTC) + timedelta(minutes=5)
    with transaction():
        row.last_used_at = later
    token.last_use.note(row.id)
    token.last_use.store()
    db.session.refresh(row)
    assert row.last_used_at == later
