"""Writer: the job that brings the files to what was committed last."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from flask import Flask
from sqlalchemy.exc import IntegrityError

from ..database import database_time, db, note_failure, transaction
from ..live.hub import Hub
from ..live.message import Cursor
from ..models import snapshot
from ..models.errors import NotFound
from ..models.snapshot import SITE, Place, Snapshot
from .drawing import Artist, Drawing
from .reconcile import reconcile, reconcile_in_any_case
from .store import Store, Unreachable
from .visitor import Hidden

log = logging.getLogger(__name__)

SWEEP_SECONDS = 600.0  # a process that is killed while it hides a page cannot tell
REST_SECONDS = 60.0  # until a page that could not be drawn is tried again
ROUND_SECONDS = 5.0  # of writing, until it is asked again what is due: an organization before all tenants
AT_ONCE = 50  # files: others who write, or hide a page, wait until they are in place
ASK_SECONDS = 1.0  # of putting them there, until the database is asked whether the page's row is still held
STATIC = "static/"  # of other builds they stay: pages of theirs may be open

Due = list[tuple[Place, str | None]]


class Writer:
    """One per process; at most one of all is at work, and it may be killed anywhere."""

    def __init__(self, app: Flask, store: Store) -> None:
        self._app, self._store = app, store
        self._artist = Artist(app)
        self._hub: Hub = app.extensions["live"].hub
        self._build: str = app.extensions["live"].build
        self._refresh = timedelta(seconds=app.config["SNAPSHOT_REFRESH"])
        self._swept_at = float("-inf")
        self.failed: dict[Place, float] = {}
        """The pages that could not be drawn, and when that was (monotonic)."""
        self.unfinished: set[Place] = set()

    def run(self, keep: Callable[[], bool]) -> None:
        """Write what is due, page by page. Unreachable when the store is: the next turn comes in a minute."""
        self._sweep_if_due()
        try:
            while pages := self._due():
                if self._write_all(pages, keep):
                    return
        finally:
            self._artist.let_go()

    def _write_all(self, pages: Due, keep: Callable[[], bool]) -> bool:
        """For as long as a round takes, then False: it is asked again what is due; True when that is over."""
        ends = time.monotonic() + ROUND_SECONDS
        for place, id in pages:
            if not keep():
                return True
            self._attempt(place, id)
            if time.monotonic() > ends:
                return False
        return not any(place in self.unfinished for place, _ in pages)

    def _due(self) -> Due:
        pages = snapshot.due(self._build, database_time(db.session()) - self._refresh)
        passed = snapshot.left_over() if pages else []
        db.session.rollback()
        for place in passed:
            self._take_away(place)
        tired = time.monotonic() - REST_SECONDS
        due = [(place, id) for place, id in pages if self.failed.get(place, tired) <= tired]
        return sorted(due, key=lambda page: page[0] in self.unfinished)

    def _attempt(self, place: Place, id: str | None) -> None:
        """A page that cannot be drawn holds up no other."""
        self.unfinished.discard(place)
        try:
            self._write(place, id)
            self.failed.pop(place, None)
        except Unreachable:
            raise
        except Exception as error:
            self.failed[place] = time.monotonic()
            note_failure(log, error, "The snapshot of %s cannot be drawn", place.path or "/")
        finally:
            db.session.rollback()

    def _write(self, place: Place, id: str | None) -> None:
        """The row, the drawing, the names, the files: in the end the row says whether the drawing counts."""
        id = id or self._begin(place)
        had = snapshot.files_of(id) if id else None
        db.session.rollback()
        if id is None or had is None:
            return
        try:
            stamp, drawing = self._draw(place, had)
        except (Hidden, NotFound):
            return  # who hid it has taken the row along, or the next turn finds it otherwise
        known = self._announce(id, had, drawing)
        for some, last in _batches(drawing.files):
            prepared = self._store.prepare(some)
            put: set[str] = set()
            try:
                with transaction():
                    row = snapshot.hold(id)
                    if not row or (row.path, row.files) != (place.path, known) or _is_ahead(row, stamp):
                        return
                    put |= some.keys()
                    self._store.publish(prepared, _asking_whether_it_is_held())
                    row.files = known = row.files | {name: drawing.versions[name] for name in some}
                    if last:
                        self._is_written(row, stamp, drawing)
            except Exception:  # the hold may be lost: by one who was frozen, or whose database went away
                reconcile_in_any_case(self._app, self._store, _of_pages(put))
                raise
            finally:
                self._store.discard(prepared)

    def _is_written(self, row: Snapshot, stamp: str, drawing: Drawing) -> None:
        """What is drawn in parts stays due until the last of them, behind all that is not."""
        gone = row.files.keys() - drawing.versions.keys() - drawing.postponed
        self._remove(gone)
        kept = {name: version for name, version in row.files.items() if name not in gone}
        snapshot.now_written(row, stamp if drawing.is_whole else "", self._build, kept)
        if drawing.postponed:
            self.unfinished.add(row.place)

    def _announce(self, id: str, had: dict[str, str], drawing: Drawing) -> dict[str, str] | None:
        """A file is known before it is there: who hides the page finds it. All that is known of the page."""
        if had.keys() >= drawing.files.keys():
            return had
        with transaction():
            return snapshot.announce(id, had, drawing.files)

    def _take_away(self, place: Place) -> None:
        with transaction():
            self._store.remove(snapshot.take_away(place.organization_id, place.tenant_id or None))

    def _begin(self, place: Place) -> str | None:
        try:
            with transaction():
                return snapshot.begin(place)
        except IntegrityError:  # a writer that was asleep has begun it too
            return None

    def _draw(self, place: Place, had: dict[str, str]) -> tuple[str, Drawing]:
        """The position, and files that show it or a later one: looked for after the row was there."""
        if (place.organization_id, place.tenant_id) == SITE:
            return self._build, self._artist.site()
        if not place.path:
            stamp = snapshot.start_stamp()
            db.session.rollback()
            for channel in list(self._hub.channels.values()):
                channel.look()
            return stamp, self._artist.start_page()
        channel = self._hub.channel(place.organization_id)
        channel.look()
        state = channel.state_of(place.scope)
        return state.shown_cursor(place.scope), self._artist.page(place, state, had)

    def _remove(self, names: Iterable[str]) -> None:
        """What nobody has any more."""
        self._store.remove(sorted(_of_pages(names)))

    def _sweep_if_due(self) -> None:
        """Files and rows are held against each other: either may have been put back from an older copy."""
        if time.monotonic() - self._swept_at < SWEEP_SECONDS:
            return
        self._swept_at = time.monotonic()
        try:
            self._store.discard_old()
            found = set(self._store.names())
            with transaction():  # read later than the files: each was known before it was there
                unknown = sorted(snapshot.compare(found))
            for start in range(0, len(unknown), AT_ONCE):
                reconcile(self._store, _of_pages(unknown[start : start + AT_ONCE]))
        except Exception:
            self._swept_at = float("-inf")  # with the next turn
            raise


def _batches(files: dict[str, bytes]) -> Iterator[tuple[dict[str, bytes], bool]]:
    """A few files at a time, and whether these are the last."""
    items = list(files.items())
    for start in range(0, max(1, len(items)), AT_ONCE):
        yield dict(items[start : start + AT_ONCE]), start + AT_ONCE >= len(items)


def _of_pages(names: Iterable[str]) -> set[str]:
    return {name for name in names if not name.startswith(STATIC)}


def _asking_whether_it_is_held() -> Callable[[], None]:
    """For Store.publish(). It also keeps the database from taking a slow bucket for a frozen writer."""
    asked = time.monotonic()

    def ask() -> None:
        nonlocal asked
        if time.monotonic() - asked > ASK_SECONDS:
            snapshot.still_held()
            asked = time.monotonic()

    return ask


def _is_ahead(row: Snapshot, stamp: str) -> bool:
    """Whether another writer has been quicker."""
    there, here = Cursor.parse(row.stamp), Cursor.parse(stamp)
    return bool(there and here and there.epoch == here.epoch and there.seq > here.seq)
