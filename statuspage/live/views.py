"""Which parts each HTML view has, and their partials. The top-level ids of a view never change."""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from flask import current_app
from jinja2 import Environment

from ..models.scope import Scope
from ..models.status import ServiceStatus
from .board import Drawing, Part
from .state import DAYS, GroupFacts, IncidentFacts, ServiceFacts, State

DATA = "data"
ROWS = "\x00"  # where a list's partial puts its rows; no text from outside contains a NUL


def draw(view: str, state: State, scope: Scope) -> Drawing | None:
    """A view of a scope; None when there is no such view, or not (any more) what it shows."""
    kind, _, id = view.partition("/")
    if not state.has(scope):
        return None
    if kind == "page" and not id:
        return _page(state, scope)
    if kind == "incident" and id:
        return _incident(state, scope, id)
    return None


def incident_id(view: str) -> str | None:
    """The incident that a view is about, so that the state is loaded with it."""
    kind, _, id = view.partition("/")
    return id if kind == "incident" and id else None


def sentence(lines: Iterable[Any], fallback: str) -> str:
    """What a screen reader says of these lines of the log."""
    said = [text for text in (_said(line) for line in lines) if text]
    return " ".join(said) if 0 < len(said) <= 3 else fallback


def _said(line: Any) -> str:
    data = line.data if isinstance(line.data, dict) else {}
    if line.name == "service-update" and line.type == "status-changed" and "status" in data:
        return f"{data['name']}: {ServiceStatus(data['status']).word}."
    if line.name == "incident-update" and "title" in data:
        return f"{data['title']}: {data['status'].capitalize()}."
    return ""


# --- the views -------------------------------------------------------------------------------------


def _page(state: State, scope: Scope) -> Drawing:
    headline = state.description(scope)
    path = state.path(scope)
    return Drawing(
        title=f"{headline} · {state.title(scope)}",
        headline=headline,
        parts=(
            _name(state, scope),
            _part("banner", "public/_banner.html", status=state.status(scope), headline=headline),
            _list(
                "incidents",
                "incidents/_open.html",
                [
                    _part(f"incident-{incident.id}", "incidents/_card.html", incident=incident, path=path)
                    for incident in state.open_incidents(scope)
                ],
            ),
            _list("services", "services/_services.html", _groups(state, scope)),
            _list("history", "incidents/_history.html", _days(state, scope)),
        ),
    )


def _incident(state: State, scope: Scope, id: str) -> Drawing | None:
    incident = state.incidents.get(id)
    if incident is None or not scope.shows(incident.tenant_id):
        return None
    return Drawing(
        title=f"{incident.title} · {state.title(scope)}",
        headline=f"{incident.title}: {incident.status.word}",
        parts=(
            _name(state, scope),
            _part("incident", "incidents/_incident.html", incident=incident, path=state.path(scope)),
        ),
    )


def _name(state: State, scope: Scope) -> Part:
    """Whose page it is: the part that stands in the header, above all the others."""
    return _part("name", "public/_name.html", title=state.title(scope), path=state.path(scope))


def _groups(state: State, scope: Scope) -> list[Part]:
    """Services under no heading first, then group by group; a group without services is not shown."""
    by_group: dict[str | None, list[ServiceFacts]] = {}
    for service in state.services_of(scope):
        by_group.setdefault(service.group_id, []).append(service)
    headings: list[GroupFacts | None] = [None, *(g for g in state.groups if scope.shows(g.tenant_id))]
    return [
        _group(heading, by_group[heading.id if heading else None])
        for heading in headings
        if (heading.id if heading else None) in by_group
    ]


def _group(heading: GroupFacts | None, services: list[ServiceFacts]) -> Part:
    status = max((service.status for service in services), key=lambda status: status.severity)
    return _list(
        f"group-{heading.id if heading else 'none'}",
        "services/_group.html",
        [
            _part(
                f"service-{service.id}",
                "services/_service.html",
                name=service.name,
                description=service.description,
                status=service.status,
            )
            for service in services
        ],
        name=heading.name if heading else "",
        status=status,
    )


def _days(state: State, scope: Scope) -> list[Part]:
    by_day: dict[date, list[IncidentFacts]] = {}
    for incident in state.incidents_of(scope):
        if incident.resolved_at is not None:
            by_day.setdefault(state.local_day(incident.started_at), []).append(incident)
    days = [state.today - timedelta(days=n) for n in range(DAYS)]
    return [
        _part(
            f"day-{day.isoformat()}",
            "incidents/_day.html",
            day=day,
            incidents=tuple(by_day.get(day, ())),
            path=state.path(scope),
        )
        for day in days
    ]


# --- rendering -------------------------------------------------------------------------------------


def _part(id: str, partial: str, **values: Any) -> Part:
    return Part(id, _shell(current_app.jinja_env, partial, id, tuple(values.items())))


def _list(id: str, partial: str, rows: list[Part], **values: Any) -> Part:
    values["empty"] = not rows
    return Part(id, _shell(current_app.jinja_env, partial, id, tuple(values.items())), tuple(rows))


@lru_cache(maxsize=20_000)
def _shell(env: Environment, partial: str, id: str, values: tuple[tuple[str, Any], ...]) -> tuple[str, str]:
    """A partial, rendered once per tuple of values however many boards show it; split where rows go."""
    before, _, after = (
        env.get_template(partial).render(id=id, rows=ROWS, **dict(values)).strip().partition(ROWS)
    )
    return before, after
