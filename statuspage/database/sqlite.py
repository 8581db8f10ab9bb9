"""What is SQLite's own: its pragmas, its one writer, its file."""

import sqlite3
import threading
import time
import weakref
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from .errors import Busy

PRAGMAS = (
    "journal_mode=WAL",
    "journal_size_limit=67108864",  # what a restore or another great change leaves of the WAL
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=50",
)
SPARE_PAGES = 256  # of 4 KiB: what is empty is written to next


def prepare(engine: Engine) -> None:
    """Give an engine its pragmas and explicit transactions."""
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver starts no transaction by itself: see _on_begin
    if connection.execute("PRAGMA page_count").fetchone()[0] == 0:  # later it is of no use, and writes
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # see shrink()
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


def begin_immediate(session: Session, seconds: float) -> None:
    """Take the write lock, sleeping (so that others run) while another process holds it.

    Busy after so many seconds.
    """
    deadline = time.monotonic() + seconds
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


def shrink(connection: Connection) -> bool:
    """Cut some empty pages off the file when it has many, in a transaction. True if there are more."""
    driver = connection.connection.driver_connection
    assert driver is not None

    def count(pragma: str) -> int:
        return driver.execute(f"PRAGMA {pragma}").fetchone()[0]

    before = count("freelist_count")
    if before < max(SPARE_PAGES, count("page_count") // 4):
        return False
    driver.execute(f"PRAGMA incremental_vacuum({SPARE_PAGES})").fetchall()  # a page each time it is asked
    return count("freelist_count") < before  # of a file from before auto_vacuum, never


def mark_of_commits(engine: Engine) -> int | None:
    """The file's data_version, seen from a connection that never writes; None of one in memory."""
    path = engine.url.database
    if path in (None, "", ":memory:"):
        return None
    with _marking:
        if engine not in _markers:  # of its own: it sees the commits of all others
            _markers[engine] = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None)
        return _markers[engine].execute("PRAGMA data_version").fetchone()[0]


_markers: weakref.WeakKeyDictionary[Engine, sqlite3.Connection] = weakref.WeakKeyDictionary()
_marking = threading.Lock()
