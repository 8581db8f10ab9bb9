"""The dispatcher, one per process: on a doorbell, or four times a second, brings channels forward."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from flask import Flask

from ..database import db, note_failure, transaction
from ..models import consumer, token
from ..models.organization import Organization
from .hub import Hub

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25  # a lost ring costs this much and nothing else
DAY_SECONDS = 20.0
USES_SECONDS = 10.0
RARER = 1.5  # heads to those that are pinged: no proxy takes their connection for dead


class Dispatcher:
    def __init__(self, app: Flask, hub: Hub, head_interval: float) -> None:
        self._app = app
        self._hub = hub
        self._rung: set[str] = set()
        self._bell = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._chores = (
            (LOOK_SECONDS, self._look),
            (DAY_SECONDS, self._turn_days),
            (USES_SECONDS, self._store_uses),
            (head_interval, lambda: self._hub.send_heads(("sse", "poll"))),
            (head_interval * RARER, lambda: self._hub.send_heads(("websocket", "polling"))),
        )

    def ring(self, organization_id: str) -> None:
        """The doorbell: look at this organization now. Never blocks, never fails."""
        self._hub.ring(organization_id)
        self._rung.add(organization_id)
        self._bell.set()

    def start(self) -> None:
        """Start once per process, with the first question to the hub."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        due = {chore: time.monotonic() for _, chore in self._chores}
        with self._app.app_context():
            while True:
                for seconds, chore in self._chores:
                    if time.monotonic() >= due[chore]:
                        due[chore] = time.monotonic() + seconds
                        self._attempt(chore)
                if self._bell.wait(LOOK_SECONDS):
                    self._answer()

    def _attempt(self, step: Callable[..., None], *arguments: str) -> None:
        """A database that is away for a while must not end the dispatcher: it looks again soon."""
        try:
            step(*arguments)
        except Exception as error:
            note_failure(log, error, "The live dispatcher met an error and goes on")
        finally:
            db.session.remove()

    def _answer(self) -> None:
        self._bell.clear()
        while self._rung:
            self._attempt(self._hub.advance, self._rung.pop())

    def _look(self) -> None:
        for organization_id in self._hub.behind():
            self._attempt(self._hub.advance, organization_id)
        self._hub.upkeep()

    def _turn_days(self) -> None:
        """Record a new day where somebody would see it."""
        for id in list(self._hub.channels):
            organization = db.session.get(Organization, id)
            if organization and organization.local_date() != organization.today:
                with transaction(organization):
                    organization.turn_day()

    def _store_uses(self) -> None:
        if token.uses_pending() or consumer.seen_pending():
            with transaction():
                token.store_uses()
                consumer.store_seen()


def turn_day_if_due(organization: Organization) -> None:
    """Before an organization nobody watched is drawn: its day may be over."""
    if organization.local_date() != organization.today:
        with transaction(organization):
            organization.turn_day()
