"""Who is here now, on all nodes: this one's own from memory, the others' as their ledgers wrote them down."""

import queue
import threading
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from flask import Flask, current_app
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ..database import snapshot
from ..models import connection, node
from ..models.access import Proof
from ..models.scope import Scope
from . import entry
from .audience import Seat
from .boards import board_room
from .hub import Hub
from .views import DATA

KEPT_SECONDS = 1.0
ASKED_SECONDS = 1.0  # who stops has no time to wait for a database that hangs


class Present(NamedTuple):
    """One seat. `proof` only of this node's own: of the others the role is what they were let in with."""

    id: str
    user_id: str | None
    role: str | None
    proof: Proof | None
    scope: Scope
    view: str
    transport: str
    rooms: tuple[str, ...]
    since: datetime
    node: str


def here(hub: Hub, node_name: str, organization_id: str | None = None) -> list[Present]:
    """Those who are in a room of this node; a seat without one is still at the door."""
    ids = [organization_id] if organization_id is not None else list(hub.channels)
    return [_seated(seat, node_name) for id in ids for seat in hub.seats(id) if seat.rooms]


def _seated(seat: Seat, node_name: str) -> Present:
    return Present(
        id=seat.connection.id,
        user_id=seat.proof.user_id,
        role=None,
        proof=seat.proof,
        scope=seat.scope,
        view=seat.view,
        transport=seat.connection.transport,
        rooms=seat.rooms,
        since=seat.since,
        node=node_name,
    )


class Elsewhere:
    """Those on the other nodes. However many ask, one of them reads, and all get that for a second."""

    def __init__(self, node_id: str) -> None:
        self._node = node_id
        self._found: dict[str | None, tuple[float, list[Present]]] = {}  # by organization, until when
        self._reading = threading.Lock()

    def present(self, session: Session, organization_id: str | None = None) -> list[Present]:
        """On the nodes that live, as of three seconds ago; on one that died until it missed three beats."""
        found = self._kept(organization_id)
        if found is None:
            with self._reading:
                found = self._kept(organization_id)
                if found is None:
                    found = self._read(session, organization_id)
                    self._keep(organization_id, found)
        return found

    def forget(self) -> None:
        self._found.clear()

    def _kept(self, organization_id: str | None) -> list[Present] | None:
        until, found = self._found.get(organization_id, (0.0, None))
        return found if time.monotonic() < until else None

    def _keep(self, organization_id: str | None, found: list[Present]) -> None:
        """And forget what was asked for earlier: what is kept is what one second asks for."""
        now = time.monotonic()
        self._found = {id: kept for id, kept in self._found.items() if now < kept[0]}
        self._found[organization_id] = (now + KEPT_SECONDS, found)

    def _read(self, session: Session, organization_id: str | None) -> list[Present]:
        others = {id: name for id, name in node.living(session) if id != self._node}
        rows = connection.lasting(session, list(others), organization_id)
        return [_written(row, others[row.node]) for row in rows]


def is_alone(node_id: str) -> bool:
    """Whether no other node lives. If the database does not answer within a second, there may be some."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
    threading.Thread(target=_look_for_others, args=(app, node_id, answers), daemon=True).start()
    try:
        return answers.get(timeout=ASKED_SECONDS)
    except queue.Empty:
        return False


def _look_for_others(app: Flask, node_id: str, answers: queue.SimpleQueue[bool]) -> None:
    try:
        with app.app_context(), snapshot() as session:
            answers.put(not any(id != node_id for id, _ in node.living(session)))
    except SQLAlchemyError:
        answers.put(False)


def _written(row: Any, node_name: str) -> Present:
    scope = Scope(row.organization_id, row.tenant_id, whole=row.whole)
    rooms: Iterable[str] = entry.data_rooms(scope) if row.view == DATA else [board_room(scope, row.view)]
    return Present(
        id=row.id,
        user_id=row.user_id,
        role=row.role,
        proof=None,
        scope=scope,
        view=row.view,
        transport=row.transport,
        rooms=tuple(rooms),
        since=row.since,
        node=node_name,
    )
