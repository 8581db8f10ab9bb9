"""The public views: a scope's page, and an incident's own."""

from datetime import date, timedelta
from functools import lru_cache
from itertools import groupby

from flask import current_app
from jinja2 import Environment

from ...models.scope import Scope
from ...models.status import Impact, ServiceStatus, worst
from ..board import Drawing, Part
from ..facts import GroupFacts, IncidentFacts, ServiceFacts
from ..parts import NO_DATA, PATH, Body, list_part, made, part
from ..state import DAYS, State

FEW = 12  # services: on a page of so many every group is open


def page(state: State, scope: Scope) -> Drawing:
    headline, body = _body(state, scope)
    name, colour, *ways = frame(state, scope)
    return Drawing(
        title=f"{headline} · {state.title(scope)}",
        headline=headline,
        parts=(name, colour, *body.at(state.path(scope)), *ways),
    )


def _body(state: State, scope: Scope) -> tuple[str, Body]:
    """The headline, and what is shown below it: the same for all tenants that have nothing of their own."""
    key = scope.tenant_id if state.has_own(scope.tenant_id) or scope.whole else None
    found = state.bodies.get((scope.whole, key))
    if found is None:
        headline = state.description(scope)
        found = state.bodies[scope.whole, key] = headline, Body(_draw_body(state, scope, headline))
    return found


def _draw_body(state: State, scope: Scope, headline: str) -> tuple[Part, ...]:
    days = _days(state, scope)
    return (
        _banner(state, scope, NO_DATA if state.is_empty(scope) else state.status(scope), headline),
        list_part(
            "incidents",
            "incidents/_open.html",
            [
                part(
                    f"incident-{incident.id}",
                    "incidents/_card.html",
                    incident=incident,
                    services=state.affected(incident),
                    path=PATH,
                )
                for incident in state.open_incidents(scope)
            ],
        ),
        list_part("services", "services/_services.html", _groups(state, scope)),
        list_part(
            "history",
            "incidents/_history.html",
            days,
            path=PATH,
            hidden=state.is_empty(scope) and len(days) == 1,  # one quiet run: a page without a past
        ),
    )


def incident(state: State, scope: Scope, id: str) -> Drawing | None:
    incident = state.incidents.get(id)
    if incident is None or not scope.shows(incident.tenant_id):
        return None
    name, colour, *ways = frame(state, scope)
    told = part(
        "incident",
        "incidents/_incident.html",
        incident=incident,
        services=state.affected(incident),
        path=state.path(scope),
    )
    return Drawing(
        title=f"{incident.title} · {state.title(scope)}",
        headline=f"{incident.title}: {incident.status.word}",
        parts=(name, colour, told, *ways),
    )


def frame(state: State, scope: Scope) -> tuple[Part, ...]:
    """What stands around a page: its name, its colour, and the ways from here in header and footer."""
    tenant = state.tenants.get(scope.tenant_id or "")
    return _frame(
        current_app.jinja_env,
        tenant.name if tenant else state.name,
        state.path(scope),
        state.name if tenant else "",
        f"/{state.slug}",
        state.logo,
        state.accent,
    )


@lru_cache(maxsize=5_000)
def _frame(
    _env: Environment,
    name: str,
    path: str,
    organization: str,
    organization_path: str,
    logo: str | None,
    colour: str | None,
) -> tuple[Part, ...]:
    """The same parts as long as all of this stays: boards have nothing to compare."""
    around = {"name": name, "path": path, "organization": organization, "logo": logo}
    return (
        part("name", "public/_name.html", organization_path=organization_path, **around),
        accent(organization_path, colour),
        part("subscribe", "public/_subscribe.html", path=path),
        part("links", "public/_links.html", path=path),
    )


def accent(organization_path: str, colour: str | None) -> Part:
    """The style sheet of an organization that has a colour of its own; its version is the colour."""
    theme = f"{organization_path}/theme.css?v={colour.removeprefix('#')}" if colour else ""
    return part("accent", "public/_accent.html", theme=theme)


def _banner(state: State, scope: Scope, status: str, headline: str) -> Part:
    """The scope as a whole, and since when something is wrong: by its incidents, or by hand."""
    told = [i.started_at for i in state.open_incidents(scope) if _harms(i, state)]
    by_hand = [service.wrong_since for service in state.services_of(scope) if service.wrong_since]
    started = min(told + by_hand, default=None)
    return part("banner", "public/_banner.html", status=status, headline=headline, started=started)


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
    headings = [None, *state.groups_of(scope)]
    return [
        _group(state, heading, by_group[heading.id if heading else None], few=len(services) <= FEW)
        for heading in headings
        if (heading.id if heading else None) in by_group
    ]


def _service(state: State, service: ServiceFacts) -> Part:
    """A row, drawn once for all the tenants' pages that it stands on."""
    id = f"service-{service.id}"
    shell = state.drawn.get(id)
    if shell is None:
        facts = {"name": service.name, "description": service.description, "status": service.status}
        shell = state.drawn[id] = part(id, "services/_service.html", **facts).shell
    return made(id, shell)


def _group(state: State, heading: GroupFacts | None, services: list[ServiceFacts], *, few: bool) -> Part:
    """On a page of many services only groups with trouble inside are open."""
    status = worst(service.status for service in services)
    return list_part(
        f"group-{heading.id if heading else 'none'}",
        "services/_group.html",
        [_service(state, service) for service in services],
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
    return [_day(list(run), by_day.get(day, []) if day else []) for day, run in runs]


def _day(days: list[date], incidents: list[IncidentFacts]) -> Part:
    """Named by its first day, which stays when a quiet run grows."""
    over = tuple(incident for incident in incidents if incident.resolved_at)
    return part(
        f"day-{days[-1].isoformat()}",
        "incidents/_day.html",
        first=days[-1],
        last=days[0],
        incidents=over,
        running=len(incidents) - len(over),
        path=PATH,
    )
