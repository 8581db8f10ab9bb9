"""Chores, one thread per process: what may have to wait for a lock, so that what delivers never does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from flask import Flask

from ..database import Gone, db, end_session, note_failure, transaction
from ..models import consumer, token
from ..models.organization import Organization
from .hub import Hub

log = logging.getLogger(__name__)

EVERY_SECONDS = 10.0


class Chores:
    def __init__(self, app: Flask, hub: Hub) -> None:
        self._app, self._hub = app, hub
        self._starting = threading.Lock()
        self._over = threading.Event()
        self._started = False

    def start(self) -> None:
        """Start once per process, with the first question to the hub."""
        with self._starting:
            if not self._started:
                self._started = True
                threading.Thread(target=self._run, name="chores", daemon=True).start()

    def _run(self) -> None:
        with self._app.app_context():
            while not self._over.wait(EVERY_SECONDS):
                self.turn_days()
                self.store_uses()

    def turn_days(self) -> None:
        """Record a new day where somebody would see it. Memory tells where that may be."""
        for id, channel in list(self._hub.channels.items()):
            if not channel.state.is_of_today:
                self._attempt(lambda id=id: _turn_day(id))  # type: ignore[misc]

    def store_uses(self) -> None:
        """Write down when tokens and consumers were used last."""
        self._attempt(token.last_use.store)
        self._attempt(consumer.last_seen.store)

    def _attempt(self, step: Callable[[], None]) -> None:
        """What fails is tried again at the next turn; the others go on."""
        try:
            step()
        except Exception as error:
            note_failure(log, error, "A chore met an error and is tried again")
        finally:
            end_session()


def _turn_day(organization_id: str) -> None:
    organization = db.session.get(Organization, organization_id)
    if organization:
        with suppress(Gone):
            turn_day_if_due(organization)


def turn_day_if_due(organization: Organization) -> None:
    """Before an organization nobody watched is drawn, too: its day may be over."""
    if organization.local_date() != organization.today:
        with transaction(organization):
            organization.turn_day()
