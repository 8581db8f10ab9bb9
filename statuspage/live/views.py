"""Which parts each HTML view has, and their partials. The top-level ids of a view never change."""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any

from flask import current_app
from jinja2 import Environment

from ..models.scope import Scope
from ..models.status import Impact, ServiceStatus, worst
from .board import Drawing, Part
from .state import DAYS, GroupFacts, IncidentFacts, ServiceFacts, State

DATA = "data"
ROWS = "\x00"  # where a list's partial puts its rows; no text from outside contains a NUL
NO_DATA = "no_data"  # the shape of a page that watches nothing yet
FEW = 12  # services: on a page of so many every group is open


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
            _banner(state, scope, NO_DATA if state.is_empty(scope) else state.status(scope), headline),
            _list(
                "incidents",
                "incidents/_open.html",
                [
                    _part(
                        f"incident-{incident.id}",
                        "incidents/_card.html",
                        incident=incident,
                        services=state.affected(incident),
                        path=path,
                    )
                    for incident in sorted(state.open_incidents(scope), key=_severity, reverse=True)
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
            _part(
                "incident",
                "incidents/_incident.html",
                incident=incident,
                services=state.affected(incident),
                path=state.path(scope),
            ),
        ),
    )


def _name(state: State, scope: Scope) -> Part:
    """Whose page it is: the part that stands in the header, above all the others."""
    tenant = state.tenants.get(scope.tenant_id or "")
    return _part(
        "name",
        "public/_name.html",
        name=tenant.name if tenant else state.name,
        path=state.path(scope),
        organization=state.name if tenant else "",
        organization_path=f"/{state.slug}",
    )


def _banner(state: State, scope: Scope, status: str, headline: str) -> Part:
    """The scope as a whole, and since when something is wrong, as far as incidents tell."""
    harmful = (i for i in state.open_incidents(scope) if _harms(i, state))
    started = min((i.started_at for i in harmful), default=None)
    return _part("banner", "public/_banner.html", status=status, headline=headline, started=started)


def _severity(incident: IncidentFacts) -> int:
    """What is worst comes first, and what is newest among equals."""
    return list(Impact).index(incident.impact)


def _harms(incident: IncidentFacts, state: State) -> bool:
    if affected := state.affected(incident):
        return any(status is not ServiceStatus.OPERATIONAL for _, status in affected)
    return incident.impact is not Impact.NONE


def _groups(state: State, scope: Scope) -> list[Part]:
    """Services under no heading first, then the organization's groups, then the tenant's; none is empty."""
    services = state.services_of(scope)
    by_group: dict[str | None, list[ServiceFacts]] = {}
    for service in services:
        by_group.setdefault(service.group_id, []).append(service)
    groups = [group for group in state.groups if scope.shows(group.tenant_id)]
    headings = [None, *sorted(groups, key=lambda group: group.tenant_id is not None)]
    return [
        _group(heading, by_group[heading.id if heading else None], few=len(services) <= FEW)
        for heading in headings
        if (heading.id if heading else None) in by_group
    ]


def _group(heading: GroupFacts | None, services: list[ServiceFacts], *, few: bool) -> Part:
    """On a page of many services only groups with trouble inside are open."""
    status = worst(service.status for service in services)
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
        open=few or status is not ServiceStatus.OPERATIONAL,
    )


def _days(state: State, scope: Scope) -> list[Part]:
    """The last days, newest first; days in a row on which nothing began are one row."""
    by_day: dict[date, list[IncidentFacts]] = {}
    for incident in state.incidents_of(scope):
        by_day.setdefault(state.local_day(incident.started_at), []).append(incident)
    days = [state.today - timedelta(days=n) for n in range(DAYS)]
    runs = groupby(days, key=lambda day: day if day in by_day else None)
    return [_day(list(run), by_day.get(day, []) if day else [], state.path(scope)) for day, run in runs]


def _day(days: list[date], incidents: list[IncidentFacts], path: str) -> Part:
    """Named by its first day, which stays when a quiet run grows."""
    over = tuple(incident for incident in incidents if incident.resolved_at)
    return _part(
        f"day-{days[-1].isoformat()}",
        "incidents/_day.html",
        first=days[-1],
        last=days[0],
        incidents=over,
        running=len(incidents) - len(over),
        path=path,
    )


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
