"""What is PostgreSQL's own: how a writer's turn begins, and how soon the server gives a client up."""

import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine

from .. import clock

IDLE_SECONDS = 10.0
"""After so long without a statement a writer is taken for frozen, or dead, and loses its locks.

Less than others wait for them: see LOCK_SECONDS.
"""

PATIENT_SECONDS = 60.0
"""The same for a writer that waits for something slower than this database: see may_take_long()."""

KEEPALIVES = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25000",
}
"""The server's side of database_options.GIVES_UP: who lost power holds no connection for two hours."""

_begin = text(
    "SELECT set_config('lock_timeout', :lock, true),"
    " set_config('idle_in_transaction_session_timeout', :idle, true), clock_timestamp()"
)
_idle = text("SELECT set_config('idle_in_transaction_session_timeout', :idle, true)")
_time = text("SELECT clock_timestamp()")


def prepare(engine: Engine) -> None:
    """Let the server see when a client of this engine is gone."""
    event.listen(engine, "connect", _on_connect)


def _on_connect(connection: Any, _record: Any) -> None:
    """By statements: PgBouncer takes no such options at a connection's start."""
    connection.autocommit = True  # else they would end with a rollback
    settings = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in KEEPALIVES.items())
    connection.execute(f"SELECT {settings}")
    connection.autocommit = False


def begin_turn(connection: Connection, lock_seconds: float) -> None:
    """Wait for no lock for longer than that in this transaction, and be idle in it no longer than allowed.

    It also sets the clock, so that what a new process writes first has the right time already.
    """
    asked = time.monotonic()
    values = {"lock": _milliseconds(lock_seconds), "idle": _milliseconds(IDLE_SECONDS)}
    moment: datetime = connection.execute(_begin, values).one()[2]
    clock.hear(moment, asked, time.monotonic())


def may_take_long(connection: Connection) -> None:
    """From now on this transaction waits for files or for a bucket."""
    connection.execute(_idle, {"idle": _milliseconds(PATIENT_SECONDS)})


def ask_time(connection: Connection) -> datetime:
    asked = time.monotonic()
    moment: datetime = connection.execute(_time).scalar_one()
    clock.hear(moment, asked, time.monotonic())
    return moment.astimezone(UTC)


def _milliseconds(seconds: float) -> str:
    return str(max(1, int(1000 * seconds)))
