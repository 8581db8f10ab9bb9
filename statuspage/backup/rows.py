"""Rows, table by table, as they are read and put somewhere else."""

import time
from base64 import b64decode
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, DateTime, LargeBinary, MetaData, Result, delete, insert, select, text
from sqlalchemy import Table as SqlTable
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from ..database import Busy, UtcDateTime, db, transaction
from ..models.errors import Invalid
from .file import Item, Table

AT_ONCE = 500  # rows
PATIENCE = 60.0  # seconds for writers to let go of their tables
PAUSE = 0.1


def read_all(session: Session, without: Collection[str] = ()) -> Iterator[Table | list[Any]]:
    """Every table of the models but these, each before those that refer to it, with its rows."""
    for table in db.metadata.sorted_tables:
        if table.name not in without:
            yield Table(table.name, [column.name for column in table.columns])
            yield from (list(row) for row in _read(session, table))


def _read(session: Session, table: SqlTable) -> Result[Any]:
    """A few at a time, however many there are."""
    query = select(table).order_by(*table.primary_key)
    return session.execute(query, execution_options={"yield_per": AT_ONCE})


def replace_all(
    source: Session,
    keep: Collection[str],
    hold: Collection[str] = (),
    then: Callable[[], None] = lambda: None,
) -> None:
    """Let the rows of `source` take the place of all that is here, but for the tables to `keep` or `hold`.

    In one transaction, ended by `then`, in which nobody else writes to those to `hold` either. Whoever reads
    meanwhile sees what was there; writers wait. Busy when they do not let go.
    """
    held = [table for table in db.metadata.sorted_tables if table.name not in keep]
    tables = [table for table in held if table.name not in hold]
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with transaction():
                _stop_writers(held)
                _replace(source, tables)
                then()
            return
        except Busy:
            if time.monotonic() > deadline:
                raise
        time.sleep(PAUSE)


def _stop_writers(tables: Iterable[SqlTable]) -> None:
    """All at once or not: a writer that holds one table and waits for another is not kept waiting."""
    if db.engine.dialect.name == "postgresql":  # SQLite has one writer in any case
        names = ", ".join(f'"{table.name}"' for table in tables)
        db.session.execute(text("SET LOCAL lock_timeout = '500ms'"))  # before anybody is taken for deadlocked
        db.session.execute(text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))


def _replace(source: Session, tables: list[SqlTable]) -> None:
    for table in reversed(tables):
        db.session.execute(delete(table))
    for table in tables:
        for some in _read(source, table).partitions(AT_ONCE):
            db.session.execute(insert(table), [dict(row._mapping) for row in some])
    db.session.expire_all()


def fill_as_they_are(items: Iterable[Item]) -> None:
    """Put what a file says into the tables of this empty database, whichever version they are of.

    Invalid when they do not take it.
    """
    try:
        with transaction():
            found = MetaData()
            found.reflect(db.session.connection())
            for table, some in _groups(items, found):
                db.session.execute(insert(table), [_values(table, row) for row in some])
    except (StatementError, ValueError, TypeError, AttributeError) as error:
        raise Invalid("This backup contradicts itself. Nothing was changed.") from error


def _groups(items: Iterable[Item], known: MetaData) -> Iterator[tuple[SqlTable, list[dict[str, Any]]]]:
    table, columns, rows = None, [], []  # type: Any, list[str], list[dict[str, Any]]
    for item in items:
        if isinstance(item, Table) or len(rows) == AT_ONCE:
            if rows:
                yield table, rows
            rows = []
        if isinstance(item, Table):
            table, columns = known.tables.get(item.name), item.columns
            if table is None or not set(columns) <= set(table.columns.keys()):
                raise Invalid("This backup has tables that its version did not have. Nothing was changed.")
        elif isinstance(item, list) and table is not None:
            rows.append(dict(zip(columns, item, strict=True)))
    if rows:
        yield table, rows


def _values(table: SqlTable, row: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(table.columns[name].type, value) for name, value in row.items()}


def _value(type: Any, value: Any) -> Any:
    """Text as the column's type has it: see file.write()."""
    if value is None:
        return None
    if isinstance(type, DateTime | UtcDateTime):
        return datetime.fromisoformat(value)
    if isinstance(type, Date):
        return date.fromisoformat(value)
    return b64decode(value, validate=True) if isinstance(type, LargeBinary) else value
