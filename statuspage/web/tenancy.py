"""From a path to a scope: slug or id of an organization and a tenant. All else is loaded through it."""

from functools import cache
from typing import Any

from flask import current_app
from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import joinedload

from ..database import db
from ..live.hub import Hub
from ..models.errors import NotFound
from ..models.name import Name
from ..models.organization import Organization, Tenant
from ..models.scope import Scope
from .auth import current_proof, is_visitor, require

NOTHING = "There is nothing here, or it is not for you."


def scope_of_path(org: str, tenant: str | None = None, *, whole: bool = False) -> Scope:
    """The scope behind `/{org}[/{tenant}]`, if the asker may read it; else NotFound."""
    if not whole and (found := _known_public(org, tenant)):
        return found
    organization_id = _owner("", org)
    scope = Scope(organization_id, _owner(organization_id, tenant) if tenant else None, whole=whole)
    require(scope, "scope.all" if whole else "page.read")
    return scope


def is_known_public(scope: Scope) -> bool:
    """Whether a visitor asks, and memory can tell that everybody may read this scope."""
    return not scope.whole and _known_public(scope.organization_id, scope.tenant_id) == scope


def _known_public(org: str, tenant: str | None) -> Scope | None:
    hub: Hub = current_app.extensions["live"].hub
    return hub.public_scope(org, tenant) if is_visitor() else None


def _owner(parent: str, segment: str) -> str:
    name = db.session.get(Name, (parent, segment)) if "\x00" not in segment else None
    if name is None:
        raise NotFound(NOTHING)
    return name.owner_id


def load(model: Any, id: str, verb: str) -> Any:
    """A row by id, if the asker may do this in its scope. Unknown and foreign are both NotFound."""
    row = db.session.scalar(_row(model), {"id": id}) if "\x00" not in id else None
    if row is None:
        raise NotFound(NOTHING)
    require(Scope(row.organization_id, row.tenant_id), verb)
    return row


@cache
def _row(model: Any) -> Select[Any]:
    """With its organization: that is what the role, and then the transaction, is asked of."""
    return select(model).options(joinedload(model.organization)).where(model.id == bindparam("id"))


def load_scope(organization_id: str, tenant_id: str | None, verb: str) -> tuple[Organization, Tenant | None]:
    """The organization and tenant that a request body or query names by id; refuses as require() does."""
    current_proof()  # first: a token is read together with its organization
    organization = db.session.get(Organization, organization_id)
    tenant = db.session.get(Tenant, tenant_id) if tenant_id else None
    if organization is None or (tenant_id and tenant is None):
        raise NotFound(NOTHING)
    require(Scope(organization_id, tenant_id), verb)
    return organization, tenant
