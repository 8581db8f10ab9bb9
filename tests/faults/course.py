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
from statuspage.models import figure, retention
from statuspage.models.event import Event
from statuspage.models.job import Job
from statuspage.models.organization import Tenant
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


def _register(desk: Desk) -> None:
    new = {"organizationId": "org-456", "consumerId": "billing", "cursor": desk.notes["cursor"]}
    desk.ask("POST", "/consumers", headers={"Idempotency-Key": "registered"}, **new)


def _acknowledge(desk: Desk) -> None:
    """All that waits for it."""
    waiting = desk.ask("GET", "/events?consumer=billing")["events"]
    assert waiting
    consumer = desk.ask("GET", "/consumers?organizationId=org-456")["items"][0]
    desk.ask("PUT", f"/consumers/{consumer['id']}/cursor", id=waiting[-1]["id"])


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


def _hide(desk: Desk) -> None:
    with desk.app.app_context():
        tenant = db.session.get(Tenant, "tenant-789")
        assert tenant is not None
        with transaction(tenant.organization):
            tenant.update(visibility=Visibility.PRIVATE)
        db.session.remove()


COURSE = (
    Step("migrate", _migrate, again=True),
    Step("open an incident", _open_incident),
    Step("post its last update", _post_update),
    Step(
        "set a status",
        lambda desk: desk.ask("PUT", f"/services/{desk.service}", status="degraded"),
        again=True,
    ),
    Step("broadcast once", _broadcast, again=True),
    Step("register a consumer", _register, again=True),
    Step("acknowledge", _acknowledge),
    Step("prune", _prune, again=True, in_pieces=True),
    Step("restore", _restore, again=True),
    Step(
        "set a status after it",
        lambda desk: desk.ask("PATCH", f"/services/{desk.service}", status="maintenance"),
    ),
    Step("count figures", _count),
    Step("roll them up", _roll_up, again=True, in_pieces=True),
    Step("write snapshots", _write_snapshots, again=True, in_pieces=True),
    Step("hide a page", _hide),
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
