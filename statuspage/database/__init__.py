"""The database: one way to read a snapshot, one way to commit.

`transaction(organization)` takes the lock first, so that rules see the truth and an organization's
event numbers follow the order of commits, on SQLite and on PostgreSQL alike.
"""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

from blinker import Signal
from sqlalchemy import Select, bindparam, event, select, text
from sqlalchemy import inspect as state_of
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from . import postgres, sqlite
from .errors import Busy, Gone, is_away, is_busy, note_failure
from .model import Model, UtcDateTime, db, new_id
from .sqlite import begin_immediate

__all__ = [
    "LOCK_SECONDS",
    "Busy",
    "Gone",
    "Model",
    "UtcDateTime",
    "alone",
    "begin_immediate",
    "committed",
    "committing",
    "database_time",
    "db",
    "end_session",
    "give_back_space",
    "if_undone",
    "is_away",
    "let_go",
    "mark_of_commits",
    "may_take_long",
    "new_id",
    "note_failure",
    "prepare",
    "snapshot",
    "statements",
    "transaction",
]

log = logging.getLogger(__name__)
LOCK_SECONDS = 15.0  # how long a writer queues for its turn before it is told that the site is busy

committed = Signal()
"""Sent after a commit that recorded events: `sender` is the organization's id. Facts only, no objects."""

committing = Signal()  # sent inside a transaction() at its end; what a receiver raises refuses it

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


def end_session() -> None:
    """Give back the session with its connection; what is not committed is rolled back.

    A connection whose server went away since the last question is dropped: what was answered stands.
    """
    try:
        db.session.remove()
    except DBAPIError as error:
        if not is_away(error):
            raise
        db.session.remove()


def mark_of_commits() -> int | None:
    """Something that differs from the last one if anything was committed in between, by whichever process.

    None where only the tables can tell. On SQLite it costs a hundredth of a query (its PRAGMA data_version).
    """
    return sqlite.mark_of_commits(db.engine) if db.engine.dialect.name == "sqlite" else None


def database_time(session: Session) -> datetime:
    """Now, as the database says itself: no claim and no lease goes by what a node thinks."""
    if session.get_bind().dialect.name == "postgresql":
        return postgres.ask_time(session.connection())
    said = session.execute(text("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")).scalar_one()
    return datetime.fromisoformat(said).replace(tzinfo=UTC)


# --- writing ---------------------------------------------------------------------------------------

_turns = threading.BoundedSemaphore(10)
"""On PostgreSQL writers queue in the database, each with a connection: readers must find some left."""

_turn = threading.Lock()
"""SQLite has one writer. Greenlets wait for their turn here, not in a C call that would stop them all."""


@contextmanager
def transaction(*organizations: Any, by: str | None = None, urgent: bool = False) -> Iterator[None]:
    """Run rules and rows under the lock of these organizations, then commit and tell the house.

    `by` is the id of the user who does it. `urgent`: on PostgreSQL it waits behind no other writer of this
    process, but for rows that they hold. Without an organization it locks nothing and records
    nothing. What was loaded before is read again. An exception rolls everything back. Raises Gone when
    an organization was deleted, Busy when this or another lock was not to be had within LOCK_SECONDS.
    """
    session = db.session()
    if session.info.get("writing"):
        raise RuntimeError("transaction() inside transaction(): the outer one already holds the lock.")
    ids = sorted({state_of(organization).identity[0] for organization in organizations})
    session.rollback()  # ends the read transaction: the lock comes first,
    session.expire_all()  # and what was read before it may be old
    session.info.update(writing=True, recorded=set(), lines=[], unwritten=[], hidden=set(), undone={}, by=by)
    undone: dict[Callable[[set[str]], None], set[str]] = {}
    try:
        with _writing_turn(session, urgent):
            _lock(session, organizations, ids)
            yield
            session.flush()
            committing.send(session)
            session.commit()
        recorded, lines = session.info["recorded"], session.info["lines"]
    except BaseException as error:
        undone = session.info["undone"]
        _undo(session)
        if is_busy(error):
            raise Busy from error
        raise
    finally:
        session.info.update(
            writing=False, recorded=set(), lines=[], unwritten=[], hidden=set(), undone={}, by=None
        )
        for step, names in undone.items():
            step(names)
    if lines:
        log.info("committed %s", " ".join(lines), extra={"events": lines, "user": by})
    for organization_id in sorted(recorded):
        committed.send(organization_id)


def _lock(session: Session, organizations: tuple[Any, ...], ids: list[str]) -> None:
    if not ids:
        return
    model: Any = type(organizations[0])
    found = session.scalars(_locked(model), {"ids": ids}).all()
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


def may_take_long() -> None:
    """This transaction waits for something slower than the database: who freezes in it is cut off later."""
    if db.engine.dialect.name == "postgresql":
        postgres.may_take_long(db.session.connection())


def if_undone(step: Callable[[set[str]], None], names: Iterable[str]) -> None:
    """In a transaction(): after it ended without a commit that is known of, call this, which raises nothing,
    with all names that were given for it.
    """
    db.session.info["undone"].setdefault(step, set()).update(names)


@contextmanager
def _writing_turn(session: Session, urgent: bool) -> Iterator[None]:
    """Wait for it at most LOCK_SECONDS in all, and hold no connection while others of this process write."""
    deadline = time.monotonic() + LOCK_SECONDS
    one_writer = session.get_bind().dialect.name == "sqlite"
    turn = _turn if one_writer else None if urgent else _turns
    if turn and not turn.acquire(timeout=LOCK_SECONDS):
        raise Busy
    try:
        if one_writer:
            begin_immediate(session, deadline - time.monotonic())
        else:
            postgres.begin_turn(session.connection(), deadline - time.monotonic())
        yield
    finally:
        try:
            _undo(session)  # nothing is left after a commit; after an error the lock ends here, not later
        finally:
            if turn:
                turn.release()


def _undo(session: Session) -> None:
    """A rollback that cannot be said any more was done by the server when it lost us."""
    try:
        session.rollback()
    except DBAPIError as error:
        if not is_away(error):
            raise


def give_back_space() -> bool:
    """Let SQLite's file shrink a little, in a transaction, when much of it is empty. True if there is more.

    PostgreSQL uses what is empty by itself.
    """
    if db.engine.dialect.name != "sqlite":
        return False
    with transaction():
        return sqlite.shrink(db.session.connection())


# --- the engine ------------------------------------------------------------------------------------

statements = itertools.count()
"""How many this process has sent to its database: repr() tells, next() counts."""


def _count(*_: Any) -> None:
    next(statements)


def prepare(engine: Engine) -> None:
    """Count what an engine is asked, and set up its connections as its kind needs it."""
    event.listen(engine, "after_cursor_execute", _count)
    (sqlite if engine.dialect.name == "sqlite" else postgres).prepare(engine)
