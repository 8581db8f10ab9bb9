"""The pages that visitors see: `/`, `/{org}`, `/{org}/{tenant}`, and an incident's own page."""

from flask import Blueprint, Response, current_app, redirect, render_template, request
from sqlalchemy import select

from ..database import db
from ..live.dispatcher import turn_day_if_due
from ..models.access import NOBODY
from ..models.organization import Organization
from ..models.scope import Scope
from ..models.status import Visibility
from . import setup
from .auth import current_proof
from .tenancy import scope_of_path

blueprint = Blueprint("public", __name__)


@blueprint.get("/")
def index() -> Response:
    """The only public organization's page, or a list of them."""
    organizations = db.session.scalars(
        select(Organization)
        .where(Organization.visibility == Visibility.PUBLIC.value)
        .order_by(Organization.name)
    ).all()
    if not organizations and setup.is_due():
        return redirect("/setup", 303)  # type: ignore[return-value]
    if len(organizations) == 1:
        return show(organizations[0].scope, "page")
    return Response(render_template("public/index.html", organizations=organizations))


@blueprint.get("/<org>")
@blueprint.get("/<org>/<tenant>")
def page(org: str, tenant: str | None = None) -> Response:
    """The live page of an organization or tenant, by slug or id."""
    return show(scope_of_path(org, tenant), "page")


@blueprint.get("/<org>/incidents/<id>")
@blueprint.get("/<org>/<tenant>/incidents/<id>")
def incident(org: str, id: str, tenant: str | None = None) -> Response:
    """One incident with its whole timeline, for as long as it exists."""
    return show(scope_of_path(org, tenant), f"incident/{id}")


def show(scope: Scope, view: str) -> Response:
    """A view as a document: all parts of its board at one position, the same bytes for everybody."""
    organization = db.session.get(Organization, scope.organization_id)
    if organization:
        turn_day_if_due(organization)
    db.session.rollback()  # the board reads a snapshot of its own; hold none meanwhile
    live = current_app.extensions["live"]
    channel = live.hub.channel(scope.organization_id)
    board = channel.board(scope, view)
    with channel.lock:
        state, cursor, drawing = channel.state, str(board.cursor), board.drawing
    etag = f"{live.build}-{scope.room}-{view}-{cursor}"
    response = Response()
    response.set_etag(etag.replace('"', ""))
    public = state.public and (scope.tenant_id is None or state.tenants[scope.tenant_id].public)
    response.headers["Cache-Control"] = "no-cache" if public else "private, no-cache"
    if current_proof() is not NOBODY or not public:
        response.headers["Vary"] = "Authorization, Cookie"
    if request.if_none_match.contains(response.get_etag()[0] or ""):
        response.status_code = 304
        return response
    response.set_data(
        render_template(
            "public/page.html",
            title=drawing.title,
            parts=drawing.parts,
            view=view,
            cursor=cursor,
            scope=scope,
            state=state,
            path=state.path(scope),
        )
    )
    return response
