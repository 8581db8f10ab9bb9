"""The pages that visitors see: `/`, `/{org}`, `/{org}/{tenant}`, and an incident's own page."""

from flask import Blueprint, Response, redirect, render_template
from sqlalchemy import select

from ..database import db
from ..live.board import Drawing
from ..live.state import State
from ..models.organization import Organization
from ..models.scope import Scope
from ..models.status import Visibility
from . import document, setup
from .door import share_at_start
from .tenancy import scope_of_path

blueprint = Blueprint("public", __name__)

ROBOTS = """\
User-agent: *
Disallow: /api/
Disallow: /admin$
Disallow: /admin/
Disallow: /console$
Disallow: /console/
Disallow: /socket.io/
Disallow: /*/stream$
Disallow: /*/stream?
Disallow: /*/changes$
Disallow: /*/changes?
"""


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
        return share_at_start(show(organizations[0].scope, "page"))
    page = render_template("public/index.html", organizations=organizations, as_of=document.as_of())
    return Response(page, headers={"Cache-Control": "no-cache"})


@blueprint.get("/robots.txt")
def robots() -> Response:
    """Pages are for everybody; what is for programs and members is not for crawlers (RFC 9309)."""
    return Response(ROBOTS, content_type="text/plain; charset=utf-8")


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
    """A view as a document: all parts of its board at one position."""
    state, cursor, drawing = document.shown(scope, view)
    return answer(scope, state, view, cursor, drawing)


def answer(scope: Scope, state: State, view: str, cursor: str, drawing: Drawing) -> Response:
    """The document of a view that is drawn, asked for conditionally."""
    response = document.conditional(scope, state, f"{view}-{cursor}")
    if response.status_code == 304:
        return response
    page = document.render(
        "public/page.html", scope, state, drawing.parts, title=drawing.title, view=view, cursor=cursor
    )
    return document.fill(response, page)
