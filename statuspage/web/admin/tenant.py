"""Tenants in the admin: customers or teams with a page of their own."""

from flask import Response, request
from sqlalchemy import func, select

from ...database import db
from ...models.incident import Incident
from ...models.membership import Membership
from ...models.organization import Tenant
from ...models.service import Service
from ...models.status import Visibility
from ...models.token import ApiToken
from ...schemas import team as shapes
from ..form import Form
from ..idempotency import once_to
from .place import Place, blueprint, enter, last_save, load, screen

PATH = "/admin/<org>/tenants"


@blueprint.get(PATH)
def tenants(org: str) -> Response:
    """Each with its page, who may see it, and what is on it."""
    return screen(enter(org), "tenants", "admin/tenants/tenants.html")


@blueprint.route(f"{PATH}/new", methods=["GET", "POST"])
def new_tenant(org: str) -> Response:
    place = enter(org, "tenant.create")
    form = Form(shapes.Tenant, {"visibility": Visibility.PUBLIC.value})
    if form.sent:
        with form.refusals():
            new = form.read()

            def create() -> str:
                Tenant.create(place.organization, slug=new.slug, name=new.name, visibility=new.visibility)
                return f"{place.base}/tenants"

            return once_to(create, place.organization)
    return _edit(place, form, None)


@blueprint.route(f"{PATH}/<id>", methods=["GET", "POST"])
def edit_tenant(org: str, id: str) -> Response:
    place = enter(org, "tenant.update")
    tenant: Tenant = load(place, Tenant, id)
    form = Form(shapes.Tenant, _editable(tenant))
    if form.sent:
        with form.refusals():
            change = form.read()

            def save() -> str:
                form.check(_editable(tenant), last_save(place, tenant.id, "tenant-updated"))
                tenant.update(name=change.name, slug=change.slug, visibility=change.visibility)
                return f"{place.base}/tenants"

            return once_to(save, place.organization)
    return _edit(place, form, tenant)


def _editable(tenant: Tenant) -> dict[str, str]:
    return {"name": tenant.name, "slug": tenant.slug, "visibility": tenant.visibility}


def _edit(place: Place, form: Form[shapes.Tenant], tenant: Tenant | None) -> Response:
    return screen(place, "sheet", "admin/tenants/form.html", form=form, at="tenants", tenant=tenant)


@blueprint.route(f"{PATH}/<id>/deletion", methods=["GET", "POST"])
def delete_tenant(org: str, id: str) -> Response:
    """Asks first, and says what goes with it."""
    place = enter(org, "tenant.delete")
    if request.method == "POST":

        def remove() -> str:
            load(place, Tenant, id).remove()
            return f"{place.base}/tenants"

        return once_to(remove, place.organization)
    tenant: Tenant = load(place, Tenant, id)
    return screen(
        place,
        "sheet",
        "admin/tenants/deletion.html",
        form=Form(shapes.Form),
        at="tenants",
        tenant=tenant,
        counts=[
            (db.session.scalar(select(func.count()).where(model.tenant_id == tenant.id)) or 0, word)
            for model, word in (
                (Service, "service"),
                (Incident, "incident"),
                (Membership, "member"),
                (ApiToken, "API token"),
            )
        ],
    )
