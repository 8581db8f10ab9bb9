"""Event: one line of an organization's log. Written by Log.record() and nowhere else."""

from datetime import datetime
from itertools import takewhile
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, select
from sqlalchemy.orm import Mapped, mapped_column

from ..clock import now
from ..database import Model, db

DATA_NAMES = ("service-update", "incident-update", "status-update")
"""The three names of the contract. Only these reach data clients; the others move boards and access."""

ACCESS = "access"
"""The name of lines that change who may see something: every process then asks everybody again."""

BROADCAST = "broadcast"
"""The type of lines that somebody sent by hand: they say anything, and change nothing."""


class Event(Model):
    """Position `seq` of an organization's log: gapless, in commit order.

    `since` is the previous data line of the same room (the organization's own, or the tenant's) and
    `since_any` that of any room, so that a client sees a gap. `data` is the object as REST shows it;
    it is blanked when its subject is edited or deleted. `user_id` is who did it; no client is told.
    """

    __tablename__ = "event"

    organization_id: Mapped[str] = mapped_column(
        ForeignKey("organization.id", ondelete="CASCADE"), primary_key=True
    )
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    since: Mapped[int] = mapped_column(default=0)
    since_any: Mapped[int] = mapped_column(default=0)
    tenant_id: Mapped[str | None]
    name: Mapped[str]
    type: Mapped[str]
    subject: Mapped[str]
    data: Mapped[Any] = mapped_column(JSON)
    broadcast_id: Mapped[str | None]
    user_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)

    __table_args__ = (
        Index(None, "organization_id", "subject"),
        Index(None, "organization_id", "tenant_id", "seq"),
    )


def old_lines(organization_id: str, before: datetime, most: int) -> list[int]:
    """The numbers of the lines that the log begins with and that are older than that, at most so many."""
    lines = (
        select(Event.seq, Event.created_at)
        .where(Event.organization_id == organization_id)
        .order_by(Event.seq)
        .limit(most)
    )
    old = takewhile(lambda line: line.created_at < before, db.session.execute(lines))
    return [line.seq for line in old]


def last_line(organization_id: str, subject: str, *types: str) -> Event | None:
    """The newest line of one of these types about a subject: who changed it last, and when."""
    return db.session.scalar(
        select(Event)
        .where(
            Event.organization_id == organization_id,
            Event.subject == subject,
            Event.type.in_(types or ("updated",)),
        )
        .order_by(Event.seq.desc())
        .limit(1)
    )
