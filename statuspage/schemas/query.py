"""Query strings: whose things are asked for, and which page of them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .shape import Request
from .text import Id


class ScopeQuery(Request):
    """Without `tenantId`: the organization's own page. With it: the tenant's page, which shows both."""

    organization_id: Id
    """The organization, by id."""
    tenant_id: Id | None = None
    """A tenant of the organization, by id."""
    scope: Literal["all"] | None = None
    """`all`: every tenant's things too, for members of the whole organization."""

    @model_validator(mode="after")
    def _one_scope(self) -> "ScopeQuery":
        if self.scope and self.tenant_id:
            raise ValueError("scope=all shows every tenant: leave tenantId out")
        return self


class PageQuery(Request):
    """Which part of a long list (a keyset: what changes meanwhile shifts nothing)."""

    limit: Annotated[int, Field(ge=1, le=100)] = 50
    """How many items at most."""
    after: Annotated[str, Field(max_length=300)] | None = None
    """`next` of an earlier answer: what comes after it."""


class ListQuery(ScopeQuery, PageQuery):
    """A page of a scope's things."""
