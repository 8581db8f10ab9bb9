"""Alembic's entry: runs the migrations on the application's own engine."""

from alembic import context
from flask import current_app
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from statuspage.database import LOCK_SECONDS, UtcDateTime, begin_immediate, db

LOCK = 7_261_001  # one migrating process at a time on PostgreSQL; SQLite's writer lock does the same


def render_item(kind: str, item: object, _context: object) -> str | bool:
    """Migrations name plain column types: they must run when the code has moved on."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        compare_type=True,
        render_item=render_item,
        render_as_batch=True,  # SQLite alters a table by making it anew
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
        context.run_migrations()


with current_app.app_context(), Session(db.engine) as session:
    if db.engine.dialect.name == "sqlite":
        begin_immediate(session, LOCK_SECONDS)  # waits for a writer of another process
    migrate(session.connection())
    session.commit()
