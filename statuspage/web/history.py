"""`/history`: every incident of a page, newest first: three months at a time, or those that speak of `?q`."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any, NamedTuple, Self
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from ..database import snapshot
from ..live import loading
from ..live.facts import IncidentFacts
from ..live.state import State
from ..models.errors import Invalid
from ..models.incident import Incident, IncidentUpdate
from ..models.scope import Scope
from . import document
from .tenancy import scope_of_path

blueprint = Blueprint("history", __name__)

MONTHS = 3  # on one page
MOST = 300  # incidents on one page
LONGEST = 100  # characters that are looked for


@dataclass(frozen=True, order=True)
class Month:
    """A month of the calendar, written 2026-11."""

    year: int
    number: int

    @classmethod
    def of(cls, day: date) -> Self:
        return cls(day.year, day.month)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Invalid (field `month`) for anything that is no month."""
        if not re.fullmatch(r"(?!0000)[0-9]{4}-(0[1-9]|1[0-2])", text):
            raise Invalid("Write the month like 2026-11: the year, a hyphen, and two digits.", "month")
        return cls(int(text[:4]), int(text[5:]))

    def later(self, months: int) -> Self:
        years, month = divmod(self.number - 1 + months, 12)
        return type(self)(self.year + years, month + 1)

    def begins(self, zone: str) -> datetime:
        return datetime(self.year, self.number, 1, tzinfo=ZoneInfo(zone))

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    @property
    def words(self) -> str:
        return f"{date(self.year, self.number, 1):%B %Y}"


class Span(NamedTuple):
    """The months of one page, newest first, and those that the pages after and before it begin with."""

    months: tuple[Month, ...]
    newer: Month | None
    older: Month | None

    @classmethod
    def up_to(cls, newest: Month, first: Month, this: Month) -> Self:
        """`first` that there is, `this` month."""
        older = newest.later(-MONTHS)
        months = (newest.later(-n) for n in range(MONTHS))
        return cls(
            tuple(month for month in months if month >= first),
            min(newest.later(MONTHS), this) if newest < this else None,
            older if older >= first else None,
        )


@blueprint.get("/<org>/history")
@blueprint.get("/<org>/<tenant>/history")
def history(org: str, tenant: str | None = None) -> Response:
    """Three months of incidents up to `?month` (default: this one); with `?q`, all that have these words."""
    scope = scope_of_path(org, tenant)
    if words := " ".join(request.args.get("q", "").replace("\x00", " ").split())[:LONGEST]:
        return _search(scope, words)
    asked = request.args.get("month")
    newest = Month.parse(asked) if asked else None
    state = document.current_state(scope)
    this = Month.of(state.today)
    response = document.conditional(scope, state, f"history-{newest or this}-{state.shown_cursor(scope)}")
    if response.status_code == 304:
        return response
    with snapshot() as session:
        first = _first_month(session, scope, state)
        newest = newest or this
        _check_within(newest, first, this)
        span = Span.up_to(newest, first, this)
        incidents = _incidents(session, scope, state, span.months[-1], newest)
    return _fill(
        response,
        scope,
        state,
        span.months,
        incidents,
        asked=newest if newest != this else None,
        newer=span.newer,
        this=this,
        older=span.older,
    )


def _search(scope: Scope, words: str) -> Response:
    """In titles and in all that was said, whatever the case of letters."""
    state = document.current_state(scope)
    tag = f"search-{sha256(words.encode()).hexdigest()}-{state.shown_cursor(scope)}"
    response = document.conditional(scope, state, tag)
    if response.status_code == 304:
        return response
    said = Incident.updates.any(IncidentUpdate.message.icontains(words, autoescape=True))
    speaks = or_(Incident.title.icontains(words, autoescape=True), said)
    with snapshot() as session:
        incidents = _read(session, scope, speaks)
    months = sorted({Month.of(state.local_day(incident.started_at)) for incident in incidents}, reverse=True)
    return _fill(response, scope, state, months, incidents, words=words)


def _fill(
    response: Response,
    scope: Scope,
    state: State,
    months: Iterable[Month],
    incidents: list[IncidentFacts],
    **shown: Any,
) -> Response:
    page = document.render(
        "public/history.html",
        scope,
        state,
        document.frame(scope, state),
        title=f"History · {state.title(scope)}",
        months=[(month, _begun_in(month, incidents, state)) for month in months],
        most=MOST if len(incidents) == MOST else None,
        **shown,
    )
    return document.fill(response, page)


def _first_month(session: Session, scope: Scope, state: State) -> Month:
    """In which the first incident began, or the organization."""
    first = session.scalar(
        select(func.min(Incident.started_at)).where(
            Incident.organization_id == scope.organization_id, scope.where(Incident.tenant_id)
        )
    )
    return Month.of(state.local_day(min(first or state.created_at, state.created_at)))


def _check_within(month: Month, first: Month, this: Month) -> None:
    if month > this:
        raise Invalid(f"{month.words} has not begun yet.", "month")
    if month < first:
        raise Invalid(f"The history of this page begins in {first.words}.", "month")


def _incidents(
    session: Session, scope: Scope, state: State, oldest: Month, newest: Month
) -> list[IncidentFacts]:
    """Those that began in these months."""
    return _read(
        session,
        scope,
        Incident.started_at >= oldest.begins(state.timezone),
        Incident.started_at < newest.later(1).begins(state.timezone),
    )


def _read(session: Session, scope: Scope, *conditions: Any) -> list[IncidentFacts]:
    """The scope's incidents that meet these, newest first, at most MOST."""
    ids = session.scalars(
        select(Incident.id)
        .where(
            Incident.organization_id == scope.organization_id, scope.where(Incident.tenant_id), *conditions
        )
        .order_by(Incident.started_at.desc(), Incident.id)
        .limit(MOST)
    ).all()
    return list(loading.read_incidents(session, ids).values())


def _begun_in(month: Month, incidents: list[IncidentFacts], state: State) -> list[IncidentFacts]:
    return [incident for incident in incidents if Month.of(state.local_day(incident.started_at)) == month]
