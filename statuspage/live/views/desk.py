"""What stands on several of the admin's screens. All are boards of the whole organization.

So two operators see each other's work arrive.
"""

from ...models.scope import Scope
from ...models.status import ServiceStatus
from ..board import Drawing, Part
from ..parts import list_part, part
from ..state import State


def sheet(state: State, scope: Scope) -> Drawing:
    """How things are, above a form."""
    said = state.description(scope)
    return Drawing(title=f"{said} · {state.name} admin", headline=said, parts=(summary(state, scope),))


def base(state: State) -> str:
    """The path that the admin's screens begin with."""
    return f"/admin/{state.slug}"


def summary(state: State, scope: Scope) -> Part:
    return part(
        "summary",
        "admin/_summary.html",
        status=state.status(scope),
        headline=state.description(scope),
        empty=state.is_empty(scope),
    )


def open_incidents(state: State, scope: Scope) -> Part:
    """Each with the way to say what is new."""
    return list_part(
        "open",
        "admin/overview/_open.html",
        [
            part(
                f"open-{incident.id}",
                "admin/overview/_incident.html",
                incident=incident,
                newest=incident.updates[0],
                services=state.affected(incident),
                tenant=tenant_name(state, incident.tenant_id),
                base=base(state),
            )
            for incident in state.open_incidents(scope)
        ],
        trouble=state.status(scope).severity > ServiceStatus.MAINTENANCE.severity,
        base=base(state),
    )


def tenant_name(state: State, tenant_id: str | None) -> str:
    return state.tenants[tenant_id].name if tenant_id in state.tenants else ""
