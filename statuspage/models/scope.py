"""Scope: what is shown. The unit of pages, rooms, positions and permissions."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, or_, true


@dataclass(frozen=True, slots=True)
class Scope:
    """An organization's own page; with `tenant_id`, that tenant's; `whole`, everything (members only)."""

    organization_id: str
    tenant_id: str | None = None
    whole: bool = False

    def shows(self, tenant_id: str | None) -> bool:
        """Whether something of this tenant (None: the organization's own) is part of the scope."""
        return self.whole or tenant_id is None or tenant_id == self.tenant_id

    def where(self, tenant_column: Any) -> ColumnElement[bool]:
        """`shows`, as a condition on a table's tenant column."""
        if self.whole:
            return true()
        if self.tenant_id is None:
            return tenant_column.is_(None)
        return or_(tenant_column.is_(None), tenant_column == self.tenant_id)

    @property
    def room(self) -> str:
        """The room of the scope: `org:…`, `tenant:…` or `org:…:members`. Never equal to a session id."""
        if self.whole:
            return f"org:{self.organization_id}:members"
        return f"tenant:{self.tenant_id}" if self.tenant_id else f"org:{self.organization_id}"
