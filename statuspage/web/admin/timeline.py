"""One incident in the admin: what was said, what is said next, and how it ends."""

from collections.abc import Callable
from typing import Any

from flask import Response, request
from sqlalchemy import select

from ...database import db
from ...models.errors import Conflict, NotFound
from ...models.incident import Incident, IncidentUpdate, MessageEdit
from ...models.service import services_of
from ...models.status import CHOICES
from ...models.user import name_of
from ...schemas import incident as shapes
from ..auth import current_proof
from ..form import Form, Save
from ..idempotency import once_to
from ..tenancy import NOTHING
from .affected import chosen
from .incident import RUNNING, preview_of, previews
from .place import Place, blueprint, enter, load, screen

SAID_LAST = "This is what was said last. Send it again if you mean to say it twice."


@blueprint.get("/admin/<org>/incidents/<id>")
def incident(org: str, id: str) -> Response:
    """The incident, live, with the form for what is new."""
    place = enter(org)
    found: Incident = load(place, Incident, id)
    return _screen(place, found, _form(shapes.UpdateForm, found))


@blueprint.post("/admin/<org>/incidents/<id>/updates")
def post_update(org: str, id: str) -> Response:
    """Say what is new."""
    return _say(org, id, shapes.UpdateForm, Incident.post_update)


@blueprint.post("/admin/<org>/incidents/<id>/resolution")
def resolve(org: str, id: str) -> Response:
    """It is over: the last message, and every service shows its own status again."""
    return _say(org, id, shapes.Resolution, Incident.resolve)


def _say(org: str, id: str, shape: Any, verb: Callable[..., Any]) -> Response:
    """The fields are what the verb takes. What somebody else said meanwhile is shown first."""
    place = enter(org, "incident.update")
    found: Incident = load(place, Incident, id)
    form = _form(shape, found)
    if not previews():
        with form.refusals():
            new = form.read()

            def say() -> str:
                newest = found.updates[0]
                form.check({}, Save(name_of(newest.user_id), newest.created_at), str(len(found.updates)))
                if _repeats(found, new) and "again" not in request.form:
                    raise Conflict(SAID_LAST)
                verb(found, **dict(new), by=current_proof().user_id)
                return _url(place, found)

            return once_to(say, place.organization)
    return _screen(place, found, form)


def _repeats(found: Incident, new: Any) -> bool:
    """Whether it says nothing that was not said last: a browser gone back to fills a sent form in again."""
    newest, said = found.updates[0], dict(new)
    changes = {
        id: status for id, status in said.get("services", {}).items() if found.affected.get(id) != status
    }
    return not changes and (newest.status, newest.message) == (said.get("status"), said["message"])


def _form(shape: Any, found: Incident) -> Form[Any]:
    services = {id: status.value for id, status in found.affected.items()}
    return Form(shape, {"status": found.status, "services": services}, str(len(found.updates)))


def _screen(place: Place, found: Incident, form: Form[Any]) -> Response:
    told = len(found.updates)
    known = _number(request.form.get("version", ""), told) if form.stale else told
    return screen(
        place,
        f"incident/{found.id}",
        "admin/incidents/incident.html",
        form=form,
        at="incidents",
        incident=found,
        url=_url(place, found),
        services=services_of(found.organization, found.tenant),
        affected=set(found.affected),
        chosen=chosen(form.values),
        statuses=CHOICES,
        running=RUNNING,
        preview=preview_of(form),
        meanwhile=[(update, name_of(update.user_id)) for update in found.updates if update.number > known],
    )


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else otherwise


def _url(place: Place, found: Incident) -> str:
    return f"{place.base}/incidents/{found.id}"


# --- what one message said, and says -----------------------------------------------------------------


@blueprint.route("/admin/<org>/incidents/<id>/updates/<update_id>", methods=["GET", "POST"])
def edit_message(org: str, id: str, update_id: str) -> Response:
    """Correct a message. What it said before is kept, for members to see."""
    place = enter(org, "admin.read" if request.method == "GET" else "incident.update")
    found: Incident = load(place, Incident, id)
    update = next((update for update in found.updates if update.id == update_id), None)
    if update is None:
        raise NotFound(NOTHING)
    form = Form(shapes.MessageForm, {"message": update.message})
    if form.sent and not previews():
        with form.refusals():
            change = form.read()

            def save() -> str:
                form.check({"message": update.message}, _last_edit(update))
                update.edit(change.message, by=current_proof().user_id)
                return _url(place, found)

            return once_to(save, place.organization)
    return screen(
        place,
        "sheet",
        "admin/incidents/message.html",
        form=form,
        at="incidents",
        incident=found,
        update=update,
        by=name_of(update.user_id),
        url=_url(place, found),
        preview=preview_of(form),
        trace=_trace(update),
    )


def _trace(update: IncidentUpdate) -> list[tuple[MessageEdit, str]]:
    """What it said before, the latest first, and who changed that."""
    edits = db.session.scalars(
        select(MessageEdit)
        .where(MessageEdit.update_id == update.id)
        .order_by(MessageEdit.edited_at.desc(), MessageEdit.id)
    )
    return [(edit, name_of(edit.user_id)) for edit in edits]


def _last_edit(update: IncidentUpdate) -> Save | None:
    trace = _trace(update)
    return Save(trace[0][1], trace[0][0].edited_at) if trace else None
