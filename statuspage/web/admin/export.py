"""The analytics to take away: all rows of a kind, as CSV or JSON, written while they are read."""

import csv
import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from flask import Flask, Response, current_app, request
from sqlalchemy import literal, or_, select, tuple_

from ...clock import iso
from ...database import database_time, snapshot
from ...models import figure
from ...models.connection import Connection
from ...models.errors import Invalid
from ...models.figure import Figure
from ...models.node import Node
from ...models.reach import Reach
from ...models.usage import Usage
from . import report
from .analytics import PATH, stretch
from .place import Place, blueprint, enter

MOST = 100_000  # rows of one export: the newest
PAGE = 250  # rows that are read and written at a time, in some 10 ms
PAUSE = 0.01  # seconds in between, for everybody else


class Asked(NamedTuple):
    """Whose rows, from when to when, and in steps of which span."""

    organization_id: str
    since: datetime
    until: datetime
    span: str


class Piece(NamedTuple):
    """Rows that a condition finds, the highest `key` first: columns that no two of them share."""

    condition: Any
    key: tuple[Any, ...]


class Kind(NamedTuple):
    """What is exported: columns by their names, and pieces that follow one another."""

    columns: dict[str, Any]
    pieces: Callable[[Any, Asked], list[Piece]]


class Export(NamedTuple):
    """What is read while it is written. The request is over by then."""

    app: Flask
    since: datetime
    columns: dict[str, Any]
    pieces: list[Piece]

    def pages(self) -> Iterator[list[tuple[Any, ...]]]:
        """The rows. Between two pages no connection is held, and others have their turn."""
        left, width = MOST, len(self.columns)
        for piece in self.pieces:
            query = select(*self.columns.values(), *piece.key).where(piece.condition)
            query = query.order_by(*(column.desc() for column in piece.key))
            page = query
            while left > 0:
                with self.app.app_context(), snapshot() as session:
                    rows = session.execute(page.limit(min(PAGE, left))).all()
                yield [tuple(map(_plain, row[:width])) for row in rows]
                left -= len(rows)
                if len(rows) < PAGE:
                    break
                page = query.where(_below(piece.key, rows[-1][width:]))
                time.sleep(PAUSE)


@blueprint.get(f"{PATH}/export")
def export_analytics(org: str) -> Response:
    """`?of=` figures, reach, usage or connections, in a `?range=`, as `?format=` csv or json.

    100,000 rows at most, the newest.
    """
    place = enter(org, "analytics.read")
    name = stretch()
    kind, form = request.args.get("of", "figures"), request.args.get("format", "csv")
    if kind not in KINDS:
        raise Invalid(f"Choose one of these: {', '.join(KINDS)}.", "of")
    if form not in ("csv", "json"):
        raise Invalid("Choose csv or json.", "format")
    body = (_csv if form == "csv" else _json)(_begin(place, name, KINDS[kind]))
    file = f"{place.organization.slug}-{kind}-{name}.{form}"
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{file}"'}
    mimetype = "text/csv" if form == "csv" else "application/json"
    return Response(body, mimetype=mimetype, headers=headers)


def _begin(place: Place, name: str, kind: Kind) -> Export:
    """As of now: a row that moves on meanwhile stays in one of the pieces."""
    with snapshot() as session:
        now = database_time(session)
        since = report.begin_of(name, now)
        asked = Asked(place.organization.id, since, now, report.STRETCHES[name].span)
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        return Export(app, since, kind.columns, kind.pieces(session, asked))


def _below(key: tuple[Any, ...], values: Sequence[Any]) -> Any:
    last = (literal(value, column.type) for column, value in zip(key, values, strict=True))
    return tuple_(*key) < tuple_(*last)


def _plain(value: Any) -> Any:
    return iso(value) if isinstance(value, datetime) else value


def _csv(export: Export) -> Iterator[str]:
    """RFC 4180. Nothing in it was typed by a stranger, so no cell is taken for a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(export.columns)
    for rows in export.pages():
        writer.writerows(rows)
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def _json(export: Export) -> Iterator[str]:
    yield f'{{"since": {json.dumps(iso(export.since))}, "items": ['
    between = ""
    for rows in export.pages():
        if rows:
            items = json.dumps([dict(zip(export.columns, row, strict=True)) for row in rows])
            yield between + items[1:-1]
            between = ",\n"
    yield "]}"


# --- what there is ---------------------------------------------------------------------------------


def _figures(session: Any, asked: Asked) -> list[Piece]:
    pieces = figure.pieces(session, asked.organization_id, asked.since, asked.span)
    return [Piece(condition, (Figure.at, Figure.tenant_id, Figure.name)) for condition in pieces]


def _lines(_session: Any, asked: Asked) -> list[Piece]:
    mine = (Reach.organization_id == asked.organization_id) & (Reach.at >= asked.since)
    return [Piece(mine, (Reach.at, Reach.seq))]


def _uses(_session: Any, asked: Asked) -> list[Piece]:
    mine = (Usage.organization_id == asked.organization_id) & (Usage.at >= asked.since)
    return [Piece(mine, (Usage.at, Usage.token_id, Usage.endpoint))]


def _connections(_session: Any, asked: Asked) -> list[Piece]:
    """Whoever was there in that time: first who still is, then by their ends."""
    mine = Connection.organization_id == asked.organization_id
    lasts = or_(Connection.until.is_(None), Connection.until >= asked.until)
    ended = (Connection.until >= asked.since) & (Connection.until < asked.until)
    return [
        Piece(mine & lasts, (Connection.since, Connection.id)),
        Piece(mine & ended, (Connection.until, Connection.id, Connection.since)),
    ]


KINDS = {
    "figures": Kind(
        {
            "at": Figure.at,
            "page": Figure.tenant_id,
            "name": Figure.name,
            "value": Figure.value,
            "peak": Figure.peak,
        },
        _figures,
    ),
    "reach": Kind(
        {
            "seq": Reach.seq,
            "at": Reach.at,
            "tenantId": Reach.tenant_id,
            "name": Reach.name,
            "subject": Reach.subject,
            "within1": Reach.within_1,
            "within10": Reach.within_10,
            "within60": Reach.within_60,
        },
        _lines,
    ),
    "usage": Kind(
        {
            "at": Usage.at,
            "tokenId": Usage.token_id,
            "endpoint": Usage.endpoint,
            "requests": Usage.requests,
            "refused": Usage.refused,
        },
        _uses,
    ),
    "connections": Kind(
        {
            "clientId": Connection.id,
            "userId": Connection.user_id,
            "visitor": Connection.visitor,
            "tenantId": Connection.tenant_id,
            "whole": Connection.whole,
            "view": Connection.view,
            "transport": Connection.transport,
            "node": Connection.node,
            "nodeName": select(Node.name).where(Node.id == Connection.node).scalar_subquery(),
            "since": Connection.since,
            "until": Connection.until,
            "ended": Connection.ended,
        },
        _connections,
    ),
}
