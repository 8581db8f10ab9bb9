"""Live connections over REST: who listens, and broadcasts by hand."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from flask import Response, current_app
from sqlalchemy import select

from ...clock import iso
from ...database import db, new_id
from ...live import presence
from ...live.message import Cursor
from ...live.presence import Present
from ...models.access import Proof, role_in
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
    """Count who is connected, by room, view, transport and node.

    A visitor counts those on the same page; a member of the whole organization everybody in it; an
    admin also sees who they are. The numbers of the node that answers are of this moment, those of
    the other nodes that live at most a few seconds old.
    """
    query = read_query(shapes.InfoQuery)
    if query.organization_id is None:
        return answer(_counts(query, _everybody()))
    scope, role = _widest(query.organization_id, query.tenant_id)
    present = [one for one in _present(query.organization_id) if scope.whole or one.scope == scope]
    counts = _counts(query, present)
    if may(role, "connection.list"):
        roles = _roles(present)
        counts["clients"] = [_client(one, roles) for one in sorted(present, key=lambda one: one.since)]
    return answer(counts)


@endpoint("POST", "/websocket/broadcast", takes=shapes.Broadcast, gives=shapes.BroadcastSent, status=202)
def broadcast() -> Response:
    """Send an event by hand, through the log. Without an organization it goes to every one of them."""
    new = read_body(shapes.Broadcast)
    organizations, tenant = _receivers(new)
    everywhere = new.organization_id is None

    def send() -> dict[str, Any]:
        id = new_id()
        for_all = id if everywhere else None
        ids = []
        for organization in organizations:
            seq = organization.record(new.type, BROADCAST, id, new.data, tenant=tenant, broadcast_id=for_all)
            ids.append(str(Cursor(organization.epoch, seq)))
        return {"success": True, "broadcastId": id, "ids": ids}

    return answered_once(once(send, *organizations, status=202))


def _receivers(new: shapes.Broadcast) -> tuple[list[Organization], Tenant | None]:
    if new.organization_id:
        organization, tenant = load_scope(new.organization_id, new.tenant_id, "broadcast.send")
        return [organization], tenant
    require_everywhere("broadcast.everywhere")
    return list(db.session.scalars(select(Organization).order_by(Organization.id))), None


def _everybody() -> list[Present]:
    if not may_everywhere("connection.everywhere"):
        raise Invalid("Say which organization: give organizationId.", "organizationId")
    return _present(None)


def _widest(organization_id: str, tenant_id: str | None) -> tuple[Scope, Role | None]:
    """The scope that the question is about, as wide as the asker may see, and the role there."""
    scope = Scope(organization_id, tenant_id)
    role = require(scope, "connection.count")
    whole = Scope(organization_id, whole=True)
    wider = None if tenant_id else role_in(db.session(), current_proof(), whole)
    return (whole, wider) if may(wider, "scope.all") else (scope, role)


def _present(organization_id: str | None) -> list[Present]:
    """In an organization, or in all of them."""
    live, name = current_app.extensions["live"], current_app.config["NODE"] or "this"
    own = presence.here(live.hub, name, organization_id)
    return own + live.elsewhere.present(db.session(), organization_id)


def _counts(query: shapes.InfoQuery, present: list[Present]) -> dict[str, Any]:
    connections = {one.id: one for one in present}
    return {
        "organizationId": query.organization_id,
        "tenantId": query.tenant_id,
        "connections": len(connections),
        "rooms": _count(room for room, _ in {(room, one.id) for one in present for room in one.rooms}),
        "views": _count(one.view for one in present),
        "transports": _count(one.transport for one in connections.values()),
        "nodes": _count(one.node for one in connections.values()),
    }


def _count(words: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))


def _roles(present: Iterable[Present]) -> dict[tuple[Proof, Scope], Role | None]:
    """What each proof is worth now where it listens: thousands of visitors are one question."""
    asked = {(one.proof, one.scope) for one in present if one.proof}
    return {(proof, scope): role_in(db.session(), proof, scope) for proof, scope in asked}


def _client(one: Present, roles: dict[tuple[Proof, Scope], Role | None]) -> dict[str, Any]:
    return {
        "clientId": one.id,
        "userId": one.user_id,
        "role": roles[one.proof, one.scope] if one.proof else one.role,
        "view": one.view,
        "transport": one.transport,
        "organizationId": one.scope.organization_id,
        "tenantId": one.scope.tenant_id,
        "since": iso(one.since),
    }
