"""Retention: what is old goes, in small steps; the rest stays, and nobody who is within it is disturbed."""

import os
from datetime import timedelta

import flask_migrate
import pytest
from sqlalchemy import func, select

from statuspage import create_app
from statuspage.clock import now
from statuspage.database import db, transaction
from statuspage.models import reach, retention, usage
from statuspage.models.consumer import Consumer
from statuspage.models.event import Event
from statuspage.models.idempotency import IdempotentRequest, remember
from statuspage.models.incident import Incident, MessageEdit
from statuspage.models.invitation import Invitation
from statuspage.models.organization import Organization
from statuspage.models.role import Role
from statuspage.models.session import UserSession
from statuspage.models.user import User


def prune(days: int = 365, **more: int) -> int:
    """In how many steps it was done."""
    steps: list[bool] = []

    def keep() -> bool:
        assert not db.session.info.get("writing"), "between transactions"
        steps.append(True)
        return True

    retention.pruning({"EVENT_DAYS": days, **more})(keep)
    db.session.rollback()
    return len(steps)


def log_of(organization: Organization) -> list[int]:
    return list(
        db.session.scalars(select(Event.seq).filter_by(organization_id=organization.id).order_by(Event.seq))
    )


def age(organization: Organization, through: int, days: float) -> None:
    """Lines up to this one are so many days older."""
    with transaction():
        for line in db.session.scalars(select(Event).where(Event.organization_id == organization.id)):
            if line.seq <= through:
                line.created_at -= timedelta(days=days)


def say(organization: Organization, times: int = 1) -> int:
    with transaction(organization):
        for _ in range(times):
            organization.record("incident-update", "broadcast", "x", {})
        return organization.seq


@pytest.fixture
def changes(client):
    """What a data client that comes with this number is answered."""

    def ask(organization: Organization, seq: int) -> dict:
        cursor = f"{organization.epoch}:{seq}"
        answer = client.get(f"/{organization.slug}/changes?view=data&cursor={cursor}")
        return answer.json if answer.status_code == 200 else {"reset": False, "events": []}

    return ask


def test_old_lines_go_and_positions_within_what_is_kept_stay_good(app, cast, changes, monkeypatch):
    monkeypatch.setattr(retention, "STEP", 4)
    old = say(cast.acme, 10)
    young = say(cast.acme, 3)
    age(cast.acme, old, 366)
    before = len(log_of(cast.globex))
    assert prune() > 2
    db.session.refresh(cast.acme)
    assert log_of(cast.acme) == list(range(old + 1, young + 1))
    assert cast.acme.pruned_through == old
    assert len(log_of(cast.globex)) == before
    for seq in range(old, young + 1):
        answer = changes(cast.acme, seq)
        assert not answer["reset"]
        assert len(answer["events"]) == young - seq
    assert changes(cast.acme, old - 1)["reset"]
    assert say(cast.acme) == young + 1, "numbers go on"


def test_who_has_the_last_line_is_not_disturbed_though_all_of_them_go(app, cast, changes):
    last = say(cast.acme)
    age(cast.acme, last, 400)
    prune()
    assert log_of(cast.acme) == []
    assert changes(cast.acme, last) == {"reset": False, "events": []}
    say(cast.acme)
    answer = changes(cast.acme, last)
    assert not answer["reset"]
    assert [event["since"].split(":")[1] for event in answer["events"]] == [str(last)]


def test_a_line_that_a_node_with_a_wrong_clock_wrote_keeps_those_after_it(app, cast):
    """Numbers follow commits, times do not: a line goes only when all before it are gone."""
    last = say(cast.acme, 2)
    age(cast.acme, last, 400)
    age(cast.acme, 1, -800)
    prune()
    assert log_of(cast.acme) == list(range(1, last + 1))


def test_lines_of_an_earlier_life_go_too(app, cast):
    old = say(cast.acme)
    with transaction(cast.acme):
        cast.acme.renew_epoch()
    young = say(cast.acme)
    age(cast.acme, old, 400)
    prune()
    assert log_of(cast.acme) == [young]
    assert db.session.get(Organization, cast.acme.id).pruned_through == old


def test_never_is_never(app, cast):
    age(cast.acme, say(cast.acme), 30_000)
    before = log_of(cast.acme)
    prune(days=0)
    assert log_of(cast.acme) == before


