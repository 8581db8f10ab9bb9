"""Page settings in the admin: what the organization is called, where its page is, and who may see it."""

from zoneinfo import available_timezones

from flask import Response, request

from ...database import transaction
from ...models.embedding import allow_embedding
from ...models.errors import Invalid
from ...models.organization import Organization, check_timezone
from ...schemas import team as shapes
from ..auth import current_proof
from ..form import Form, done
from .place import Place, blueprint, enter
from .sheet import around, is_overtaken, version

PATH = "/admin/<org>/settings"
ZONES = sorted(
    name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/", "US/"))
)


@blueprint.route(PATH, methods=["GET", "POST"])
def settings(org: str) -> Response:
    place = enter(org, "organization.update")
    form, status = Form(shapes.Settings, _fields(place.organization)), None
    if form.sent:
        form.values["indexed"] = request.form.get("indexed", "")  # a box that is not ticked is not sent
        with form.refusals():
            status = _save(place, form)
        if not form.errors:
            return done(f"/admin/{place.organization.slug}/settings?saved=1")
    return form.show(
        "admin/settings/settings.html",
        status,
        version=version(form, _fields(place.organization), status),
        zones=ZONES,
        saved="saved" in request.args,
        **around(place, "settings", "Settings"),
    )


def _save(place: Place, form: Form[shapes.Settings]) -> int | None:
    """409 when a newer save is shown instead."""
    new = form.read()
    check_timezone(new.timezone)
    with transaction(place.organization, by=current_proof().user_id):
        if is_overtaken(form, _fields(place.organization)):
            return 409
        place.organization.update(
            name=new.name,
            slug=new.slug,
            timezone=new.timezone,
            visibility=new.visibility,
            indexed=new.indexed,
        )
        origins = new.embed_origins.split()
        if origins != place.organization.embed_origins:
            allow_embedding(place.organization, origins)
    return None


def _fields(organization: Organization) -> dict[str, str]:
    return {
        "name": organization.name,
        "slug": organization.slug,
        "timezone": organization.timezone,
        "visibility": organization.visibility,
        "indexed": "1" if organization.indexed else "",
        "embed_origins": "\n".join(organization.embed_origins),
    }


@blueprint.route(f"{PATH}/deletion", methods=["GET", "POST"])
def delete_organization(org: str) -> Response:
    """The end of it all, for whoever types its path."""
    place = enter(org, "organization.delete")
    form = Form(shapes.Deletion)
    if form.sent:
        with form.refusals():
            if form.read().slug != place.organization.slug:
                raise Invalid(f"Type “{place.organization.slug}” to delete it.", "slug")
            with transaction(place.organization, by=current_proof().user_id):
                place.organization.remove()
            return done("/admin")
    return form.show("admin/settings/deletion.html", **around(place, "settings", "Delete"))
