"""The admin's screens as boards of the whole organization: two operators see each other's work arrive."""

from ...models.scope import Scope
from ...models.status import CHOICES, IncidentStatus, ServiceStatus
from ..board import Drawing, Part
from ..inside import DeedFacts
from ..parts import list_part, part
from ..state import ServiceFacts, State


def overview(state: State, scope: Scope) -> Drawing:
    """The cockpit: what is open, every service under one's hand, and who did what."""
    said = state.description(scope)
    return Drawing(
        title=f"{said} · {state.name} admin",
        headline=said,
        parts=(
            summary(state, scope),
            open_incidents(state, scope),
            list_part("controls", "admin/overview/_controls.html", _places(state, scope), base=base(state)),
            part(
                "activity",
                "admin/overview/_activity.html",
                deeds=tuple((deed, words(deed)) for deed in (state.inside.deeds if state.inside else ())),
                tenants=tuple((tenant.id, tenant.name) for tenant in state.tenants.values()),
            ),
        ),
    )


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


def _places(state: State, scope: Scope) -> list[Part]:
    """The organization's own services, then each tenant's."""
    by_tenant: dict[str | None, list[ServiceFacts]] = {}
    for service in state.services_of(scope):
        by_tenant.setdefault(service.tenant_id, []).append(service)
    return [
        list_part(
            f"controls-{tenant_id or 'own'}",
            "admin/overview/_place.html",
            [_control(state, service) for service in services],
            name=tenant_name(state, tenant_id),
        )
        for tenant_id, services in by_tenant.items()
    ]


def _control(state: State, service: ServiceFacts) -> Part:
    controls = state.inside.controls if state.inside else {}
    return part(
        f"control-{service.id}",
        "admin/overview/_control.html",
        service_id=service.id,
        name=service.name,
        status=service.status,
        control=controls.get(service.id),
        statuses=CHOICES,
        base=base(state),
    )


SETTINGS = {
    "tenant-created": "added a tenant",
    "tenant-updated": "changed a tenant",
    "created": "founded the organization",
    "updated": "changed the settings",
}
ACCESS = {
    "membership-granted": "changed who has access",
    "membership-removed": "took away somebody's access",
    "token-created": "created a token",
    "token-revoked": "revoked a token",
    "signed-out": "signed out",
    "joined": "joined",
    "shown": "made a page public",
    "hidden": "made a page private",
    "tenant-deleted": "deleted a tenant",
}
VERBS = {"created": "added", "updated": "changed", "deleted": "deleted"}


def words(deed: DeedFacts) -> str:
    """What was done, as it follows the name of who did it."""
    if deed.name == "service-update" and deed.type == "status-changed" and deed.status in list(ServiceStatus):
        return f"{deed.title or 'A service'}: {ServiceStatus(deed.status).word}"
    if deed.name == "service-update":
        return f"{VERBS.get(deed.type, 'sent a test about')} {deed.title or 'a service'}"
    if deed.name == "incident-update" and deed.status in list(IncidentStatus):
        return f"{deed.title}: {IncidentStatus(deed.status).word}"
    if deed.name == "incident-update":
        return f"{VERBS.get(deed.type, 'sent a test about')} an incident"
    if deed.name == "group":
        return f"{VERBS.get(deed.type, 'changed')} a group"
    if deed.name == "access":
        return ACCESS.get(deed.type, "changed who has access")
    return SETTINGS.get(deed.type, "changed the settings")
