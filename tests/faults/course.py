"""The course of writes that is cut off before each of its statements: see tests/faults/tree.py.

A new kind of write gets a row in COURSE. It starts from what the rows before it left.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import flask_migrate
from flask import Flask
from sqlalchemy import update

from statuspage import backup
from statuspage.clock import now
from statuspage.database import db, transaction
from statuspage.jobs import Jobs
from statuspage.live.audience import Seat
from statuspage.live.consuming import Acknowledgement, Acknowledgements
from statuspage.live.entry import data_rooms
from statuspage.live.message import Cursor
from statuspage.models import figure, retention
from statuspage.models.connection import Connection
from statuspage.models.event import Event
from statuspage.models.incident import IncidentUpdate
from statuspage.models.job import Job
from statuspage.models.organization import Organization, Tenant
from statuspage.models.scope import Scope
from statuspage.models.status import Visibility
from tests.cast import Cast

OLD_SCHEMA = "0003"  # the course begins with what a start of a newer version does
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
KEPT = "kept.backup"  # of how it was before


@dataclass
class Desk:
    """Who writes: an admin's client of this application. `notes` are what answers said, by name."""

    app: Flask
    folder: Path
    token: str
    notes: dict[str, Any]

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **body: Any) -> Any:
        answer = self.app.test_client().open(
            f"/api{path}",
            method=method,
            json=body,
            headers={"Authorization": f"Bearer {self.token}", **(headers or {})},
        )
        assert 200 <= answer.status_code < 300, (path, answer.status_code, answer.text)
        return answer.json

    @property
    def service(self) -> str:
        return self.notes["service"]

    @property
    def incident(self) -> str:
        """The open one."""
        return self.ask("GET", "/incidents?organizationId=org-456")["items"][0]["id"]


class Listener:
    """A connection that hears nothing."""

    transport, address, wire = "sse", None, None

    def __init__(self, id: str) -> None:
        self.id, self.outlet = id, self

    def deliver(self, message: Any) -> None:
        pass

    def owes(self, message: Any) -> bool:
        return False


@dataclass(frozen=True)
class Step:
    """One write, acknowledged when `do` returns.

    `again`: a client that heard no answer may ask once more. `in_pieces`: it is many transactions by intent,
    and each of them leaves what is right.
    """

    name: str
    do: Callable[[Desk], Any]
    again: bool = False
    in_pieces: bool = False


def _migrate(desk: Desk) -> None:
    with desk.app.app_context():
        flask_migrate.upgrade()
        db.session.remove()


def _open_incident(desk: Desk) -> None:
    services = {desk.service: "major_outage"}
    desk.ask("POST", "/incidents", organizationId="org-456", title="T", message="M", services=services)


def _post_update(desk: Desk) -> None:
    desk.ask("POST", f"/incidents/{desk.incident}/updates", status="resolved", message="Done.")


def _broadcast(desk: Desk) -> None:
    new = {"organizationId": "org-456", "type": "incident-update", "data": {"text": "hello"}}
    desk.ask("POST", "/websocket/broadcast", headers={"Idempotency-Key": "once"}, **new)


def _prune(desk: Desk) -> None:
    """As the job does it; of a node that died in it the claim has run out."""
    with desk.app.app_context():
        with transaction():
            db.session.execute(update(Job).values(due_at=now(), claimed_until=None))
        jobs = Jobs(desk.app)
        jobs.add("prune", retention.EVERY, retention.pruning({"EVENT_DAYS": 365}))
        jobs.tick()


def _restore(desk: Desk) -> None:
    with desk.app.app_context():
        with (desk.folder / KEPT).open("rb") as kept:
            backup.restore(kept)
        db.session.remove()


def _register(desk: Desk, consumer_id: str) -> None:
    new = {"organizationId": "org-456", "consumerId": consumer_id, "cursor": desk.notes["cursor"]}
    desk.ask("POST", "/consumers", headers={"Idempotency-Key": f"register-{consumer_id}"}, **new)


def _acknowledge(desk: Desk) -> None:
    """The first that waits for it."""
    waiting = desk.ask("GET", "/events?consumer=billing")["events"]
    assert len(waiting) > 1
    consumers = desk.ask("GET", "/consumers?organizationId=org-456")["items"]
    billing = next(one for one in consumers if one["consumerId"] == "billing")
    desk.ask("PUT", f"/consumers/{billing['id']}/cursor", id=waiting[0]["id"])


def _acknowledge_in_a_batch(desk: Desk) -> None:
    """All that waits, of all consumers, as they come over Socket.IO."""
    waiting = desk.ask("GET", "/events?consumer=audit")["events"]
    consumers = desk.ask("GET", "/consumers?organizationId=org-456")["items"]
    last = Cursor.parse(waiting[-1]["id"])
    assert last
    batch = [Acknowledgement(one["id"], last) for one in consumers]
    with desk.app.app_context():
        Acknowledgements()._write(batch)
        db.session.remove()
    assert [(each.moved, each.refusal) for each in batch] == [(True, None)] * 2


def _keep_the_ledger(desk: Desk) -> None:
    """Two who came, one who went, and what was counted."""
    live = desk.app.extensions["live"]
    with desk.app.app_context():
        channel = live.hub.channel("org-456")
        channel.tally.take()  # of clients that came back before
        live.ledger._minute = figure.floor(now(), "minute")  # else this minute has a level, or not
        for id in ("stays", "goes"):
            listener: Any = Listener(id)
            seat = Seat(listener, Scope("org-456"), "data")
            seat.since = LONG_AGO
            channel.register(seat)
            channel.enter(seat, data_rooms(seat.scope))
            channel.tally.replayed(seat.scope, "memory")
        channel.leave(seat)
        live.ledger.write()  # which says what fails to nobody but the log
        assert (live.ledger.waiting, live.ledger._unsure) == (0, None)
        assert db.session.query(Connection).filter_by(since=LONG_AGO).count() == 2
        db.session.remove()


