"""The data view: lines of the log after a position, as the messages that data clients get."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from ..clock import iso
from ..models.event import ACCESS, DATA_NAMES, Event
from ..models.scope import Scope
from .message import Cursor, Message

PAGE = 500  # lines read from the log at a time
LINES = (
    select(Event)
    .where(
        Event.organization_id == bindparam("organization"),
        Event.seq > bindparam("after"),
        Event.seq <= bindparam("through"),
    )
    .order_by(Event.seq)
    .limit(bindparam("limit"))
)
THESE = select(Event).where(
    Event.organization_id == bindparam("organization"),
    Event.seq.in_(bindparam("numbers", expanding=True)),
)


@dataclass(frozen=True)
class Line:
    """One line of the log, with the messages made of it once for everybody."""

    organization_id: str
    epoch: str
    seq: int
    since: int
    since_any: int
    tenant_id: str | None
    name: str
    type: str
    subject: str
    data: Any
    broadcast_id: str | None
    created_at: datetime

    @property
    def is_data(self) -> bool:
        return self.name in DATA_NAMES

    @property
    def is_access(self) -> bool:
        return self.name == ACCESS

    @property
    def room(self) -> str:
        return Scope(self.organization_id, self.tenant_id).room

    @cached_property
    def message(self) -> Message:
        """As the organization's or the tenant's room gets it."""
        return self._message(self.since)

    @cached_property
    def members_message(self) -> Message:
        """As the whole organization's room gets it: chained over all scopes."""
        return self._message(self.since_any)

    def message_for(self, room: str) -> Message:
        return self.message if room == self.room else self.members_message

    def _message(self, since: int) -> Message:
        id = str(Cursor(self.epoch, self.seq))
        payload = {"id": id, "since": str(Cursor(self.epoch, since)), **self._payload()}
        return Message(self.name, payload, id)

    @cached_property
    def global_message(self) -> Message:
        """As clients in no room hear a broadcast to everybody: live, once, without a position."""
        return Message(self.name, {**self._payload(), "organizationId": None, "tenantId": None})

    def _payload(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "data": self.data,
            "organizationId": self.organization_id,
            "tenantId": self.tenant_id,
            "timestamp": iso(self.created_at),
        }


def read(
    session: Session,
    organization_id: str,
    epoch: str,
    after: int,
    through: int,
    scope: Scope | None = None,
    limit: int = PAGE,
) -> list[Line]:
    """Lines with after < seq <= through, in order, at most `limit`; of a scope: its data lines only."""
    query = LINES
    if scope:
        query = query.where(scope.where(Event.tenant_id), Event.name.in_(DATA_NAMES))
    asked = {"organization": organization_id, "after": after, "through": through, "limit": limit}
    return [_line(event, epoch) for event in session.scalars(query, asked)]


def reread(session: Session, lines: Sequence[Line]) -> list[Line]:
    """These lines, of one organization, as the log has them now; what it forgot as it was."""
    if not lines:
        return []
    asked = {"organization": lines[0].organization_id, "numbers": [line.seq for line in lines]}
    now = {event.seq: _line(event, lines[0].epoch) for event in session.scalars(THESE, asked)}
    return [now.get(line.seq, line) for line in lines]


def _line(event: Event, epoch: str) -> Line:
    return Line(
        organization_id=event.organization_id,
        epoch=epoch,
        seq=event.seq,
        since=event.since,
        since_any=event.since_any,
        tenant_id=event.tenant_id,
        name=event.name,
        type=event.type,
        subject=event.subject,
        data=event.data,
        broadcast_id=event.broadcast_id,
        created_at=event.created_at,
    )
