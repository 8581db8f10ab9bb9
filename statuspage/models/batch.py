"""Many rows in one statement, for what is counted in memory and written every few seconds."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Insert, select
from sqlalchemy.dialects import postgresql, sqlite

from ..database import db
from .organization import Organization


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
