"""Incidents in the admin: the list, a new one, its screen, and what is corrected or deleted."""

from typing import Any

from flask import Response, request
from sqlalchemy import select

from ...database import db
from ...models.incident import Incident
from ...models.organization import Tenant
from ...models.service import Service
from ...models.status import CHOICES, Impact, IncidentStatus, ServiceStatus
from ...schemas import incident as shapes
from ..auth import current_proof
from ..form import Form
from ..idempotency import once_to
from ..markdown import markdown
from .affected import check_page, chosen, find_tenant, pages_of
from .place import Place, blueprint, enter, last_save, load, screen

FIRST_MESSAGE = "We are looking into it, and will say more as soon as we know more."
PER_PAGE = 25
RUNNING = tuple((status.value, status.word) for status in IncidentStatus if status != "resolved")
IMPACTS = (
    ("", "As the services say"),
    *((impact.value, "None" if impact == "none" else impact.value.capitalize()) for impact in Impact),
)


@blueprint.get("/admin/<org>/incidents")
def list_incidents(org: str) -> Response:
    """What is open, and what is over of the last days."""
    return screen(enter(org), "incidents", "admin/incidents/incidents.html")


@blueprint.get("/admin/<org>/incidents/past")
def past_incidents(org: str) -> Response:
    """All that are over, newest first, some at a time."""
    place = enter(org)
    said = request.args.get("page", "")
    number = min(max(int(said), 1), 100_000) if said.isascii() and said.isdecimal() and len(said) < 7 else 1
    found = db.session.scalars(
        select(Incident)
        .where(Incident.organization_id == place.organization.id, Incident.resolved_at.is_not(None))
        .order_by(Incident.started_at.desc(), Incident.id)
        .offset((number - 1) * PER_PAGE)
        .limit(PER_PAGE + 1)
    ).all()
    rows = [(_facts(incident), incident.tenant.name if incident.tenant else "") for incident in found]
    return screen(
        place,
        "sheet",
        "admin/incidents/past.html",
        at="incidents",
        rows=rows[:PER_PAGE],
        number=number,
        more=len(rows) > PER_PAGE,
    )


def _facts(incident: Incident) -> dict[str, Any]:
    """What the row of a past incident shows: see _past.html."""
    return {
        "id": incident.id,
        "title": incident.title,
        "impact": incident.impact,
        "started_at": incident.started_at,
        "resolved_at": incident.resolved_at,
    }


# --- a new one ---------------------------------------------------------------------------------------


@blueprint.route("/admin/<org>/incidents/new", methods=["GET", "POST"])
def report(org: str) -> Response:
    """Tell people that something is wrong: `?service=` and `?tenant=` say where, as far as that is known."""
    place = enter(org, "incident.create")
    form = Form(shapes.Report, _first_values(place))
    if form.sent and not previews():
        with form.refusals():
            new = form.read()
            return once_to(lambda: _open(place, new), place.organization)
    return screen(
        place,
        "report",
        "admin/incidents/new.html",
        form=form,
        pages=pages_of(place),
        chosen=chosen(form.values),
        statuses=CHOICES,
        running=RUNNING,
        impacts=IMPACTS,
        preview=preview_of(form),
    )


def _first_values(place: Place) -> dict[str, Any]:
    asked = request.args.get("service", "")
    service = db.session.get(Service, asked) if asked and "\x00" not in asked else None
    values: dict[str, Any] = {"message": FIRST_MESSAGE, "tenant": request.args.get("tenant", "")}
    if service and service.organization_id == place.organization.id:
        shown = service.status
        wrong = ServiceStatus.DEGRADED.value if shown == ServiceStatus.OPERATIONAL else shown
        values |= {"services": {service.id: wrong}, "tenant": service.tenant_id or ""}
    return values


def _open(place: Place, new: shapes.Report) -> str:
    tenant = find_tenant(place, new.tenant)
    check_page(place, tenant, new.services)
    incident = Incident.open(
        place.organization,
        tenant,
        title=new.title,
        message=new.message,
        status=new.status,
        services=new.services,
        impact=new.impact,
        by=current_proof().user_id,
    )
    return f"{place.base}/incidents/{incident.id}"


# --- Markdown, as it will be shown -------------------------------------------------------------------


@blueprint.post("/admin/<org>/preview")
def preview(org: str) -> Response:
    """A message as people will see it: a piece of a page."""
    enter(org, "incident.create")
    return Response(markdown(request.form.get("message", "")), headers={"Cache-Control": "no-store"})


def previews() -> bool:
    """Whether the form was sent only to see it: its Preview button, where no script fetches that."""
    return "preview" in request.form


def preview_of(form: Form[Any]) -> str:
    said = form.values.get("message")
    return markdown(said) if form.sent and previews() and isinstance(said, str) else ""


# --- correcting and deleting -------------------------------------------------------------------------


@blueprint.route("/admin/<org>/incidents/<id>/edit", methods=["GET", "POST"])
def edit_incident(org: str, id: str) -> Response:
    """Another title or impact. What was said stays as it was said."""
    place = enter(org, "incident.update")
    incident: Incident = load(place, Incident, id)
    form = Form(shapes.IncidentForm, _editable(incident))
    url = f"{place.base}/incidents/{incident.id}"
    if form.sent:
        with form.refusals():
            change = form.read()

            def save() -> str:
                form.check(_editable(incident), last_save(place, incident.id))
                incident.update(title=change.title, set_impact=change.impact.value if change.impact else None)
                return url

            return once_to(save, place.organization)
    return screen(
        place,
        "sheet",
        "admin/incidents/edit.html",
        form=form,
        at="incidents",
        incident=incident,
        url=url,
        impacts=IMPACTS,
    )


def _editable(incident: Incident) -> dict[str, Any]:
    return {"title": incident.title, "impact": incident.set_impact or ""}


@blueprint.route("/admin/<org>/incidents/<id>/deletion", methods=["GET", "POST"])
def delete_incident(org: str, id: str) -> Response:
    """Asks first, and says what goes with it."""
    place = enter(org, "incident.delete")
    if request.method == "POST":

        def remove() -> str:
            load(place, Incident, id).remove()
            return f"{place.base}/incidents"

        return once_to(remove, place.organization)
    incident: Incident = load(place, Incident, id)
    return screen(
        place,
        "sheet",
        "admin/incidents/delete.html",
        form=Form(shapes.Resolution),
        at="incidents",
        incident=incident,
        tenant=db.session.get(Tenant, incident.tenant_id) if incident.tenant_id else None,
        held=[] if incident.resolved_at else _held(incident),
    )


def _held(incident: Incident) -> list[str]:
    """The services that show something else as soon as the incident is gone."""
    services = (db.session.get(Service, id) for id, status in incident.affected.items() if status.severity)
    return sorted(service.name for service in services if service)
