"""Asking the API as somebody of the cast, and seeing what the log says afterwards."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flask import Flask
from sqlalchemy import ColumnElement, select
from werkzeug.test import TestResponse

from statuspage.database import db, snapshot, transaction
from statuspage.models.consumer import Consumer
from statuspage.models.event import Event
from statuspage.models.incident import Incident
from statuspage.models.membership import Membership
from statuspage.models.organization import Organization, Tenant
from statuspage.models.service import Service, ServiceGroup
from tests.cast import Cast


class Api:
    """`api.post("/services", {...}, by="acme-editor")`; `by=None` is a visitor."""

    def __init__(self, app: Flask, cast: Cast) -> None:
        self.app = app
        self.cast = cast

    def ask(
        self, method: str, path: str, body: Any = None, *, by: str | None = None, **headers: str
    ) -> TestResponse:
        """Headers by name, with underscores: `If_Match=...`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        arguments = {"json": body} if body is not None else {}
        return self.app.test_client().open(
            f"/api{path}", method=method, headers={**named, **self.cast.bearer(by)}, **arguments
        )

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.ask("GET", path, **more)

    def post(self, path: str, body: Any, **more: Any) -> TestResponse:
        return self.ask("POST", path, body, **more)

    def patch(self, path: str, body: Any, **more: Any) -> TestResponse:
        return self.ask("PATCH", path, body, **more)

    def delete(self, path: str, **more: Any) -> TestResponse:
        return self.ask("DELETE", path, **more)

    def every(self, path: str, **more: Any) -> list[list[dict[str, Any]]]:
        """All pages of a list, followed by `next`."""
        pages, after = [], ""
        while after is not None:
            answer = self.get(path + (f"&after={after}" if after else ""), **more)
            assert answer.status_code == 200, answer.text
            pages.append(answer.json["items"])
            after = answer.json["next"]
            assert len(pages) < 50, "the list does not end"
        return pages


def lines(organization: Organization) -> list[tuple[str, str]]:
    """What the organization's log says now, read afresh."""
    rows = select(Event.name, Event.type).where(Event.organization_id == organization.id).order_by(Event.seq)
    with snapshot() as session:
        return [tuple(row) for row in session.execute(rows)]


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """What each of them returns, started together in threads of their own."""
    barrier = threading.Barrier(len(actions))
    results: list[Any] = [None] * len(actions)

    def run(index: int) -> None:
        barrier.wait(30)
        results[index] = actions[index]()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@dataclass
class Things:
    """One of each noun in one scope."""

    organization: Organization
    tenant: Tenant | None
    service: str
    group: str
    incident: str

    @cached_property
    def consumer(self) -> str:
        """Every member has one of this name."""
        name = f"c-{self.service}"
        with transaction(self.organization):
            for user_id in set(db.session.scalars(select(Membership.user_id).where(self._here))):
                Consumer.register(self.organization, None, user_id=user_id, consumer_id=name)
        db.session.rollback()
        return name

    @property
    def _here(self) -> ColumnElement[bool]:
        return Membership.organization_id == self.organization.id

    @classmethod
    def make(cls, organization: Organization, tenant: Tenant | None = None) -> "Things":
        with transaction(organization):
            group = ServiceGroup.create(organization, tenant, name="Websites")
            service = Service.create(organization, tenant, name="Shop", group=group)
            incident = Incident.open(organization, tenant, title="Slow", message="We look.")
            things = cls(organization, tenant, service.id, group.id, incident.id)
        db.session.rollback()
        return things
