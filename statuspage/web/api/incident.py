"""Incidents and their updates over REST."""

from flask import Response
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from ...database import transaction
from ...models.incident import Incident, IncidentUpdate
from ...schemas import incident as shapes
from ...schemas.query import PageQuery
from ..auth import current_proof
from ..idempotency import once
from ..tenancy import load, load_scope
from .answering import answer, check_unchanged, created, deleted
from .endpoint import endpoint
from .listing import Moment, Number, Order
from .reading import read_body, read_query, scope_of

NEWEST_FIRST = Order(Incident.started_at, Incident.id, Moment, descending=True)
NEWEST_UPDATE_FIRST = Order(IncidentUpdate.number, IncidentUpdate.id, Number, descending=True)
STILL_OPEN = {"open": Incident.resolved_at.is_(None), "resolved": Incident.resolved_at.is_not(None)}


@endpoint("GET", "/incidents", asks=shapes.IncidentQuery, gives=shapes.IncidentList)
def list_incidents() -> Response:
    """List incidents, newest first."""
    query = read_query(shapes.IncidentQuery)
    scope = scope_of(query)
    rows = select(Incident).where(
        Incident.organization_id == scope.organization_id, scope.where(Incident.tenant_id)
    )
    if query.status:
        rows = rows.where(STILL_OPEN[query.status])
    return answer(NEWEST_FIRST.page(rows.options(selectinload(Incident.updates)), query))


@endpoint("POST", "/incidents", takes=shapes.NewIncident, gives=shapes.Incident, status=201)
def open_incident() -> Response:
    """Open an incident. The services that it names show what it says of them, at once."""
    new = read_body(shapes.NewIncident)
    organization, tenant = load_scope(new.organization_id, new.tenant_id, "incident.create")
    done = once(
        lambda: Incident.open(
            organization,
            tenant,
            title=new.title,
            message=new.message,
            status=new.status,
            services=new.services,
            impact=new.impact,
            by=current_proof().user_id,
        ).as_json(),
        organization,
    )
    return created(done, f"/api/incidents/{done.body['id']}")


@endpoint("GET", "/incidents/<id>", gives=shapes.Incident)
def read_incident(id: str) -> Response:
    """Read an incident with all its updates."""
    return answer(load(Incident, id, "page.read").as_json())


@endpoint("PUT PATCH", "/incidents/<id>", takes=shapes.IncidentChange, gives=shapes.Incident)
def update_incident(id: str) -> Response:
    """Change an incident's title or impact. What is left out stays."""
    incident = load(Incident, id, "incident.update")
    change = read_body(shapes.IncidentChange).given()
    if "impact" in change:
        change["set_impact"] = change.pop("impact")
    with transaction(incident.organization, by=current_proof().user_id):
        check_unchanged(incident)
        incident.update(**change)
    return answer(incident.as_json())


@endpoint("DELETE", "/incidents/<id>", status=204)
def delete_incident(id: str) -> Response:
    """Delete an incident and what was said in it. Its services show their own status again."""
    incident = load(Incident, id, "incident.delete")
    with transaction(incident.organization, by=current_proof().user_id):
        check_unchanged(incident)
        incident.remove()
    return deleted()


@endpoint("GET", "/incidents/<id>/updates", asks=PageQuery, gives=shapes.UpdateList)
def list_updates(id: str) -> Response:
    """List an incident's updates, newest first."""
    incident = load(Incident, id, "page.read")
    query = read_query(PageQuery)
    rows = select(IncidentUpdate).where(IncidentUpdate.incident_id == incident.id)
    return answer(NEWEST_UPDATE_FIRST.page(rows, query))


@endpoint("POST", "/incidents/<id>/updates", takes=shapes.NewUpdate, gives=shapes.Update, status=201)
def post_update(id: str) -> Response:
    """Say what is new in an incident; the status `resolved` closes it."""
    incident = load(Incident, id, "incident.update")
    new = read_body(shapes.NewUpdate)
    done = once(
        lambda: incident.post_update(
            status=new.status, message=new.message, services=new.services, by=current_proof().user_id
        ).as_json(),
        incident.organization,
    )
    return created(done, f"/api/incidents/{id}/updates")
