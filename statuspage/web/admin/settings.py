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
from ..idempotency import once_to
from .place import Place, blueprint, enter, last_save, screen

PATH = "/admin/<org>/settings"


@cache
def zones() -> list[str]:
    """Those of places. Once, and not at every start: it looks into some six hundred files."""
    legacy = ("Etc/", "SystemV/", "US/")
    return sorted(name for name in available_timezones() if "/" in name and not name.startswith(legacy))


@blueprint.route(PATH, methods=["GET", "POST"])
def settings(org: str) -> Response:
    place = enter(org, "organization.update")
    form = Form(shapes.Settings, _editable(place.organization))
    if form.sent:
        form.values["indexed"] = request.form.get("indexed", "")  # a box that is not ticked is not sent
        with form.refusals():
            new = form.read()
            check_timezone(new.timezone)
            return once_to(lambda: _save(place, form, new), place.organization)
    return _show(place, form)


def _show(place: Place, form: Form[shapes.Settings]) -> Response:
    return screen(
        place,
        "sheet",
        "admin/settings/settings.html",
        form=form,
        at="settings",
        logo=place.organization.logo_hash,
        zones=zones(),
        saved="saved" in request.args,
    )


def _save(place: Place, form: Form[shapes.Settings], new: shapes.Settings) -> str:
    organization = place.organization
    form.check(_editable(organization), last_save(place, organization.id, "updated", "look"))
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
    return f"{place.base}/settings?saved=1"


def _editable(organization: Organization) -> dict[str, str]:
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
    form.values = _editable(place.organization)
    return _show(place, form)


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
    return screen(place, "sheet", "admin/settings/deletion.html", form=form, at="settings")
