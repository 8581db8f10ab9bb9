"""Tenants in the admin: customers or teams with a page of their own."""

from flask import Response
from sqlalchemy import func, select

from ...database import db, transaction
from ...models.incident import Incident
from ...models.membership import Membership
from ...models.organization import Tenant
from ...models.service import Service
from ...models.status import Visibility
from ...models.token import ApiToken
from ...schemas import team as shapes
from ..auth import current_proof
from ..form import Form, done
from .place import Place, blueprint, enter, load, screen
from .sheet import around, is_overtaken, once, sheet, version

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
            once(place, lambda: _create(place, new))
            return done(f"{place.base}/tenants")
    return form.show("admin/tenants/form.html", **around(place, "tenants", "New tenant"))


def _create(place: Place, new: shapes.Tenant) -> None:
    Tenant.create(place.organization, slug=new.slug, name=new.name, visibility=new.visibility)


@blueprint.route(f"{PATH}/<id>", methods=["GET", "POST"])
def edit_tenant(org: str, id: str) -> Response:
    place = enter(org, "tenant.update")
    tenant = load(place, Tenant, id)
    form, status = Form(shapes.Tenant, _fields(tenant)), None
    if form.sent:
        with form.refusals():
            new = form.read()
            with transaction(place.organization, by=current_proof().user_id):
                if is_overtaken(form, _fields(tenant)):
                    status = 409
                else:
                    tenant.update(name=new.name, slug=new.slug, visibility=new.visibility)
        if not form.errors:
            return done(f"{place.base}/tenants")
    return form.show(
        "admin/tenants/form.html",
        status,
        tenant=tenant,
        version=version(form, _fields(tenant), status),
        **around(place, "tenants", tenant.name),
    )


def _fields(tenant: Tenant) -> dict[str, str]:
    return {"name": tenant.name, "slug": tenant.slug, "visibility": tenant.visibility}


@blueprint.get(f"{PATH}/<id>/deletion")
def confirm_tenant_deletion(org: str, id: str) -> Response:
    """What goes with it."""
    place = enter(org, "tenant.delete")
    tenant = load(place, Tenant, id)
    counts = [
        (db.session.scalar(select(func.count()).where(model.tenant_id == tenant.id)) or 0, word)
        for model, word in (
            (Service, "service"),
            (Incident, "incident"),
            (Membership, "member"),
            (ApiToken, "API token"),
        )
    ]
    return sheet("admin/tenants/deletion.html", place, "tenants", "Delete", tenant=tenant, counts=counts)


@blueprint.post(f"{PATH}/<id>/deletion")
def delete_tenant(org: str, id: str) -> Response:
    place = enter(org, "tenant.delete")
    tenant = load(place, Tenant, id)
    with transaction(place.organization, by=current_proof().user_id):
        tenant.remove()
    return done(f"{place.base}/tenants")
