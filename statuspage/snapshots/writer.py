"""Writer: the job that brings the files to what was committed last."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy.exc import IntegrityError

from ..database import database_time, db, transaction
from ..live.hub import Hub
from ..live.message import Cursor
from ..models import snapshot
from ..models.errors import NotFound
from ..models.snapshot import Place, Snapshot
from .drawing import Artist, Hidden
from .files import incidents_of, names_of
from .store import Store

log = logging.getLogger(__name__)

SWEEP_SECONDS = 3600.0
SHARED = ("static/", "embed.js", "robots.txt", "sw.js", "offline.html")


class Writer:
    """One per process; at most one of all is at work, and it may be killed anywhere."""

    def __init__(self, app: Flask, store: Store) -> None:
        self._app, self._store = app, store
        self._artist = Artist(app)
        self._hub: Hub = app.extensions["live"].hub
        self._build: str = app.extensions["live"].build
        self._refresh = timedelta(seconds=app.config["SNAPSHOT_REFRESH"])
        self._swept_at = float("-inf")
        self._site_written = False

    def run(self, keep: Callable[[], bool]) -> None:
        """Write what is due, page by page. Unreachable when the store is: the next turn comes in a minute."""
        self._write_site()
        self._sweep_if_due()
        pages = snapshot.due(self._build, database_time(db.session()) - self._refresh)
        passed = snapshot.left_over() if pages else []
        db.session.rollback()
        for place in passed:
            self._take_away(place)
        for place, id in pages:
            if not keep():
                return
            self._write(place, id)

    def _write(self, place: Place, id: str | None) -> None:
        """The row, the drawing, the files, in this order: that row says whether the drawing still counts."""
        id = id or self._begin(place)
        if id is None:
            return
        try:
            stamp, files = self._draw(place)
        except (Hidden, NotFound):
            return  # who hid it has taken the row along, or the next turn finds it otherwise
        prepared = self._store.prepare(files)
        try:
            with transaction():
                row = snapshot.hold(id)
                if row and row.path == place.path and not _is_ahead(row, stamp):
                    self._store.publish(prepared)
                    self._remove_passed(place, set(files))
                    snapshot.now_written(row, stamp, self._build)
        finally:
            self._store.discard(prepared)

    def _take_away(self, place: Place) -> None:
        with transaction():
            for each in snapshot.take_away(place.organization_id, place.tenant_id or None):
                self._store.remove(names_of(self._store, each))

    def _begin(self, place: Place) -> str | None:
        try:
            with transaction():
                return snapshot.begin(place)
        except IntegrityError:  # a writer that was asleep has begun it too
            return None

    def _draw(self, place: Place) -> tuple[str, dict[str, bytes]]:
        """The position, and files that show it or a later one: looked for after the row was there."""
        if not place.path:
            stamp = snapshot.start_stamp()
            db.session.rollback()
            for channel in list(self._hub.channels.values()):
                channel.look()
            return stamp, self._artist.start_page()
        channel = self._hub.channel(place.organization_id)
        channel.look()
        state = channel.state_of(place.scope)
        return state.cursor(place.scope), self._artist.page(place, state)

    def _remove_passed(self, place: Place, files: set[str]) -> None:
        """What the page had before and has no more."""
        if place.path:
            passed = set(names_of(self._store, place)) - files
            self._store.remove(sorted(passed))

    def _write_site(self) -> None:
        """Once per process. The files of other builds stay: pages of theirs may be open."""
        if self._site_written:
            return
        prepared = self._store.prepare(self._artist.site())
        try:
            self._store.publish(prepared)
        finally:
            self._store.discard(prepared)
        self._site_written = True

    def _sweep_if_due(self) -> None:
        """What no row knows of goes: a database that was put back from a backup knows less than the store."""
        if time.monotonic() - self._swept_at < SWEEP_SECONDS:
            return
        self._store.discard_old()
        found = [name for name in self._store.names() if not name.startswith(SHARED)]
        # Read later than the files: each had its row before it was there.
        known = list(snapshot.places())
        db.session.rollback()
        self._store.remove(_unknown(found, known))
        self._swept_at = time.monotonic()


def _is_ahead(row: Snapshot, stamp: str) -> bool:
    """Whether another writer has been quicker."""
    there, here = Cursor.parse(row.stamp), Cursor.parse(stamp)
    return bool(there and here and there.epoch == here.epoch and there.seq > here.seq)


class _NoFiles:
    """A store in which no incident is found, for the names that are fixed."""

    def names(self, prefix: str = "") -> list[str]:
        return []


def _unknown(found: list[str], known: list[Place]) -> list[str]:
    nothing: Any = _NoFiles()
    names = {name for place in known for name in names_of(nothing, place)}
    folders = tuple(incidents_of(place) for place in known if place.path)
    return [name for name in found if name not in names and not name.startswith(folders)]
