"""The database: one way to read a snapshot, one way to commit.

`transaction(organization)` takes the lock first, so that rules see the truth and an organization's
event numbers follow the order of commits, on SQLite and on PostgreSQL alike.
"""

import itertools
import logging
import secrets
import sqlite3
import string
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from blinker import Signal
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import DateTime, MetaData, Select, bindparam, event, select, text
from sqlalchemy import inspect as state_of
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
log = logging.getLogger(__name__)
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's code, in the manual's appendix "Error Codes"
LOCK_SECONDS = 15.0  # how long a writer queues for its turn before it is told that the site is busy


class Busy(Exception):
    """The lock was not to be had in time. Nothing was changed; the same request may be sent again."""


class Gone(Exception):
    """What was to be changed was deleted in the meantime."""


def is_away(error: BaseException) -> bool:
    """Whether it means that PostgreSQL cannot be reached, or stops: no fault of ours, and it passes."""
    if not isinstance(error, DBAPIError):
        return False
    driver = type(error.orig).__module__.partition(".")[0]
    return driver == "psycopg" and (error.connection_invalidated or isinstance(error, OperationalError))


def note_failure(log: logging.Logger, error: BaseException, words: str, *values: object) -> None:
    """A line for a database that is away, and the whole story for everything else."""
    if is_away(error):
        log.warning(f"{words}: the database is away", *values)
    else:
        log.exception(words, *values)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC moment; SQLite, which keeps no zone, gives it back aware too."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)


db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})
if TYPE_CHECKING:
    Model = Base  # a type checker cannot see the class that Flask-SQLAlchemy makes of it
else:
    Model = db.Model
Model.registry.update_type_annotation_map({datetime: UtcDateTime()})

committed = Signal()
"""Sent after a commit that recorded events: `sender` is the organization's id. Facts only, no objects."""

committing = Signal()  # sent inside a transaction() at its end; what a receiver raises refuses it

ALPHABET = string.ascii_lowercase + string.digits


def new_id() -> str:
    """Twelve random lower-case letters and digits: 62 bits, unguessable enough not to collide."""
    number, id = secrets.randbits(62), ""
    for _ in range(12):
        number, digit = divmod(number, len(ALPHABET))
        id += ALPHABET[digit]
    return id


# --- reading ---------------------------------------------------------------------------------------


@contextmanager
def snapshot() -> Iterator[Session]:
    """A session of its own that sees the database as of one moment, and cannot write."""
    options: dict[str, Any] = {}
    if db.engine.dialect.name == "postgresql":
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with db.engine.connect().execution_options(**options) as connection, Session(connection) as session:
        yield session


def let_go() -> None:
    """Give back the connection of who has only read. What was loaded stays as it is, to be shown.

    After a rollback each row would be loaded again, one by one.
    """
    session = db.session()
    if session.new or session.dirty or session.deleted or session.info.get("writing"):
        raise RuntimeError("let_go() of what is not written yet")
    session.commit()  # of nothing: see expire_on_commit


def mark_of_commits() -> Any:
    """Something that differs from the last one if anything was committed in between, by whichever process.

    None where only the tables can tell. On SQLite it costs a hundredth of a query (its PRAGMA data_version).
    """
    return _mark(db.engine)


def _mark(engine: Engine) -> Any:
    path = engine.url.database
    if engine.dialect.name != "sqlite" or path in (None, "", ":memory:"):
        return None
    with _marking:
        if engine not in _markers:  # of its own: it sees the commits of all others
            _markers[engine] = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None)
        return _markers[engine].execute("PRAGMA data_version").fetchone()[0]


_markers: weakref.WeakKeyDictionary[Engine, sqlite3.Connection] = weakref.WeakKeyDictionary()
_marking = threading.Lock()


def database_time(session: Session) -> datetime:
    """Now, by the clock that all nodes share: no claim and no lease goes by a node's own."""
    if session.get_bind().dialect.name == "postgresql":
        return session.execute(text("SELECT clock_timestamp()")).scalar_one().astimezone(UTC)
    said = session.execute(text("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")).scalar_one()
    return datetime.fromisoformat(said).replace(tzinfo=UTC)


# --- writing ---------------------------------------------------------------------------------------

_turns = threading.BoundedSemaphore(10)
"""On PostgreSQL writers queue in the database, each with a connection: readers must find some left."""

_turn = threading.Lock()
"""SQLite has one writer. Greenlets wait for their turn here, not in a C call that would stop them all."""


