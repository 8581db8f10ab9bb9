"""Long lists, a page at a time: a keyset, so that what is added or deleted meanwhile shifts nothing."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, TypeAdapter
from sqlalchemy import ColumnElement, Select, and_, or_

from ...database import db
from ...models.errors import Invalid
from ...schemas.query import PageQuery
from ...schemas.text import Id

Number = Annotated[int, Field(ge=0, lt=2**31)]  # what an INTEGER column holds
Moment = Annotated[
    AwareDatetime, Field(gt=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(9999, 1, 1, tzinfo=UTC))
]


@dataclass(frozen=True)
class Order:
    """By a column of this kind of value, and then by id, which makes it total."""

    column: Any
    id: Any
    kind: Any
    descending: bool = False

    def page(self, rows: Select[Any], query: PageQuery) -> dict[str, Any]:
        """The query's part of these rows: `{items, next}`. Invalid when `after` is not from us."""
        first = self.column.desc() if self.descending else self.column
        rows = rows.order_by(first, self.id).limit(query.limit + 1)
        if query.after is not None:
            rows = rows.where(self._behind(*self._unpack(query.after)))
        found = db.session.scalars(rows).unique().all()
        shown, more = found[: query.limit], len(found) > query.limit
        return {"items": [row.as_json() for row in shown], "next": self._pack(shown[-1]) if more else None}

    def _behind(self, value: Any, id: str) -> ColumnElement[bool]:
        beyond = self.column < value if self.descending else self.column > value
        return or_(beyond, and_(self.column == value, self.id > id))

    def _pack(self, row: Any) -> str:
        place = (getattr(row, self.column.key), row.id)
        return base64.urlsafe_b64encode(self._place.dump_json(place)).decode().rstrip("=")

    def _unpack(self, text: str) -> tuple[Any, str]:
        try:
            return self._place.validate_json(base64.urlsafe_b64decode(text + "=="))
        except ValueError as error:
            raise Invalid("Send `next` of an earlier answer, unchanged.", "after") from error

    @property
    def _place(self) -> TypeAdapter[tuple[Any, str]]:
        return TypeAdapter(tuple[self.kind, Id])  # type: ignore[name-defined]
