"""Live connections over REST: who listens, and broadcasts by hand."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from flask import Response, current_app
from sqlalchemy import select

from ...clock import iso
from ...database import db, new_id
from ...live.audience import Seat
from ...live.message import Cursor
from ...models.access import role_in
from ...models.errors import Invalid
from ...models.event import BROADCAST
from ...models.organization import Organization, Tenant
from ...models.role import Role, may
from ...models.scope import Scope
from ...schemas import websocket as shapes
from ..auth import current_proof, may_everywhere, require, require_everywhere
from ..idempotency import once
from ..tenancy import load_scope
from .answering import answer, answered_once
from .endpoint import endpoint
from .reading import read_body, read_query


@endpoint("GET", "/websocket/info", asks=shapes.InfoQuery, gives=shapes.Info)
def connection_info() -> Response:
    """Count who is connected to this node, by room, view and transport.

    A visitor counts those on the same page; a member of the whole organization everybody in it; an
    admin also sees who they are. The numbers are of this moment, and of the node that answers.
    """
    query = read_query(shapes.InfoQuery)
    if query.organization_id is None:
        return answer(_counts(query, _everybody()))
    scope, role = _widest(query.organization_id, query.tenant_id)
    seats = [seat for seat in _seats(query.organization_id) if scope.whole or seat.scope == scope]
    counts = _counts(query, seats)
    if may(role, "connection.list"):
        counts["clients"] = [_client(seat) for seat in sorted(seats, key=lambda seat: seat.since)]
    return answer(counts)


@endpoint("POST", "/websocket/broadcast", takes=shapes.Broadcast, gives=shapes.BroadcastSent, status=202)
def broadcast() -> Response:
    """Send an event by hand, through the log. Without an organization it goes to every one of them."""
    new = read_body(shapes.Broadcast)
    organizations, tenant = _receivers(new)
    everywhere = new.organization_id is None

    def send() -> dict[str, Any]:
        id = new_id()
        events = [
            organization.record(
                new.type, BROADCAST, id, new.data, tenant=tenant, broadcast_id=id if everywhere else None
            )
            for organization in organizations
        ]
        ids = [str(Cursor(o.epoch, event.seq)) for o, event in zip(organizations, events, strict=True)]
        return {"success": True, "broadcastId": id, "ids": ids}

    return answered_once(once(send, *organizations, status=202))


def _receivers(new: shapes.Broadcast) -> tuple[list[Organization], Tenant | None]:
    if new.organization_id:
        organization, tenant = load_scope(new.organization_id, new.tenant_id, "broadcast.send")
        return [organization], tenant
    require_everywhere("broadcast.everywhere")
    return list(db.session.scalars(select(Organization).order_by(Organization.id))), None


def _everybody() -> list[Seat]:
    if not may_everywhere("connection.everywhere"):
        raise Invalid("Say which organization: give organizationId.", "organizationId")
    return [seat for id in list(current_app.extensions["live"].hub.channels) for seat in _seats(id)]


def _widest(organization_id: str, tenant_id: str | None) -> tuple[Scope, Role | None]:
    """The scope that the question is about, as wide as the asker may see, and the role there."""
    scope = Scope(organization_id, tenant_id)
    role = require(scope, "connection.count")
    whole = Scope(organization_id, whole=True)
    wider = None if tenant_id else role_in(db.session(), current_proof(), whole)
    return (whole, wider) if may(wider, "scope.all") else (scope, role)


def _seats(organization_id: str) -> list[Seat]:
    """Those who are in a room; a seat without one is still at the door."""
    return [seat for seat in current_app.extensions["live"].hub.seats(organization_id) if seat.rooms]


def _counts(query: shapes.InfoQuery, seats: list[Seat]) -> dict[str, Any]:
    connections = {seat.connection.id: seat.connection for seat in seats}
    node = current_app.config["NODE"] or "this"
    return {
        "organizationId": query.organization_id,
        "tenantId": query.tenant_id,
        "connections": len(connections),
        "rooms": _count(room for seat in seats for room in tuple(seat.rooms)),
        "views": _count(seat.view for seat in seats),
        "transports": _count(connection.transport for connection in connections.values()),
        "nodes": {node: len(connections)} if connections else {},
    }


def _count(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))


def _client(seat: Seat) -> dict[str, Any]:
    return {
        "clientId": seat.connection.id,
        "userId": seat.proof.user_id,
        "role": role_in(db.session(), seat.proof, seat.scope),
        "view": seat.view,
        "transport": seat.connection.transport,
        "organizationId": seat.scope.organization_id,
        "tenantId": seat.scope.tenant_id,
        "since": iso(seat.since),
    }
