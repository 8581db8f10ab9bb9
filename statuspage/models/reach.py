"""Reach: to how many open connections a line of the log was written soon after it was committed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Index, func, select
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


def of_incidents(
    session: Session, organization_id: str, since: datetime, tenant: str | None, limit: int
) -> list[Any]:
    """Rows (subject, at, updates, listeners, within_1, within_10, within_60), the newest `at` first.

    An incident's lines since this moment: the last one's time, how many, the most that one got to, and the
    sums. Of all pages, of a tenant's, or of the organization's own ("").
    """
    mine = [Reach.organization_id == organization_id, Reach.at >= since, Reach.name == "incident-update"]
    if tenant is not None:
        mine.append(Reach.tenant_id == tenant if tenant else Reach.tenant_id.is_(None))
    newest = func.max(Reach.at).label("at")
    counts = (Reach.within_1, Reach.within_10, Reach.within_60)
    sums = [func.sum(count).label(count.key) for count in counts]
    query = select(
        Reach.subject,
        newest,
        func.count().label("updates"),
        func.max(Reach.within_60).label("listeners"),
        *sums,
    )
    grouped = query.where(*mine).group_by(Reach.subject).order_by(newest.desc(), Reach.subject)
    return list(session.execute(grouped.limit(limit)))
