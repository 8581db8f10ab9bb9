"""The data view: lines of the log after a position, as the messages that data clients get."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, bindparam, select
from sqlalchemy.orm import Session

from ..clock import iso
from ..models.event import ACCESS, DATA_NAMES, Event
from ..models.organization import Organization, Tenant
from ..models.scope import Scope
from .message import Cursor, Message

PAGE = 500  # lines that a client is sent at a time
STEP = 50  # lines fetched at a time where each of them may be large
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
NEWS = (  # with the head of the log, in one question
    select(Organization.epoch, Organization.seq, Organization.pruned_through, Event)
    .outerjoin(
        Event,
        and_(
            Event.organization_id == Organization.id,
            Event.seq > bindparam("after"),
            Organization.epoch == bindparam("epoch"),
            Organization.pruned_through <= bindparam("after"),
        ),
    )
    .where(Organization.id == bindparam("organization"))
    .order_by(Event.seq)
)
BACKWARDS = LINES.order_by(None).order_by(Event.seq.desc())
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
    def blanks(self) -> bool:
        """Whether words may have been taken out of older lines with it."""
        return self.type in ("updated", "deleted", "tenant-deleted")

    @cached_property
    def size(self) -> int:
        """Characters of its data as JSON: what there are many bytes of, if there are many."""
        return len(json.dumps(self.data, ensure_ascii=False))

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


class News(NamedTuple):
    """How far a log is, and its lines after the position that was asked from.

    `missed`: it is another epoch's log, or lines after the position are gone; then `lines` are none.
    """

    epoch: str
    seq: int
    missed: bool
    lines: list[Line]


def news(session: Session, organization_id: str, epoch: str, after: int) -> News | None:
    """What came after this position, all at once; None when the organization is gone."""
    asked = {"organization": organization_id, "epoch": epoch, "after": after}
    rows = session.execute(NEWS, asked).all()
    if not rows:
        return None
    now, seq, pruned_through, _ = rows[0]
    lines = [_line(event, epoch) for *_, event in rows if event]
    return News(now, seq, now != epoch or pruned_through > after, lines)


def stream(
    session: Session,
    organization_id: str,
    epoch: str,
    after: int,
    through: int,
    scope: Scope | None = None,
    *,
    newest_first: bool = False,
) -> Iterator[Line]:
    """The same one by one, for who may stop: they are not all in memory at once.

    Of a scope its data lines only, and no more than a page and one, so that the page's end shows.
    """
    query = _of_scope(BACKWARDS if newest_first else LINES, scope)
    limit = PAGE + 1 if scope else through - after
    asked = {"organization": organization_id, "after": after, "through": through, "limit": limit}
    with session.scalars(query, asked, execution_options={"yield_per": STEP}) as rows:
        for event in rows:
            yield _line(event, epoch)


def last_pruned(session: Session, organization: Organization, scope: Scope) -> int:
    """The number of the last data line of the scope that is not to be had any more; 0 if there was none.

    The first one that is left of each room tells which was before it.
    """
    if scope.whole:
        return _before(session, organization, Event.since_any, organization.data_seq)
    own = Event.tenant_id.is_(None)
    found = _before(session, organization, Event.since, organization.own_data_seq, own)
    if scope.tenant_id:
        tenant = session.get(Tenant, scope.tenant_id)
        theirs = Event.tenant_id == scope.tenant_id
        last = tenant.data_seq if tenant else organization.seq
        found = max(found, _before(session, organization, Event.since, last, theirs))
    return found


def _before(session: Session, organization: Organization, since: Any, last: int, *of: Any) -> int:
    """`since` of the first of these data lines that is left; where none is, it was the last one."""
    left = (
        select(since)
        .where(
            Event.organization_id == organization.id,
            Event.seq > organization.pruned_through,
            Event.name.in_(DATA_NAMES),
            *of,
        )
        .order_by(Event.seq)
        .limit(1)
    )
    found = session.scalar(left)
    return last if found is None else found


def _of_scope(query: Select[Event], scope: Scope | None) -> Select[Event]:
    return query.where(scope.where(Event.tenant_id), Event.name.in_(DATA_NAMES)) if scope else query


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
