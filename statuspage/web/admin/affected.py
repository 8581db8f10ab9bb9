"""Which services a form offers, page by page, and which of them an incident may name."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import select

from ...database import db
from ...models.errors import Invalid
from ...models.organization import Tenant
from ...models.service import Service, ServiceGroup, services_of
from ...models.status import ServiceStatus, worst
from .place import Place


class OnePage(NamedTuple):
    """What one page has of its own: the organization's (`tenant_id` ""), or a tenant's."""

    tenant_id: str
    name: str
    services: list[Service]

    @property
    def headings(self) -> list[tuple[ServiceGroup | None, list[Service], ServiceStatus]]:
        """Its groups, as the page shows them, with the worst of each. What is under none comes first."""
        groups = {service.group for service in self.services if service.group}
        return [
            (group, own, worst(ServiceStatus(service.status) for service in own))
            for group in (None, *sorted(groups, key=lambda group: (group.position, group.id)))
            if (own := [service for service in self.services if service.group is group])
        ]


def pages_of(place: Place) -> list[OnePage]:
    own = place.organization
    tenants = db.session.scalars(
        select(Tenant).where(Tenant.organization_id == own.id).order_by(Tenant.name, Tenant.id)
    )
    return [
        OnePage("", own.name, services_of(own, None)),
        *(OnePage(tenant.id, tenant.name, services_of(own, tenant)) for tenant in tenants),
    ]


def find_tenant(place: Place, id: str | None) -> Tenant | None:
    """The tenant that a form names; None for the organization. Elsewhere and nowhere are one answer."""
    tenant = db.session.get(Tenant, id) if id else None
    if id and (tenant is None or tenant.organization_id != place.organization.id):
        raise Invalid("There is no such page. Choose another.", "tenant")
    return tenant


def check_page(place: Place, tenant: Tenant | None, services: Mapping[str, Any]) -> None:
    """Invalid, by name, when a service was chosen that stands on another page of the organization."""
    for service in filter(None, (db.session.get(Service, id) for id in services)):
        away = service.tenant_id != (tenant.id if tenant else None)
        if service.organization_id == place.organization.id and away:
            raise Invalid(
                f"“{service.name}” is on another page. Choose that page, or leave the service out.",
                "services",
            )


def chosen(values: Mapping[str, Any]) -> dict[str, str]:
    """The status that a form shows for each service; of what was typed, only what can be shown."""
    said = values.get("services")
    return {id: str(status) for id, status in said.items()} if isinstance(said, dict) else {}
