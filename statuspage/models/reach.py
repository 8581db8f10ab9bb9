"""Reach: to how many open connections a line of the log was written soon after it was committed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from ..database import Model, db
from .batch import adding


class Reach(Model):
    """Of one line, over all nodes: connections it was written to within 1, 10 and 60 seconds of `at`.

    `at` is the commit by the clock that all nodes share. Each count includes the ones before it, and
    clients that came back and were told. `subject` is the incident or service that the line is about.
    """

    __tablename__ = "reach"

    organization_id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str | None]
    name: Mapped[str]
    subject: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)
    within_1: Mapped[int]
    within_10: Mapped[int]
    within_60: Mapped[int]

    __table_args__ = (Index(None, "organization_id", "at"),)


def write(rows: Sequence[dict[str, Any]]) -> None:
    """Add these rows, as their columns, to what all nodes counted. One statement, in a transaction()."""
    if rows:
        ordered = sorted(rows, key=lambda row: (row["organization_id"], row["seq"]))
        db.session.execute(adding(Reach, "within_1", "within_10", "within_60"), ordered)


def newest(session: Session, organization_id: str, since: datetime, limit: int) -> list[Reach]:
    """Of the lines since this moment, the newest first."""
    mine = select(Reach).where(Reach.organization_id == organization_id, Reach.at >= since)
    return list(session.scalars(mine.order_by(Reach.at.desc(), Reach.seq.desc()).limit(limit)))
