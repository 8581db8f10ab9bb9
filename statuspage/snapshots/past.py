"""Past: which incidents a page had, and which months of its history are over; as little of each as tells them
apart from what they were.
"""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import and_, or_, select

from ..database import snapshot
from ..live.state import State
from ..models.incident import Incident
from ..models.snapshot import Place
from ..web.history import Month, Span
from .files import version_of
from .visitor import PAUSE

AT_ONCE = 1_000  # rows


class Begun(NamedTuple):
    """An incident: `updated_at` is another after every change of it."""

    id: str
    started_at: datetime
    updated_at: datetime
    resolved_at: datetime | None


class MonthPast(NamedTuple):
    """A month's incidents: `digest` is another after every change of one, `is_settled` when all are over."""

    digest: str
    is_settled: bool


ByMonth = dict[Month, MonthPast]


class Over(NamedTuple):
    """Three months of a history, up to the newest: all that tells such a page from what it was."""

    span: Span
    leads_to_now: bool
    had: tuple[MonthPast, ...]

    @property
    def newest(self) -> Month:
        return self.span.months[0]

    @property
    def is_settled(self) -> bool:
        return all(month.is_settled for month in self.had)


class Past:
    """Read once for all pages of a state: a tenant's shows what is the organization's too."""

    def __init__(self) -> None:
        self._state: State | None = None
        self._begun: dict[str, list[Begun]] = {}  # by tenant
        self._months: dict[str, ByMonth] = {}

    def begun(self, place: Place, state: State) -> list[Begun]:
        """What is the page's own, newest first."""
        if self._state is not state:
            self._state, self._begun, self._months = state, {}, {}
        if place.tenant_id not in self._begun:
            self._begun[place.tenant_id] = list(_read(state.id, place.tenant_id or None))
        return self._begun[place.tenant_id]

    def months(self, place: Place, state: State) -> list[Over]:
        """Each month before this one, newest first; a tenant's end with the month of its first incident.

        What was before is its organization's, which shows the same.
        """
        own = self._by_month(place, state)
        everybodys = self._by_month(Place(state.id, "", ""), state) if place.tenant_id else {}
        this, created = Month.of(state.today), Month.of(state.local_day(state.created_at))
        first = min([created, *own, *everybodys])
        oldest = min([this, *own]) if place.tenant_id else first
        found: list[Over] = []
        newest = this.later(-1)
        while newest >= oldest:
            span = Span.up_to(newest, first, this)
            had = [months[month] for months in (own, everybodys) for month in span.months if month in months]
            found.append(Over(span, span.newer == this, tuple(had)))
            newest = newest.later(-1)
        return found

    def _by_month(self, place: Place, state: State) -> ByMonth:
        begun = self.begun(place, state)
        if place.tenant_id not in self._months:
            found: dict[Month, list[Begun]] = {}
            for incident in begun:
                found.setdefault(Month.of(state.local_day(incident.started_at)), []).append(incident)
            self._months[place.tenant_id] = {
                month: MonthPast(version_of(incidents), all(one.resolved_at for one in incidents))
                for month, incidents in found.items()
            }
        return self._months[place.tenant_id]


def _read(organization_id: str, tenant_id: str | None) -> Iterator[Begun]:
    """A few at a time, and others have their turn."""
    i = Incident
    mine = [i.organization_id == organization_id, i.tenant_id == tenant_id]
    rows = select(i.id, i.started_at, i.updated_at, i.resolved_at).order_by(i.started_at.desc(), i.id)
    after: list = []
    while True:
        with snapshot() as session:
            found = [Begun(*row) for row in session.execute(rows.where(*mine, *after).limit(AT_ONCE))]
        yield from found
        if len(found) < AT_ONCE:
            return
        last = found[-1]
        after = [or_(i.started_at < last.started_at, and_(i.started_at == last.started_at, i.id > last.id))]
        time.sleep(PAUSE)
