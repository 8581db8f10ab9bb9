"""What the analytics show of a stretch of time: figures by page, added up from what all nodes wrote."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...database import database_time
from ...models import figure, reach, usage
from ...models.figure import ALL, WATCHING
from ...models.incident import Incident
from ..chart import Chart, Point, chart

INCIDENTS = 50  # that the page shows; the export has every line of all


Pages = dict[str, tuple[int, int]]  # of each page: how many watched at most, connections made


class Stretch(NamedTuple):
    """So many steps until now, read from figures of a span."""

    words: str
    step: timedelta
    steps: int
    span: str


STRETCHES = {
    "hour": Stretch("Last hour", timedelta(minutes=1), 60, "minute"),
    "day": Stretch("24 hours", timedelta(minutes=15), 96, "quarter-hour"),
    "week": Stretch("7 days", timedelta(hours=1), 168, "hour"),
    "quarter": Stretch("90 days", timedelta(days=1), 90, "day"),
}


class Reached(NamedTuple):
    """An incident's lines: how many, the most connections that one got to, and how often one was written in
    time: to so many connections, of all lines together.
    """

    id: str
    title: str
    at: datetime
    updates: int
    listeners: int
    within_1: int
    within_10: int
    within_60: int


@dataclass(frozen=True)
class Report:
    """Of one page ("" is the organization's own, else a tenant's id) or of all of them ("*")."""

    since: datetime
    until: datetime
    watching: Chart
    joins: Chart
    average: float
    counts: Counter[str]
    transports: list[tuple[str, float]]
    pages: Pages
    reached: list[Reached]
    usage: Sequence[Any]


def begin_of(name: str, now: datetime) -> datetime:
    """When the first step of the stretch begins: on a whole minute, quarter, hour or day."""
    stretch = STRETCHES[name]
    day = figure.floor(now, "day")
    last = day + (now - day) // stretch.step * stretch.step
    return last - (stretch.steps - 1) * stretch.step


def read(session: Session, organization_id: str, name: str, page: str = ALL) -> Report:
    """The report of a stretch (a key of STRETCHES), by the database's clock."""
    now = database_time(session)
    since, stretch = begin_of(name, now), STRETCHES[name]
    peaks: Counter[datetime] = Counter()
    joins: Counter[datetime] = Counter()
    counts: Counter[str] = Counter()
    transports: Counter[str] = Counter()
    for row in figure.over_time(session, organization_id, since, stretch.span, page):
        at = since + (row.at - since) // stretch.step * stretch.step
        if row.name.startswith(f"{WATCHING}."):
            transports[row.name.partition(".")[2]] += row.value
            continue
        counts[row.name] += row.value
        if row.name == WATCHING:
            peaks[at] = max(peaks[at], row.peak)
        elif row.name == "joins":
            joins[at] += row.value
    steps = [since + number * stretch.step for number in range(stretch.steps)]
    heard = sum(transports.values())
    return Report(
        since=since,
        until=now,
        watching=chart([Point(at, peaks[at]) for at in steps]),
        joins=chart([Point(at, joins[at]) for at in steps]),
        average=counts[WATCHING] / max(1.0, (now - since) / timedelta(minutes=1)),
        counts=counts,
        transports=[(word, number / heard) for word, number in transports.most_common()],
        pages=_by_page(session, organization_id, since, stretch.span),
        reached=_reached(session, organization_id, since, page),
        usage=usage.by_token(session, organization_id, since),
    )


def _by_page(session: Session, organization_id: str, since: datetime, span: str) -> Pages:
    pages: Pages = {}
    for row in figure.by_page(session, organization_id, since, span):
        peak, joined = pages.get(row.tenant_id, (0, 0))
        if row.name == WATCHING:
            pages[row.tenant_id] = (max(peak, row.peak), joined)
        else:
            pages[row.tenant_id] = (peak, joined + row.value)
    return pages


def _reached(session: Session, organization_id: str, since: datetime, page: str) -> list[Reached]:
    """The incidents that something was said of, the newest first."""
    tenant = None if page == ALL else page
    rows = reach.of_incidents(session, organization_id, since, tenant, INCIDENTS)
    titles = select(Incident.id, Incident.title).where(Incident.id.in_([row.subject for row in rows]))
    known = {row.id: row.title for row in session.execute(titles)}
    return [_reached_by(row, known.get(row.subject, "")) for row in rows]


def _reached_by(row: Any, title: str) -> Reached:
    return Reached(
        id=row.subject if title else "",
        title=title or "A deleted incident",
        at=row.at,
        updates=row.updates,
        listeners=row.listeners,
        within_1=row.within_1,
        within_10=row.within_10,
        within_60=row.within_60,
    )