@contextmanager
def transaction(*organizations: Any, by: str | None = None) -> Iterator[None]:
    """Run rules and rows under the lock of these organizations, then commit and tell the house.

    `by` is the id of the user who does it. Without an organization it locks nothing and records
    nothing. What was loaded before is read again. An exception rolls everything back. Raises Gone when
    an organization was deleted, Busy when the lock was not to be had within LOCK_SECONDS.
    """
    session = db.session()
    if session.info.get("writing"):
        raise RuntimeError("transaction() inside transaction(): the outer one already holds the lock.")
    ids = sorted({state_of(organization).identity[0] for organization in organizations})
    session.rollback()  # ends the read transaction: the lock comes first,
    session.expire_all()  # and what was read before it may be old
    session.info.update(writing=True, recorded=set(), lines=[], hidden=set(), by=by)
    try:
        with _writing_turn(session):
            _lock(session, organizations, ids)
            yield
            session.flush()
            committing.send(session)
            session.commit()
        recorded, lines = session.info["recorded"], session.info["lines"]
    except BaseException:
        session.rollback()
        raise
    finally:
        session.info.update(writing=False, recorded=set(), lines=[], hidden=set(), by=None)
    if lines:
        log.info("committed %s", " ".join(lines), extra={"events": lines, "user": by})
    for organization_id in sorted(recorded):
        committed.send(organization_id)


def _lock(session: Session, organizations: tuple[Any, ...], ids: list[str]) -> None:
    if not ids:
        return
    model: Any = type(organizations[0])
    try:
        found = session.scalars(_locked(model), {"ids": ids}).all()
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            raise Busy from error
        raise
    if len(found) != len(ids):
        raise Gone


@cache
def _locked(model: Any) -> Select[Any]:
    """The rows themselves, as of now: the rules read them first of all."""
    wanted = model.id.in_(bindparam("ids", expanding=True))
    return select(model).where(wanted).order_by(model.id).with_for_update()


def alone(model: Any) -> None:
    """Until this transaction ends nobody else adds or changes rows of the table: for what exists once."""
    if db.engine.dialect.name == "postgresql":  # SQLite has one writer in any case
        db.session.execute(text(f'LOCK TABLE "{model.__tablename__}" IN EXCLUSIVE MODE'))


@contextmanager
def _writing_turn(session: Session) -> Iterator[None]:
    """Wait for it at most LOCK_SECONDS in all, and hold no connection while others of this process write."""
    deadline = time.monotonic() + LOCK_SECONDS
    sqlite = session.get_bind().dialect.name == "sqlite"
    turn = _turn if sqlite else _turns
    if not turn.acquire(timeout=LOCK_SECONDS):
        raise Busy
    try:
        if sqlite:
            begin_immediate(session, deadline)
        else:
            left = max(1, int(1000 * (deadline - time.monotonic())))
            session.execute(text(f"SET LOCAL lock_timeout = {left}"))
        yield
    finally:
        session.rollback()  # nothing is left after a commit; after an error the lock ends here, not later
        turn.release()


def begin_immediate(session: Session, deadline: float | None = None) -> None:
    """Take SQLite's write lock, sleeping (so that others run) while another process holds it.

    Busy after LOCK_SECONDS, or at this monotonic moment.
    """
    deadline = deadline or time.monotonic() + LOCK_SECONDS
    pause = 0.001
    while True:
        try:
            session.connection(execution_options={"sqlite_begin": "IMMEDIATE"})
            return
        except OperationalError as error:
            session.rollback()
            if "locked" not in str(error.orig):
                raise
            if time.monotonic() > deadline:
                raise Busy from error
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)


def give_back_space() -> bool:
    """Let SQLite's file shrink a little, in a transaction, when much of it is empty. True if there is more.

    PostgreSQL uses what is empty by itself.
    """
    if db.engine.dialect.name != "sqlite":
        return False
    with transaction():
        driver = db.session.connection().connection.driver_connection
        assert driver is not None

        def count(pragma: str) -> int:
            return driver.execute(f"PRAGMA {pragma}").fetchone()[0]

        before = count("freelist_count")
        if before < max(SPARE_PAGES, count("page_count") // 4):
            return False
        driver.execute(f"PRAGMA incremental_vacuum({SPARE_PAGES})").fetchall()  # a page each time it is asked
        return count("freelist_count") < before  # of a file from before auto_vacuum, never


SPARE_PAGES = 256  # of 4 KiB: what is empty is written to next
PRAGMAS = (
    "journal_mode=WAL",
    "journal_size_limit=67108864",  # what a restore or another great change leaves of the WAL
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=50",
)


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver starts no transaction by itself: see _on_begin
    if connection.execute("PRAGMA page_count").fetchone()[0] == 0:  # later it is of no use, and writes
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # see give_back_space()
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    """An explicit BEGIN, so that several SELECTs see one snapshot; IMMEDIATE never waits in C."""
    driver = connection.connection.driver_connection  # these neither wait nor fail: no ceremony for them
    assert driver is not None
    if connection.get_execution_options().get("sqlite_begin") == "IMMEDIATE":
        driver.execute("PRAGMA busy_timeout=0")
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        finally:
            driver.execute("PRAGMA busy_timeout=50")
    else:
        driver.execute("BEGIN")


statements = itertools.count()
"""How many this process has sent to its database: repr() tells, next() counts."""


def _count(*_: Any) -> None:
    next(statements)


def prepare(engine: Engine) -> None:
    """Give an SQLite engine its pragmas and explicit transactions; PostgreSQL needs nothing of that."""
    event.listen(engine, "after_cursor_execute", _count)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
