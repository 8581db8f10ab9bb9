"""Services over REST."""

from typing import Any

from flask import Response
from sqlalchemy import select

from ...database import transaction
from ...models.errors import Invalid
from ...models.scope import Scope
from ...models.service import Service, ServiceGroup, find_group
from ...schemas import service as shapes
from ...schemas.query import ListQuery
from ..auth import current_proof
from ..idempotency import once
from ..tenancy import load, load_scope
from .answering import answer, check_unchanged, created, deleted
from .endpoint import endpoint
from .listing import Number, Order
from .reading import read_body, read_query, scope_of

PAGE_ORDER = Order(Service.position, Service.id, Number)


@endpoint("GET", "/services", asks=ListQuery, gives=shapes.ServiceList)
def list_services() -> Response:
    """List services, in page order."""
    query = read_query(ListQuery)
    scope = scope_of(query)
    rows = select(Service).where(
        Service.organization_id == scope.organization_id, scope.where(Service.tenant_id)
    )
    return answer(PAGE_ORDER.page(rows, query))


@endpoint("POST", "/services", takes=shapes.NewService, gives=shapes.Service, status=201)
def create_service() -> Response:
    """Create a service. Everybody who watches its page sees it at once."""
    new = read_body(shapes.NewService)
    organization, tenant = load_scope(new.organization_id, new.tenant_id, "service.create")

    def create() -> dict[str, Any]:
        service = Service.create(
            organization,
            tenant,
            name=new.name,
            description=new.description,
            own_status=new.status,
            group=_group(Scope(new.organization_id, new.tenant_id), new.group_id),
            position=new.position,
        )
        return service.as_json()

    done = once(create, organization)
    return created(done, f"/api/services/{done.body['id']}")


@endpoint("GET", "/services/<id>", gives=shapes.Service)
def read_service(id: str) -> Response:
    """Read a service."""
    return answer(load(Service, id, "page.read").as_json())


@endpoint("PUT PATCH", "/services/<id>", takes=shapes.ServiceChange, gives=shapes.Service)
def update_service(id: str) -> Response:
    """Change a service. What is left out stays; `status` sets the operator's word."""
    service = load(Service, id, "service.update")
    change = read_body(shapes.ServiceChange).given()
    with transaction(service.organization, by=current_proof().user_id):
        check_unchanged(service)
        service.update(**_in_domain_words(service, change))
    return answer(service.as_json())


@endpoint("DELETE", "/services/<id>", status=204)
def delete_service(id: str) -> Response:
    """Delete a service. Open incidents keep running without it."""
    service = load(Service, id, "service.delete")
    with transaction(service.organization, by=current_proof().user_id):
        check_unchanged(service)
        service.remove()
    return deleted()


def _in_domain_words(service: Service, change: dict[str, Any]) -> dict[str, Any]:
    if "status" in change:
        change["own_status"] = change.pop("status")
    if "group_id" in change:
        change["group"] = _group(Scope(service.organization_id, service.tenant_id), change.pop("group_id"))
    return change


def _group(scope: Scope, id: str | None) -> ServiceGroup | None:
    """A group of exactly this scope. Elsewhere and nowhere are one answer."""
    group = find_group(scope, id) if id else None
    if id and group is None:
        raise Invalid("There is no such group on this page.", "groupId")
    return group
