"""When rows were last used: remembered in memory, and written in batches, off every request."""

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, or_, update
from sqlalchemy.orm import InstrumentedAttribute

from ..clock import now
from ..database import db, transaction


class LastUse:
    """Of the rows of one table, in this column."""

    def __init__(self, column: InstrumentedAttribute[Any]) -> None:
        self._model, self._column = column.class_, column.key
        self.noted: dict[str, datetime] = {}  # by the row's id

    def note(self, id: str) -> None:
        """It is used now; store() writes that."""
        self.noted[id] = now()

    def store(self) -> None:
        """Write what was noted, in a transaction of its own; what cannot be written now waits."""
        noted = dict(self.noted)
        if not noted:
            return
        table = self._model.__table__
        kept = table.c[self._column]
        newer = or_(kept.is_(None), kept < bindparam("moment"))
        statement = update(table).where(table.c.id == bindparam("row"), newer)
        rows = [{"row": id, "moment": noted[id]} for id in sorted(noted)]  # two nodes never wait in a ring
        with transaction():
            db.session.connection().execute(statement.values({self._column: bindparam("moment")}), rows)
        for id, moment in noted.items():
            if self.noted.get(id) is moment:  # else it was used again
                del self.noted[id]
