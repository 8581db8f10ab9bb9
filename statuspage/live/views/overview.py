"""The admin's first screen: the cockpit for a bad night."""

from ...models.scope import Scope
from ...models.status import CHOICES, IncidentStatus, ServiceStatus
from ..board import Drawing, Part
from ..facts import ServiceFacts
from ..inside import DeedFacts
from ..parts import list_part, part
from ..state import State
from .desk import base, open_incidents, summary, tenant_name


def overview(state: State, scope: Scope) -> Drawing:
    """The cockpit: what is open, every service under one's hand, and who did what."""
    said = state.description(scope)
    return Drawing(
        title=f"{said} · {state.name} admin",
        headline=said,
        parts=(
            summary(state, scope),
            open_incidents(state, scope),
            list_part("controls", "admin/overview/_controls.html", _places(state), base=base(state)),
            part(
                "activity",
                "admin/overview/_activity.html",
                deeds=tuple((deed, words(deed)) for deed in (state.inside.deeds if state.inside else ())),
                tenants=tuple((tenant.id, tenant.name) for tenant in state.tenants.values()),
            ),
        ),
    )


def _places(state: State) -> list[Part]:
    """The organization's own services, then each tenant's; by their groups, for names may be the same."""
    return [
        list_part(
            f"controls-{group.id if group else tenant_id or 'own'}",
            "admin/overview/_place.html",
            [_control(state, service) for service in services],
            name=group.name if group else "",
            tenant=tenant_name(state, tenant_id),
        )
        for tenant_id in (None, *state.tenants)
        for group, services in state.headings(tenant_id)
        if services
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
    "password-changed": "changed a password",
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
