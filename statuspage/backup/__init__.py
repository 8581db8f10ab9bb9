"""Backup: everything in one file, from either database into either; and back, all of it or nothing.

The file is read into a temporary database first, with all its constraints, and brought up to date there by
the migrations. So what is put back is whole and of today's shape before anything is touched.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import flask_migrate
from flask import current_app
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from ..clock import now
from ..database import db, snapshot
from ..models import node
from ..models import snapshot as snapshots
from ..models.errors import Conflict
from ..models.hiding import will_hide
from ..models.organization import Organization
from ..models.user import User
from . import elsewhere, file, rows
from .file import Head

OF_PROCESSES = frozenset({"node", "job", "batch"})
"""Tables that say what runs now and how far it got, in whichever database: never copied, never touched."""

OF_FILES = frozenset({"snapshot"})
"""Says which files are outside now: no backup knows that, no restore changes it. A move takes it along."""

PASSING = frozenset({"user_session", "invitation", "idempotent_request"})
"""Not worth keeping, and better not: an old file signs nobody in again, and makes no undone request done."""

ASIDE = ".statuspage-restore-"  # how our folders in INSTANCE_PATH begin, and nobody else's: they are deleted
YOUNG_SECONDS = 60.0  # so soon whoever made a folder holds it


def write(stream: BinaryIO) -> Head:
    """All that is worth keeping, as of one moment, while others go on writing. Returns what the file says."""
    with _patient_snapshot() as session:
        head = Head(elsewhere.current_revision(session), now())
        file.write(stream, head, rows.read_all(session, without=OF_PROCESSES | OF_FILES | PASSING))
    return head


def restore(stream: BinaryIO) -> Head:
    """Put back what write() wrote, in place of all there is. Invalid when the file is not whole, or newer.

    Every organization begins a new life of its log: positions from after the backup mean nothing any more,
    and whoever comes with one reads the state again. Everybody is signed out. Pages that are not public any
    more lose their snapshots before that is committed; Conflict if they cannot.
    """
    with _read_aside(stream) as (head, source):
        flask_migrate.upgrade()
        rows.replace_all(source, keep=OF_PROCESSES, hold=OF_FILES, then=_begin_anew)
    return head


def move(url: str) -> None:
    """Copy everything, sessions too, into the empty database at `url`; positions stay good.

    Conflict while a node lives on this database, for what it writes next would be left behind, or when
    there is something in the other one.
    """
    with _patient_snapshot() as source, elsewhere.database(url) as other:
        elsewhere.current_revision(source)
        if node.living(source):
            forgotten = node.silence().total_seconds()
            raise Conflict(
                "A server is running on this database. Stop it first: what it writes next would be left "
                f"behind. (One that was killed is forgotten after {forgotten:.0f} seconds.)"
            )
        with other.app_context():
            flask_migrate.upgrade()
            if not _is_empty():
                raise Conflict("There is something in the other database. Give an empty one.")
            rows.replace_all(source, keep=OF_PROCESSES)


@contextmanager
def _patient_snapshot() -> Iterator[Session]:
    """One that may wait for a slow pipe, whatever PostgreSQL's server allows transactions that idle."""
    with snapshot() as session:
        if db.engine.dialect.name == "postgresql":
            session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        yield session


def _is_empty() -> bool:
    with snapshot() as session:
        return all(session.scalar(select(model.id).limit(1)) is None for model in (Organization, User))


@contextmanager
def _read_aside(stream: BinaryIO) -> Iterator[tuple[Head, Session]]:
    """What the file says of itself, and its rows as today's tables have them, in a database that passes."""
    place = Path(current_app.config["INSTANCE_PATH"])
    forget_killed(place)
    with TemporaryDirectory(prefix=ASIDE, dir=place) as folder, ExitStack() as open_until_the_end:
        open_until_the_end.enter_context(_held(Path(folder)))
        url = f"sqlite:///{Path(folder).resolve() / 'aside.db'}"
        aside = open_until_the_end.enter_context(elsewhere.database(url))
        with aside.app_context():
            found = file.read(stream)
            head = next(found)
            assert isinstance(head, Head)
            elsewhere.make_tables(head.revision)
            rows.fill_as_they_are(found)
            flask_migrate.upgrade()
            source = open_until_the_end.enter_context(snapshot())
        yield head, source


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """As long as this process lives others let the folder alone. BlockingIOError if one of them holds it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def forget_killed(place: Path) -> None:
    """What restores that were killed have left in this folder: everything that was in their files."""
    for folder in place.glob(f"{ASIDE}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > YOUNG_SECONDS:
                with _held(folder):
                    shutil.rmtree(folder)


def _begin_anew() -> None:
    for organization in db.session.scalars(select(Organization)):
        organization.renew_epoch()
    for place in snapshots.left_over():
        will_hide(place.organization_id, place.tenant_id or None)
