"""Service and ServiceGroup: what is watched, what it shows, and where it stands on the page."""

from datetime import datetime
from functools import cache
from typing import Any, Self

from sqlalchemy import ForeignKey, Select, bindparam, func, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..clock import iso, now
from ..database import Model, db, new_id
from .errors import Invalid
from .organization import Organization, Tenant
from .scope import Scope
from .status import ServiceStatus


class ServiceGroup(Model):
    """A heading that services of the same scope stand under."""

    __tablename__ = "service_group"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(
        ForeignKey("organization.id", ondelete="CASCADE"), index=True
    )
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenant.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    position: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=now)

    organization: Mapped[Organization] = relationship()
    tenant: Mapped[Tenant | None] = relationship()
    services: Mapped[list["Service"]] = relationship(
        back_populates="group", passive_deletes="all", order_by="Service.position, Service.id"
    )

    @classmethod
    def create(
        cls, organization: Organization, tenant: Tenant | None, *, name: str, position: int | None = None
    ) -> Self:
        group = cls(
            id=new_id(),
            organization_id=organization.id,
            tenant_id=tenant.id if tenant else None,
            name=name,
            position=position if position is not None else next_position(cls, organization, tenant),
        )
        db.session.add(group)
        db.session.flush()
        organization.record("group", "created", group.id, tenant=tenant)
        return group

    def update(self, **changes: Any) -> None:
        """Change name or position. Nothing is recorded when nothing differs."""
        changed = {field for field, value in changes.items() if getattr(self, field) != value}
        for field in changed:
            setattr(self, field, changes[field])
        if changed:
            db.session.flush()
            self.organization.record("group", "updated", self.id, tenant=self.tenant)

    def move(self, before: "ServiceGroup | None" = None) -> None:
        """Stand before that group of its page, or last. Invalid when there is no such group."""
        order = [group for group in groups_of(self.organization, self.tenant) if group is not self]
        if before and before not in order:
            raise Invalid("It cannot stand before a group of another page.", "before")
        order.insert(order.index(before) if before else len(order), self)
        for position, group in enumerate(order):
            group.update(position=position)

    def step(self, by: int) -> None:
        """One place up (-1) or down (1) among the groups of its page."""
        order = groups_of(self.organization, self.tenant)
        place = order.index(self) + by
        if 0 <= place < len(order):
            self.move([*order, None][place + (by > 0)])

    def remove(self) -> None:
        """Delete the group; its services stay, under no heading."""
        organization, tenant = self.organization, self.tenant
        for service in list(self.services):  # each leaves the list as it goes
            service.update(group=None)
        db.session.delete(self)
        db.session.flush()
        organization.record("group", "deleted", self.id, tenant=tenant)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "organizationId": self.organization_id,
            "tenantId": self.tenant_id,
            "name": self.name,
            "position": self.position,
            "createdAt": iso(self.created_at),
        }