def count(model: type) -> int:
    return db.session.scalar(select(func.count()).select_from(model))


def test_what_has_ended_goes_and_what_has_not_stays(app, cast, monkeypatch):
    monkeypatch.setattr(retention, "STEP", 2)
    with transaction(cast.acme):
        incident = Incident.open(cast.acme, None, title="T", message="one")
        incident.updates[0].edit("two")
        incident.updates[0].edit("three")
        db.session.flush()
        db.session.scalars(select(MessageEdit)).first().edited_at = now() - timedelta(days=366)
        for number in range(10):
            user = User.create(name=f"U{number}", email=f"u{number}@example.org")
            session, _ = UserSession.begin(user)
            invitation, _ = Invitation.create(user, cast.acme, granter=Role.OWNER)
            remember("caller", str(number), "print", 201, {})
            db.session.flush()
            if number < 3:
                invitation.expires_at = session.expires_at = now() - timedelta(seconds=5)
            elif number < 5:
                session.seen_at = now() - timedelta(days=8)
        db.session.flush()
        for request in db.session.scalars(select(IdempotentRequest).limit(7)):
            request.created_at = now() - timedelta(hours=25)
    assert prune() >= 5
    assert (count(UserSession), count(Invitation), count(IdempotentRequest)) == (5, 7, 3)
    assert count(MessageEdit) == 1


def test_a_consumer_stays_though_nothing_is_heard_of_it(app, cast):
    """It may be listening, in an organization where nothing happens."""
    with transaction(cast.acme):
        viewer = cast.users["acme-viewer"].id
        consumer = Consumer.register(cast.acme, None, user_id=viewer, consumer_id="billing")
        consumer.seen_at -= timedelta(days=3 * 365)
    prune()
    assert count(Consumer) == 1


def test_analytics_go_with_their_days(app, cast):
    old, young = (now() - timedelta(days=days) for days in (91, 89))
    with transaction():
        for number, at in enumerate((old, young)):
            line = {"organization_id": cast.acme.id, "seq": number, "tenant_id": None, "subject": "x"}
            reached = {"name": "incident-update", "at": at, "within_1": 1, "within_10": 1, "within_60": 1}
            reach.write([{**line, **reached}])
            asked = usage.Asked(cast.token_rows["acme-admin"].id, cast.acme.id, "read services")
            usage.count(at, {asked: (1, 0)})
    prune(ANALYTICS_DAYS=90)
    assert [count(model) for model in (reach.Reach, usage.Usage)] == [1, 1]


def test_a_node_that_lost_its_claim_stops(app, cast, monkeypatch):
    monkeypatch.setattr(retention, "STEP", 2)
    age(cast.acme, say(cast.acme, 10), 400)
    before = len(log_of(cast.acme))
    retention.pruning({"EVENT_DAYS": 1})(lambda: False)
    db.session.rollback()
    assert len(log_of(cast.acme)) == before - 2


@pytest.mark.one_database
def test_a_file_gives_back_what_it_does_not_need(app, make_database, settings_for):
    other = create_app(settings_for(make_database("sqlite", "shrinking")))
    with other.app_context():
        flask_migrate.upgrade()
        with transaction():
            organization = Organization.create(slug="big", name="Big")
        with transaction(organization):
            for _ in range(600):
                organization.record("incident-update", "broadcast", "x", {"text": "y" * 6000})
        age(organization, organization.seq, 400)
        file = db.engine.url.database
        db.session.connection().exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        db.session.rollback()
        full = os.path.getsize(file)
        prune()
        db.session.connection().exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        assert os.path.getsize(file) < full / 2
        db.session.remove()
        db.engine.dispose()


def test_a_node_that_comes_second_prunes_nothing_more(app, cast, monkeypatch):
    """The other one was there between its question and its lock."""
    old = say(cast.acme, 3)
    age(cast.acme, old, 366)
    ask = retention.event.old_lines

    def late(organization_id, before, most):
        found = ask(organization_id, before, most)
        if most == 1 and found:
            with monkeypatch.context() as meanwhile:
                meanwhile.setattr(retention.event, "old_lines", ask)
                prune()
        return found

    monkeypatch.setattr(retention.event, "old_lines", late)
    prune()
    assert log_of(cast.acme) == []
