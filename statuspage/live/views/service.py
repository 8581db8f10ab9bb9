"""The admin's screen of services and groups: what there is, and in which order."""

from ...models.scope import Scope
from ..board import Drawing, Part
from ..facts import GroupFacts, ServiceFacts
from ..parts import list_part, part
from ..state import State
from .desk import base, summary, tenant_name


def services(state: State, scope: Scope) -> Drawing:
    """Place by place, group by group; a group without services stands there too."""
    places = [None, *(tenant.id for tenant in state.tenants.values())]
    shown = [_place(state, tenant_id) for tenant_id in places]
    return Drawing(
        title=f"Services · {state.name} admin",
        headline=state.description(scope),
        parts=(summary(state, scope), list_part("places", "admin/services/_places.html", shown)),
    )


def _place(state: State, tenant_id: str | None) -> Part:
    """The organization's own page, or a tenant's: what it has of its own."""
    headings = state.headings(tenant_id)
    return list_part(
        f"place-{tenant_id or 'own'}",
        "admin/services/_place.html",
        [_group(state, tenant_id, group, services) for group, services in headings],
        name=tenant_name(state, tenant_id) or state.name,
        tenant_id=tenant_id or "",
        bare=not headings[1:] and not headings[0][1],
        base=base(state),
    )


def _group(
    state: State, tenant_id: str | None, group: GroupFacts | None, services: list[ServiceFacts]
) -> Part:
    where = base(state)
    return list_part(
        f"heading-{group.id if group else tenant_id or 'none'}",
        "admin/services/_group.html",
        [
            part(
                f"place-of-{service.id}",
                "admin/services/_service.html",
                service_id=service.id,
                name=service.name,
                description=service.description,
                status=service.status,
                base=where,
            )
            for service in services
        ],
        name=group.name if group else "",
        group_id=group.id if group else "",
        tenant_id=tenant_id or "",
        base=where,
    )