def _count(desk: Desk) -> None:
    with desk.app.app_context():
        with transaction():
            figure.count(LONG_AGO, {("org-456", "", "joins"): 3, ("org-456", "tenant-789", "joins"): 2})
        db.session.remove()


def _roll_up(desk: Desk) -> None:
    with desk.app.app_context():
        figure.roll_up(lambda: True)
        db.session.remove()


def _write_snapshots(desk: Desk) -> None:
    """All of them anew."""
    with desk.app.app_context():
        desk.app.extensions["snapshot_writer"].run(lambda: True)
        db.session.remove()


def _delete_incident(desk: Desk) -> None:
    desk.ask("DELETE", f"/incidents/{desk.incident}")


def _edit_message(desk: Desk) -> None:
    with desk.app.app_context():
        update = db.session.query(IncidentUpdate).order_by(IncidentUpdate.created_at.desc()).first()
        assert update is not None
        with transaction(update.incident.organization):
            update.edit("As it was.")
        db.session.remove()


def _found_others(desk: Desk) -> None:
    """That no backup knows of."""
    with desk.app.app_context():
        with transaction():
            initech = Organization.create(id="initech-id", slug="initech", name="Initech")
            Tenant.create(initech, id="west-id", slug="west", name="West")
            Organization.create(slug="umbrella", name="Umbrella")
        db.session.remove()


def _delete_tenant(desk: Desk) -> None:
    with desk.app.app_context():
        tenant = db.session.get(Tenant, "west-id")
        assert tenant is not None
        with transaction(tenant.organization):
            tenant.remove()
        db.session.remove()


def _delete_organization(desk: Desk) -> None:
    with desk.app.app_context():
        organization = db.session.get(Organization, "initech-id")
        assert organization is not None
        with transaction(organization):
            organization.remove()
        db.session.remove()


def _hide(desk: Desk) -> None:
    with desk.app.app_context():
        tenant = db.session.get(Tenant, "tenant-789")
        assert tenant is not None
        with transaction(tenant.organization):
            tenant.update(visibility=Visibility.PRIVATE)
        db.session.remove()


def _hide_all(desk: Desk) -> None:
    with desk.app.app_context():
        organization = db.session.get(Organization, "org-456")
        with transaction(organization):
            organization.update(visibility=Visibility.PRIVATE)
        db.session.remove()


COURSE = (
    Step("migrate", _migrate, again=True),
    Step("open an incident", _open_incident),
    Step("post its last update", _post_update),
    Step("edit a message", _edit_message),
    Step(
        "set a status",
        lambda desk: desk.ask("PUT", f"/services/{desk.service}", status="degraded"),
        again=True,
    ),
    Step("broadcast once", _broadcast, again=True),
    Step("register a consumer", lambda desk: _register(desk, "billing"), again=True),
    Step("register another", lambda desk: _register(desk, "audit"), again=True),
    Step("acknowledge", _acknowledge),
    Step("acknowledge in a batch", _acknowledge_in_a_batch),
    Step("keep the ledger", _keep_the_ledger, in_pieces=True),
    Step("prune", _prune, again=True, in_pieces=True),
    Step("restore", _restore, again=True),
    Step(
        "set a status after it",
        lambda desk: desk.ask("PATCH", f"/services/{desk.service}", status="maintenance"),
    ),
    Step("count figures", _count),
    Step("roll them up", _roll_up, again=True, in_pieces=True),
    Step("open an incident by mistake", _open_incident),
    Step("found other organizations", _found_others),
    Step("write snapshots", _write_snapshots, again=True, in_pieces=True),
    Step("delete the incident", _delete_incident),
    Step("delete a tenant", _delete_tenant),
    Step("delete an organization", _delete_organization),
    Step("restore what knows less pages", _restore, again=True),
    Step("delete a service", lambda desk: desk.ask("DELETE", f"/services/{desk.service}")),
    Step("hide a page", _hide),
    Step("hide an organization", _hide_all),
)


def set_the_scene(app: Flask, folder: Path) -> dict[str, Any]:
    """What is there before, in the tables of OLD_SCHEMA; and what clients and checks must know of it."""
    with app.app_context():
        flask_migrate.upgrade()
        cast = Cast.assemble()
        with transaction(cast.acme):
            for number in range(9):
                cast.acme.record("incident-update", "broadcast", "x", {"number": number})
            cast.acme_service.update(description="What pages and programs heard last.")
            db.session.flush()
            db.session.execute(
                update(Event)
                .where(Event.organization_id == "org-456", Event.seq <= cast.acme.seq - 3)
                .values(created_at=now() - timedelta(days=400))
            )
        with (folder / KEPT).open("wb") as kept:
            backup.write(kept)
        board = app.extensions["live"].hub.channel("org-456").board(cast.acme.scope, "page")
        notes = {
            "token": cast.tokens["acme-admin"],
            "service": cast.acme_service.id,
            "cursor": str(board.cursor),
            "page": "".join(part.html for part in board.drawing.parts),
            "title": board.drawing.title,
        }
        assert app.test_client().get("/acme").status_code == 200
        flask_migrate.downgrade(revision=OLD_SCHEMA)
        db.session.remove()
        db.engine.dispose()
    return notes
