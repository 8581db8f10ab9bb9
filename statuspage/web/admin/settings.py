"""Page settings in the admin: what the organization is called, where its page is, and who may see it."""

from functools import cache
from zoneinfo import available_timezones

from flask import Response, request

from ...database import transaction
from ...models.embedding import allow_embedding
from ...models.errors import Invalid
from ...models.look import MOST_BYTES
from ...models.organization import Organization, check_timezone
from ...schemas import team as shapes
from ..auth import current_proof
from ..form import Form, done
from .place import Place, blueprint, enter
from .sheet import Overtaken, around, is_overtaken, once, version

PATH = "/admin/<org>/settings"


@cache
def zones() -> list[str]:
    """Those of places. Once, and not at every start: it looks into some six hundred files."""
    legacy = ("Etc/", "SystemV/", "US/")
    return sorted(name for name in available_timezones() if "/" in name and not name.startswith(legacy))


@blueprint.route(PATH, methods=["GET", "POST"])
def settings(org: str) -> Response:
    place = enter(org, "organization.update")
    form, status = Form(shapes.Settings, _fields(place.organization)), None
    if form.sent:
        form.values["indexed"] = request.form.get("indexed", "")  # a box that is not ticked is not sent
        with form.refusals():
            try:
                _save(place, form)
            except Overtaken:
                status = 409
        if not form.errors:
            return done(f"/admin/{place.organization.slug}/settings?saved=1")
    return _show(place, form, status)


def _show(place: Place, form: Form[shapes.Settings], status: int | None) -> Response:
    return form.show(
        "admin/settings/settings.html",
        status,
        version=version(form, _fields(place.organization), status),
        logo=place.organization.logo_hash,
        zones=zones(),
        saved="saved" in request.args,
        **around(place, "settings", "Settings"),
    )


def _save(place: Place, form: Form[shapes.Settings]) -> None:
    """Overtaken when a newer save is to be shown instead."""
    new, organization = form.read(), place.organization
    check_timezone(new.timezone)

    def save() -> None:
        if is_overtaken(form, _fields(organization)):
            raise Overtaken
        organization.update(
            name=new.name,
            slug=new.slug,
            timezone=new.timezone,
            visibility=new.visibility,
            indexed=new.indexed,
        )
        organization.set_look(accent=new.accent)
        origins = new.embed_origins.split()
        if origins != organization.embed_origins:
            allow_embedding(organization, origins)

    once(place, save)


def _fields(organization: Organization) -> dict[str, str]:
    return {
        "name": organization.name,
        "slug": organization.slug,
        "timezone": organization.timezone,
        "visibility": organization.visibility,
        "indexed": "1" if organization.indexed else "",
        "accent": organization.accent or "",
        "embed_origins": "\n".join(organization.embed_origins),
    }


@blueprint.post(f"{PATH}/logo")
def set_logo(org: str) -> Response:
    """A picture in place of the name; taken away, the name again."""
    # A form of its own: a browser cannot show a file again that came with a mistake elsewhere.
    place = enter(org, "organization.update")
    form = Form(shapes.Settings)
    with form.refusals():
        _take_logo(place)
    if not form.errors:
        return done(f"{place.base}/settings?saved=1")
    form.values = _fields(place.organization)
    return _show(place, form, None)


def _take_logo(place: Place) -> None:
    file = request.files.get("logo")
    logo = file.read(MOST_BYTES + 1) if file and "remove" not in request.form else b""
    if not logo and "remove" not in request.form:
        raise Invalid("Choose a file first.", "logo")
    with transaction(place.organization, by=current_proof().user_id):
        place.organization.set_look(logo=logo)


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
