"""Groups of services over REST."""

from flask import Response
from sqlalchemy import select

from ...database import transaction
from ...models.service import ServiceGroup
from ...schemas import group as shapes
from ...schemas.query import ListQuery
from ..auth import current_proof
from ..idempotency import once
from ..tenancy import load, load_scope
from .answering import answer, check_unchanged, created, deleted
from .endpoint import endpoint
from .listing import Number, Order
from .reading import read_body, read_query, scope_of

PAGE_ORDER = Order(ServiceGroup.position, ServiceGroup.id, Number)


@endpoint("GET", "/groups", asks=ListQuery, gives=shapes.GroupList)
def list_groups() -> Response:
    """List groups, in page order."""
    query = read_query(ListQuery)
    scope = scope_of(query)
    rows = select(ServiceGroup).where(
        ServiceGroup.organization_id == scope.organization_id, scope.where(ServiceGroup.tenant_id)
    )
    return answer(PAGE_ORDER.page(rows, query))


@endpoint("POST", "/groups", takes=shapes.NewGroup, gives=shapes.Group, status=201)
def create_group() -> Response:
    """Create a group: a heading for services of the same page."""
    new = read_body(shapes.NewGroup)
    organization, tenant = load_scope(new.organization_id, new.tenant_id, "group.create")
    done = once(
        lambda: ServiceGroup.create(organization, tenant, name=new.name, position=new.position).as_json(),
        organization,
    )
    return created(done, f"/api/groups/{done.body['id']}")


@endpoint("GET", "/groups/<id>", gives=shapes.Group)
def read_group(id: str) -> Response:
    """Read a group."""
    return answer(load(ServiceGroup, id, "page.read").as_json())


@endpoint("PUT PATCH", "/groups/<id>", takes=shapes.GroupChange, gives=shapes.Group)
def update_group(id: str) -> Response:
    """Change a group. What is left out stays."""
    group = load(ServiceGroup, id, "group.update")
    change = read_body(shapes.GroupChange)
    with transaction(group.organization, by=current_proof().user_id):
        check_unchanged(group)
        group.update(**change.given())
    return answer(group.as_json())


@endpoint("DELETE", "/groups/<id>", status=204)
def delete_group(id: str) -> Response:
    """Delete a group. Its services stay, under no heading."""
    group = load(ServiceGroup, id, "group.delete")
    with transaction(group.organization, by=current_proof().user_id):
        check_unchanged(group)
        group.remove()
    return deleted()
