"""What a foreign page shows of ours: `embed`, one line, and `embed-full`, what is wrong too."""

from ...models.scope import Scope
from ...models.status import ServiceStatus
from ..board import Drawing, Part
from ..parts import NO_DATA, list_part, part
from ..state import State
from .page import accent

VIEWS = ("embed", "embed-full")
MOST_INCIDENTS = 5
MOST_SERVICES = 8  # what is beyond is a number, and the page a click away


def draw(view: str, state: State, scope: Scope) -> Drawing:
    """One of VIEWS. The sentence is that of the page's banner."""
    headline = state.description(scope)
    tenant = state.tenants.get(scope.tenant_id or "")
    name = tenant.name if tenant else state.name  # no more of it: a title moves only when a part does
    parts = [_status(state, scope, headline, name), accent(f"/{state.slug}", state.accent)]
    if view == "embed-full":
        parts += [_incidents(state, scope), _services(state, scope)]
    return Drawing(title=f"{headline} · {name}", headline=headline, parts=tuple(parts))


def _status(state: State, scope: Scope, headline: str, name: str) -> Part:
    return part(
        "status",
        "embed/_status.html",
        status=NO_DATA if state.is_empty(scope) else state.status(scope),
        headline=headline,
        name=name,
        path=state.path(scope),
    )


def _incidents(state: State, scope: Scope) -> Part:
    incidents, path = state.open_incidents(scope), state.path(scope)
    return list_part(
        "incidents",
        "embed/_incidents.html",
        [
            part(f"incident-{incident.id}", "embed/_incident.html", incident=incident, path=path)
            for incident in incidents[:MOST_INCIDENTS]
        ],
        more=len(incidents[MOST_INCIDENTS:]),
    )


def _services(state: State, scope: Scope) -> Part:
    """Those that are not operational, in page order."""
    affected = [s for s in state.services_of(scope) if s.status is not ServiceStatus.OPERATIONAL]
    return list_part(
        "services",
        "embed/_services.html",
        [
            part(f"service-{s.id}", "embed/_service.html", name=s.name, status=s.status)
            for s in affected[:MOST_SERVICES]
        ],
        more=len(affected[MOST_SERVICES:]),
    )