class Service(Model):
    """Something people depend on. `own_status` is the operator's word; `status` is what is shown.

    `status` is derived and written by settle() alone: the worst of the operator's word and of what
    the newest update of each open incident says. `previous_status` is the operator's word before the
    one that was set at `set_at` by the user `set_by`: what Undo goes back to.
    """

    __tablename__ = "service"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(
        ForeignKey("organization.id", ondelete="CASCADE"), index=True
    )
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenant.id", ondelete="CASCADE"), index=True)
    group_id: Mapped[str | None] = mapped_column(ForeignKey("service_group.id", ondelete="SET NULL"))
    name: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    own_status: Mapped[str] = mapped_column(default=ServiceStatus.OPERATIONAL.value)
    status: Mapped[str] = mapped_column(default=ServiceStatus.OPERATIONAL.value)
    previous_status: Mapped[str | None]
    set_at: Mapped[datetime | None]
    set_by: Mapped[str | None]
    position: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)

    organization: Mapped[Organization] = relationship()
    tenant: Mapped[Tenant | None] = relationship(overlaps="services")
    group: Mapped[ServiceGroup | None] = relationship(back_populates="services")

    @classmethod
    def create(
        cls,
        organization: Organization,
        tenant: Tenant | None,
        *,
        name: str,
        description: str = "",
        own_status: ServiceStatus = ServiceStatus.OPERATIONAL,
        group: ServiceGroup | None = None,
        position: int | None = None,
        id: str | None = None,
    ) -> Self:
        """A new service at the end of its page. Invalid when the group is of another scope."""
        service = cls(
            id=id or new_id(),
            organization_id=organization.id,
            tenant_id=tenant.id if tenant else None,
            name=name,
            description=description,
            own_status=own_status.value,
            status=own_status.value,
            position=position if position is not None else next_position(cls, organization, tenant),
        )
        service._check(group)
        service.organization, service.tenant, service.group = organization, tenant, group
        db.session.add(service)
        db.session.flush()
        service._record("created")
        return service

    def update(self, **changes: Any) -> None:
        """Change name, description, own_status, group or position.

        Nothing is recorded when nothing differs. A new name or description blanks the older lines.
        """
        self._check(changes.get("group"))
        changed = {field for field, value in changes.items() if getattr(self, field) != value}
        if "own_status" in changed:
            self.previous_status, self.set_at, self.set_by = self.own_status, now(), db.session.info["by"]
        for field in changed:
            setattr(self, field, changes[field])
        if not changed:
            return
        db.session.flush()
        if changed & {"name", "description"}:
            self.organization.blank(self.id)
        shown = "own_status" in changed and settle(self.organization, self.tenant)
        if not shown or changed - {"own_status"}:
            self._record("updated")

    def move(self, group: ServiceGroup | None, before: "Service | None" = None) -> None:
        """Stand in this group (None: under no heading), before that service of it, or at its end.

        Invalid when either is of another page. Whoever makes room for it moves too, by a line of its own.
        """
        self._check(group)
        order = [service for service in services_of(self.organization, self.tenant) if service is not self]
        if before and (before not in order or before.group is not group):
            raise Invalid("It cannot stand before a service of another place.", "before")
        order.insert(_place_in(order, group, before), self)
        for position, service in enumerate(order):
            service.update(position=position, **({"group": group} if service is self else {}))

    def step(self, by: int) -> None:
        """One place up (-1) or down (1); past the end of its group into the next one."""
        groups = [None, *groups_of(self.organization, self.tenant)]
        beside = [s for s in services_of(self.organization, self.tenant) if s.group is self.group]
        place, heading = beside.index(self) + by, groups.index(self.group) + by
        if 0 <= place < len(beside):
            self.move(self.group, [*beside, None][place + (by > 0)])
        elif 0 <= heading < len(groups):
            there = [s for s in services_of(self.organization, self.tenant) if s.group is groups[heading]]
            self.move(groups[heading], there[0] if by > 0 and there else None)

    def _check(self, group: ServiceGroup | None) -> None:
        if group and (group.organization_id, group.tenant_id) != (self.organization_id, self.tenant_id):
            raise Invalid("This group belongs to another page.", "groupId")

    def remove(self) -> None:
        """Delete the service. Open incidents keep running without it."""
        organization, tenant = self.organization, self.tenant
        organization.blank(self.id)
        db.session.delete(self)
        db.session.flush()
        organization.record("service-update", "deleted", self.id, {"id": self.id}, tenant=tenant)

    def show(self, status: ServiceStatus) -> None:
        """Take over a derived status, as a line of the log."""
        self.status = status.value
        self._record("status-changed")

    def _record(self, type: str) -> None:
        self.updated_at = now()
        self.organization.record("service-update", type, self.id, self.as_json(), tenant=self.tenant)

    def as_json(self) -> dict[str, Any]:
        """The service as REST and events show it."""
        return {
            "id": self.id,
            "organizationId": self.organization_id,
            "tenantId": self.tenant_id,
            "groupId": self.group_id,
            "name": self.name,
            "description": self.description,
            "status": self.status,
            "ownStatus": self.own_status,
            "position": self.position,
            "createdAt": iso(self.created_at),
            "updatedAt": iso(self.updated_at),
        }


def services_of(organization: Organization, tenant: Tenant | None) -> list[Service]:
    """The services of exactly that scope, in page order."""
    return _in_order(Service, organization, tenant)


def groups_of(organization: Organization, tenant: Tenant | None) -> list[ServiceGroup]:
    """The groups of exactly that scope, in page order."""
    return _in_order(ServiceGroup, organization, tenant)


def _in_order(model: Any, organization: Organization, tenant: Tenant | None) -> list[Any]:
    scope = {"organization": organization.id, "tenant": tenant.id if tenant else None}
    return list(db.session.scalars(_ordered(model), scope))


@cache
def _ordered(model: Any) -> Select[Any]:
    return (
        select(model)
        .where(
            model.organization_id == bindparam("organization"),
            model.tenant_id.is_not_distinct_from(bindparam("tenant")),
        )
        .order_by(model.position, model.id)
    )


def _place_in(order: list[Service], group: ServiceGroup | None, before: Service | None) -> int:
    if before:
        return order.index(before)
    return max(
        (place + 1 for place, service in enumerate(order) if service.group is group), default=len(order)
    )


def settle(organization: Organization, tenant: Tenant | None) -> int:
    """Derive what each service of the scope shows; record those that changed. Returns how many."""
    from .incident import holds  # incidents know services; this one question goes the other way

    held = holds(organization, tenant)
    changed = 0
    for service in services_of(organization, tenant):
        status = max(
            (ServiceStatus(service.own_status), *held.get(service.id, ())), key=lambda status: status.severity
        )
        if status != service.status:
            service.show(status)
            changed += 1
    return changed


def next_position(model: type[Any], organization: Organization, tenant: Tenant | None) -> int:
    highest = db.session.scalar(
        select(func.max(model.position)).where(
            model.organization_id == organization.id, model.tenant_id == (tenant.id if tenant else None)
        )
    )
    return 0 if highest is None else highest + 1


def find_group(scope: Scope, id: str) -> ServiceGroup | None:
    """A group by id, if it is of exactly this scope."""
    group = db.session.get(ServiceGroup, id)
    return (
        group
        if group and (group.organization_id, group.tenant_id) == (scope.organization_id, scope.tenant_id)
        else None
    )
