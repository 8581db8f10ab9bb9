"""Services in the admin: what there is, in which order, and their status in one click."""

from typing import Any

from flask import Response, request
from sqlalchemy import select

from ...database import db, transaction
from ...models.errors import Conflict, Invalid, NotFound
from ...models.incident import Incident
from ...models.organization import Tenant
from ...models.scope import Scope
from ...models.service import Service, ServiceGroup, find_group, groups_of
from ...models.status import ServiceStatus
from ...schemas import service as shapes
from ..auth import current_proof
from ..form import Form
from ..idempotency import once_to
from .affected import find_tenant, pages_of
from .place import Place, blueprint, enter, last_save, load, screen, stay

STEPS = {"up": -1, "down": 1}


@blueprint.get("/admin/<org>/services")
def list_services(org: str) -> Response:
    """Every service and group, page by page."""
    return screen(enter(org), "services", "admin/services/services.html")


@blueprint.post("/admin/<org>/services/<id>/status")
def set_service_status(org: str, id: str) -> Response:
    """The operator's word for a service, at once. Undo sends the one before it."""
    place = enter(org, "service.update")
    service, status = load(place, Service, id), request.form.get("status", "")
    if status not in list(ServiceStatus):
        raise Invalid("Choose one of the five statuses.", "status")
    with transaction(place.organization, by=current_proof().user_id):
        service.update(own_status=ServiceStatus(status).value)
    return stay(place.base)


@blueprint.post("/admin/<org>/services/<id>/place")
def move_service(org: str, id: str) -> Response:
    """`to` is `up`, `down`, or where it was dropped: the `GROUP/SERVICE` before which it stands."""
    place = enter(org, "service.update")
    service: Service = load(place, Service, id)
    to = request.form.get("to", "")
    group_id, dropped, before_id = to.partition("/")
    if to not in STEPS and not dropped:
        raise Invalid("Say where to: up, down, or before another service.", "to")
    with transaction(place.organization, by=current_proof().user_id):
        if to in STEPS:
            service.step(STEPS[to])
        else:
            service.move(_group(service, group_id), before(place, Service, before_id))
    return stay(f"{place.base}/services")


def before(place: Place, model: Any, id: str) -> Any:
    """What it was dropped before, None for last. Conflict when that is gone, or elsewhere."""
    try:
        return load(place, model, id) if id else None
    except NotFound as gone:
        raise Conflict("What it should stand before is not there any more.") from gone


def _group(service: Service, id: str) -> ServiceGroup | None:
    scope = Scope(service.organization_id, service.tenant_id)
    group = find_group(scope, id) if id and "\x00" not in id else None
    if id and group is None:
        raise Invalid("There is no such group on this page.", "group")
    return group


# --- making and changing -----------------------------------------------------------------------------


@blueprint.route("/admin/<org>/services/new", methods=["GET", "POST"])
def create_service(org: str) -> Response:
    """A service at the end of its group. `?tenant=` and `?group=` say where, as far as that is known."""
    place = enter(org, "service.create")
    asked = {name: request.args.get(name, "") for name in ("tenant", "group")}
    form = Form(shapes.ServiceForm, asked)
    if form.sent:
        with form.refusals():
            new = form.read()

            def create() -> str:
                tenant = find_tenant(place, new.tenant)
                service = Service.create(
                    place.organization, tenant, name=new.name, description=new.description
                )
                service.move(_group(service, new.group or ""))
                return f"{place.base}/services"

            return once_to(create, place.organization)
    return _edit(place, form, None)


@blueprint.route("/admin/<org>/services/<id>/edit", methods=["GET", "POST"])
def edit_service(org: str, id: str) -> Response:
    """Another name, description or group. Its page stays: what was said there of it was said to others."""
    place = enter(org, "service.update")
    service: Service = load(place, Service, id)
    form = Form(shapes.ServiceForm, _editable(service))
    if form.sent:
        with form.refusals():
            change = form.read()

            def save() -> str:
                form.check(_editable(service), last_save(place, service.id))
                group = _group(service, change.group or "")
                service.update(name=change.name, description=change.description)
                if group is not service.group:
                    service.move(group)
                return f"{place.base}/services"

            return once_to(save, place.organization)
    return _edit(place, form, service)


def _editable(service: Service) -> dict[str, Any]:
    return {"name": service.name, "description": service.description, "group": service.group_id or ""}


def _edit(place: Place, form: Form[Any], service: Service | None) -> Response:
    pages = pages_of(place)
    tenants = [db.session.get(Tenant, page.tenant_id) if page.tenant_id else None for page in pages]
    return screen(
        place,
        "sheet",
        "admin/services/edit.html",
        form=form,
        at="services",
        service=service,
        pages=pages,
        groups=[
            (page, groups_of(place.organization, tenant))
            for page, tenant in zip(pages, tenants, strict=True)
            if service is None or page.tenant_id == (service.tenant_id or "")
        ],
    )


@blueprint.route("/admin/<org>/services/<id>/deletion", methods=["GET", "POST"])
def delete_service(org: str, id: str) -> Response:
    """Asks first, and says what it means."""
    place = enter(org, "service.delete")
    if request.method == "POST":

        def remove() -> str:
            load(place, Service, id).remove()
            return f"{place.base}/services"

        return once_to(remove, place.organization)
    service: Service = load(place, Service, id)
    return screen(
        place,
        "sheet",
        "admin/services/delete.html",
        form=Form(shapes.ServiceForm),
        at="services",
        service=service,
        page=service.tenant.name if service.tenant else place.organization.name,
        running=_running(service),
    )


def _running(service: Service) -> list[Incident]:
    """The open incidents that say something of it."""
    rows = db.session.scalars(
        select(Incident).where(
            Incident.organization_id == service.organization_id, Incident.resolved_at.is_(None)
        )
    )
    return [incident for incident in rows if service.id in incident.affected]
