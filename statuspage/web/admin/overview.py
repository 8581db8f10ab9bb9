"""`/admin`: where one has a page to run. `/admin/{org}`: its cockpit."""

from flask import Response, redirect, render_template

from ...database import db
from ...models.access import role_in
from ...models.membership import organizations_of
from ...models.role import may
from ...models.scope import Scope
from ..auth import current_proof, current_user
from .place import blueprint, enter, screen


@blueprint.get("/admin")
def index() -> Response:
    """The organizations that one may enter; the only one at once."""
    user, proof = current_user(), current_proof()
    organizations = [
        organization
        for organization in organizations_of(user)
        if may(role_in(db.session(), proof, Scope(organization.id, whole=True)), "admin.read")
    ]
    if len(organizations) == 1:
        return redirect(f"/admin/{organizations[0].slug}", 303)  # type: ignore[return-value]
    page = render_template("admin/index.html", organizations=organizations, user=user)
    return Response(page, headers={"Cache-Control": "no-store"})


@blueprint.get("/admin/<org>")
def overview(org: str) -> Response:
    """What is open, every service under one's hand, and who did what."""
    return screen(enter(org), "overview", "admin/overview/overview.html")
