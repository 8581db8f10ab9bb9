"""Batch: what is counted in memory and written every few seconds, many rows in one statement, once."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Model, database_time, db
from .organization import Organization

KEPT = timedelta(days=1)  # so long a process may wait for its database, and still know what it has added


class Batch(Model):
    """The last batch of numbers that a process has added to the others'."""

    __tablename__ = "batch"

    node: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]
    at: Mapped[datetime]


def is_new(node: str, number: int) -> bool:
    """Whether this batch was not added yet; from now on it is. Call it in the transaction() that adds it.

    For a commit may be done though nobody was told so: who adds the same again asks here first.
    """
    statement, keys = _insert(Batch)
    written = statement.excluded
    newer = statement.on_conflict_do_update(
        index_elements=keys,
        set_={"number": written.number, "at": written.at},
        where=Batch.number < written.number,
    )
    row = {"node": node, "number": number, "at": database_time(db.session())}
    return db.session.scalar(newer.values(**row).returning(Batch.node)) is not None


def adding(model: Any, *names: str) -> Insert:
    """Insert a row; where one has its key, add these columns to that one. Both databases have this.

    Give it the rows in the order of their keys, so that two nodes never wait for each other in a ring.
    """
    statement, keys = _insert(model)
    sums = {name: model.__table__.c[name] + statement.excluded[name] for name in names}
    return statement.on_conflict_do_update(index_elements=keys, set_=sums)


def replacing(model: Any, *names: str) -> Insert:
    """Insert a row; where one has its key, write these columns over."""
    statement, keys = _insert(model)
    return statement.on_conflict_do_update(
        index_elements=keys, set_={name: statement.excluded[name] for name in names}
    )


def of_nobody(model: Any) -> Callable[[datetime], ColumnElement[bool]]:
    """Rows of organizations that were deleted. They refer to none: a batch must not fail for one of them."""
    return lambda _: model.organization_id.not_in(select(Organization.id))


def _insert(model: Any) -> tuple[Any, list[str]]:
    make: Any = postgresql.insert if db.engine.dialect.name == "postgresql" else sqlite.insert
    return make(model.__table__), [column.name for column in model.__table__.primary_key]
