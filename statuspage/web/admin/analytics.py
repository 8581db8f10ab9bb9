"""Analytics in the admin: who watches, how far incidents got, who uses the API. To take away: export.py."""

from collections.abc import Iterable
from typing import Any

from flask import Response, current_app, request
from sqlalchemy import select

from ...database import db, snapshot
from ...live import presence
from ...models.errors import Invalid
from ...models.figure import ALL
from ...models.organization import Tenant
from . import report
from .place import Place, blueprint, enter, screen

PATH = "/admin/<org>/analytics"
TRANSPORTS = {
    "websocket": "WebSocket",
    "sse": "Server-sent events",
    "polling": "Long polling",
    "poll": "Polling",
}
SOURCES = {
    "memory": "From memory",
    "board": "Changed parts of a page",
    "database": "From the database",
    "reset": "Too far back: started over",
}


@blueprint.get(PATH)
def analytics(org: str) -> Response:
    """Numbers of `?range=` (hour, day, week, quarter) of all pages, or of one: `?page=`."""
    place = enter(org, "analytics.read")
    name = stretch()
    pages = _pages(place)
    page = request.args.get("page", ALL)
    if page not in pages:
        raise Invalid("There is no such page. Choose another.", "page")
    with snapshot() as session:
        found = report.read(session, place.organization.id, name, page)
        present = _present(session, place)
    return screen(
        place,
        "sheet",
        "admin/analytics/analytics.html",
        at="analytics",
        report=found,
        stretch=name,
        stretches=report.STRETCHES,
        page=page,
        pages=pages,
        now=_now(present),
        transports=TRANSPORTS,
        sources=SOURCES,
    )


def stretch() -> str:
    """The stretch of time that is asked for: a key of report.STRETCHES."""
    name = request.args.get("range", "day")
    if name not in report.STRETCHES:
        raise Invalid(f"Choose one of these: {', '.join(report.STRETCHES)}.", "range")
    return name


def _pages(place: Place) -> dict[str, str]:
    """All pages ("*"), the organization's own (""), the tenants', each with its name."""
    own = place.organization
    tenants = db.session.execute(
        select(Tenant.id, Tenant.name)
        .where(Tenant.organization_id == own.id)
        .order_by(Tenant.name, Tenant.id)
    )
    return {ALL: "All pages", "": own.name, **{row.id: row.name for row in tenants}}


def _present(session: Any, place: Place) -> list[presence.Present]:
    live, organization_id = current_app.extensions["live"], place.organization.id
    others = live.elsewhere.present(session, organization_id)
    return presence.here(live.hub, "", organization_id) + others


def _now(present: Iterable[presence.Present]) -> dict[str, int]:
    """Connections by page, each once; and all of them."""
    seen: dict[str, set[str]] = {ALL: set()}
    for one in present:
        seen[ALL].add(one.id)
        if not one.scope.whole:
            seen.setdefault(one.scope.tenant_id or "", set()).add(one.id)
    return {page: len(ids) for page, ids in seen.items()}
