"""Where an operator is: an organization as a whole, and what one may do there."""

from typing import Any, NamedTuple

from flask import Blueprint, Response, current_app, render_template, request

from ...database import db, let_go
from ...models.access import NOBODY
from ...models.errors import NotFound
from ...models.event import last_line
from ...models.name import Name
from ...models.organization import Organization
from ...models.role import Role, may
from ...models.scope import Scope
from ...models.user import name_of
from ..auth import Unauthenticated, current_proof, require
from ..form import Form, Save, done
from ..tenancy import NOTHING

blueprint = Blueprint("admin", __name__)


class Place(NamedTuple):
    organization: Organization
    scope: Scope
    role: Role

    @property
    def base(self) -> str:
        return f"/admin/{self.organization.slug}"

    def may(self, verb: str) -> bool:
        return may(self.role, verb)


def enter(org: str, verb: str = "admin.read") -> Place:
    """The organization behind `/admin/{org}`, if the asker may do this there.

    Unauthenticated for a visitor, whatever the path; NotFound, NotAllowed for somebody else.
    """
    if current_proof() is NOBODY:
        raise Unauthenticated("Sign in first.")
    name = db.session.get(Name, ("", org)) if "\x00" not in org else None
    if name is None:
        raise NotFound(NOTHING)
    scope = Scope(name.owner_id, whole=True)
    role = require(scope, verb)
    return Place(db.session.get_one(Organization, name.owner_id), scope, role)


def load(place: Place, model: Any, id: str) -> Any:
    """A row by id, if it is of this organization; else NotFound."""
    row = db.session.get(model, id) if "\x00" not in id else None
    if row is None or row.organization_id != place.organization.id:
        raise NotFound(NOTHING)
    return row


def last_save(place: Place, id: str, *types: str) -> Save | None:
    """Who changed what has this id, and when. `types`: of the lines of the log that say so."""
    line = last_line(place.organization.id, id, *types)
    return Save(name_of(line.user_id), line.created_at) if line else None


def screen(
    place: Place, name: str, template: str, *, form: Form[Any] | None = None, at: str = "", **context: Any
) -> Response:
    """A live screen: all parts of its board, and around them what is this operator's own: `form` first.

    `at`: the entry of the rail that it belongs to, if that is not its own.
    """
    view = f"admin/{name}"
    path = place.base
    let_go()  # the board reads a snapshot of its own; hold none meanwhile
    channel = current_app.extensions["live"].hub.channel(place.organization.id)
    board = channel.board(place.scope, view)
    with channel.lock:
        cursor, drawing = str(board.cursor), board.drawing
    page = render_template(
        template,
        place=place,
        role=place.role,
        base=path,
        screen=at or name,
        form=form,
        title=drawing.title,
        parts={part.id: part.html for part in drawing.parts},
        order=[part.id for part in drawing.parts],
        view=view,
        cursor=cursor,
        **context,
    )
    return Response(page, form.status if form else 200, headers={"Cache-Control": "no-store"})


def stay(url: str) -> Response:
    """After a click in place: the change arrives by the live road; without a script, the page again."""
    return Response(status=204) if "HX-Request" in request.headers else done(url)
