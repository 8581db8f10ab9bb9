"""Analytics in the admin: who watches, how far incidents got, who uses the API; and all to take home."""

import csv
import io
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from flask import Response, current_app, json, request
from sqlalchemy import select

from ...clock import iso
from ...database import database_time, db, snapshot
from ...live import presence
from ...models.connection import Connection
from ...models.errors import Invalid
from ...models.figure import ALL, rows
from ...models.organization import Tenant
from ...models.reach import Reach
from ...models.usage import Usage
from . import report
from .place import Place, blueprint, enter, screen

PATH = "/admin/<org>/analytics"
MOST = 100_000  # rows of one export
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
    name = _stretch()
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


def _stretch() -> str:
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


# --- to take away ----------------------------------------------------------------------------------


@blueprint.get(f"{PATH}/export")
def export_analytics(org: str) -> Response:
    """`?of=` figures, reach, usage or connections, in a `?range=`, as `?format=` csv or json.

    100,000 rows at most.
    """
    place = enter(org, "analytics.read")
    name = _stretch()
    kind, form = request.args.get("of", "figures"), request.args.get("format", "csv")
    if kind not in KINDS:
        raise Invalid(f"Choose one of these: {', '.join(KINDS)}.", "of")
    if form not in ("csv", "json"):
        raise Invalid("Choose csv or json.", "format")
    with snapshot() as session:
        since = report.begin_of(name, database_time(session))
        found = KINDS[kind](session, place.organization.id, since, report.STRETCHES[name].span)
    body = _csv(found) if form == "csv" else json.dumps({"since": iso(since), "items": found})
    file = f"{place.organization.slug}-{kind}-{name}.{form}"
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{file}"'}
    return Response(body, mimetype="text/csv" if form == "csv" else "application/json", headers=headers)


def _figures(session: Any, organization_id: str, since: datetime, span: str) -> list[dict[str, Any]]:
    return [
        {"at": iso(row.at), "page": row.tenant_id, "name": row.name, "value": row.value, "peak": row.peak}
        for row in rows(session, organization_id, since, span)[:MOST]
    ]


def _rows(
    model: Any, moment: Any, *columns: Any
) -> Callable[[Any, str, datetime, str], list[dict[str, Any]]]:
    def read(session: Any, organization_id: str, since: datetime, _span: str) -> list[dict[str, Any]]:
        mine = (model.organization_id == organization_id) & (moment >= since)
        found = session.execute(select(*columns).where(mine).order_by(moment.desc()).limit(MOST))
        return [{_camel(name): _plain(value) for name, value in row._mapping.items()} for row in found]

    return read


KINDS: dict[str, Callable[[Any, str, datetime, str], list[dict[str, Any]]]] = {
    "figures": _figures,
    "reach": _rows(
        Reach,
        Reach.at,
        Reach.seq,
        Reach.at,
        Reach.tenant_id,
        Reach.name,
        Reach.subject,
        Reach.within_1,
        Reach.within_10,
        Reach.within_60,
    ),
    "usage": _rows(Usage, Usage.at, Usage.at, Usage.token_id, Usage.endpoint, Usage.requests, Usage.refused),
    "connections": _rows(
        Connection,
        Connection.since,
        Connection.id.label("client_id"),
        Connection.user_id,
        Connection.visitor,
        Connection.tenant_id,
        Connection.view,
        Connection.transport,
        Connection.node,
        Connection.since,
        Connection.until,
        Connection.ended,
    ),
}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _plain(value: Any) -> Any:
    return iso(value) if isinstance(value, datetime) else value


def _csv(found: list[dict[str, Any]]) -> str:
    """RFC 4180. Nothing in it was typed by anybody, so no cell is taken for a formula."""
    text = io.StringIO()
    if found:
        writer = csv.DictWriter(text, list(found[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(found)
    return text.getvalue()
