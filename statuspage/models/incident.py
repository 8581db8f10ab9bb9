"""Incident and IncidentUpdate: what went wrong, what it does to services, and how it ended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from sqlalchemy import JSON, ForeignKey, Index, UniqueConstraint, bindparam, func, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..clock import iso, now
from ..database import Model, db, new_id
from .errors import Conflict, Invalid
from .hiding import will_hide
from .organization import Organization, Tenant
from .service import services_of, settle
from .status import Impact, IncidentStatus, ServiceStatus, worst


class Incident(Model):
    """Belongs to one scope and affects services of exactly that scope.

    Investigating, identified and monitoring in any order; any of them to resolved, once.
    """

    __tablename__ = "incident"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id", ondelete="CASCADE"))
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenant.id", ondelete="CASCADE"), index=True)
    title: Mapped[str]
    status: Mapped[str]
    set_impact: Mapped[str | None]
    started_at: Mapped[datetime] = mapped_column(default=now)
    resolved_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(default=now)

    organization: Mapped[Organization] = relationship()
    tenant: Mapped[Tenant | None] = relationship(overlaps="incidents")
    updates: Mapped[list["IncidentUpdate"]] = relationship(
        back_populates="incident",
        order_by="IncidentUpdate.number.desc()",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )

    __table_args__ = (
        Index(None, "organization_id", "resolved_at"),
        Index(None, "organization_id", "started_at"),
    )

    @classmethod
    def open(
        cls,
        organization: Organization,
        tenant: Tenant | None,
        *,
        title: str,
        message: str,
        status: IncidentStatus = IncidentStatus.INVESTIGATING,
        services: Mapping[str, ServiceStatus] | None = None,
        impact: Impact | None = None,
        by: str | None = None,
        started_at: datetime | None = None,
    ) -> Self:
        """Tell people that something is wrong. `services`: the status that each affected one takes."""
        if status is IncidentStatus.RESOLVED:
            raise Invalid("An incident opens unresolved; resolve it with an update.", "status")
        incident = cls(
            id=new_id(),
            organization_id=organization.id,
            tenant_id=tenant.id if tenant else None,
            title=title,
            status=status.value,
            set_impact=impact.value if impact else None,
            started_at=started_at or now(),
        )
        incident.organization, incident.tenant = organization, tenant
        db.session.add(incident)
        incident._say(status, message, services or {}, by, incident.started_at)
        incident._record("created")
        settle(organization, tenant)
        return incident

    def post_update(
        self,
        *,
        status: IncidentStatus,
        message: str,
        services: Mapping[str, ServiceStatus] | None = None,
        by: str | None = None,
    ) -> "IncidentUpdate":
        """Say what is new. Services that are not named keep what was said of them last."""
        if self.resolved_at:
            raise Conflict("This incident is already resolved. Open a new one.")
        if status is IncidentStatus.RESOLVED:
            return self.resolve(message=message, services=services, by=by)
        update = self._say(status, message, {**self.affected, **(services or {})}, by)
        self._record("updated")
        settle(self.organization, self.tenant)
        return update

    def resolve(
        self,
        *,
        message: str,
        services: Mapping[str, ServiceStatus] | None = None,
        by: str | None = None,
        at: datetime | None = None,
    ) -> "IncidentUpdate":
        """Close the incident, now or as of `at`; its holds on services end."""
        if self.resolved_at:
            raise Conflict("This incident is already resolved.")
        if any(status is not ServiceStatus.OPERATIONAL for status in (services or {}).values()):
            raise Invalid("A resolved incident affects no service. Set the service's own status.", "services")
        released = dict.fromkeys({**self.affected, **(services or {})}, ServiceStatus.OPERATIONAL)
        update = self._say(IncidentStatus.RESOLVED, message, released, by, at)
        self.resolved_at = update.created_at
        self._record("resolved")
        settle(self.organization, self.tenant)
        return update

    def update(self, **changes: Any) -> None:
        """Change title or set_impact (None: computed again). A new title blanks the older lines."""
        changed = {field for field, value in changes.items() if getattr(self, field) != value}
        for field in changed:
            setattr(self, field, changes[field])
        if "title" in changed:
            self.organization.blank(self.id)
        if changed:
            self._record("updated")

    def remove(self) -> None:
        """Delete the incident and what was said in it; its holds on services end."""
        organization, tenant = self.organization, self.tenant
        organization.blank(self.id)
        db.session.delete(self)
        db.session.flush()
        organization.record("incident-update", "deleted", self.id, {"id": self.id}, tenant=tenant)
        settle(organization, tenant)
        will_hide(organization.id, self.tenant_id, self.id)

    @property
    def affected(self) -> dict[str, ServiceStatus]:
        """What the newest update says of each service."""
        if not self.updates:
            return {}
        return {id: ServiceStatus(status) for id, status in self.updates[0].services.items()}

    @property
    def impact(self) -> Impact:
        """As set, or computed from the worst that any update said of any service."""
        if self.set_impact:
            return Impact(self.set_impact)
        return Impact.of(worst(ServiceStatus(s) for update in self.updates for s in update.services.values()))

    def _say(
        self,
        status: IncidentStatus,
        message: str,
        services: Mapping[str, ServiceStatus],
        by: str | None,
        at: datetime | None = None,
    ) -> "IncidentUpdate":
        known = {service.id for service in services_of(self.organization, self.tenant)}
        for id in set(services) - known - set(self.affected):
            raise Invalid(f"There is no service “{id}” on this page.", "services")
        update = IncidentUpdate(
            id=new_id(),
            number=len(self.updates) + 1,
            status=status.value,
            message=message,
            services={id: status.value for id, status in services.items() if id in known},
            user_id=by,
            created_at=at or now(),
        )
        self.updates.insert(0, update)
        self.status = status.value
        return update

    def _record(self, type: str) -> None:
        self.updated_at = now()
        db.session.flush()
        self.organization.record("incident-update", type, self.id, self.as_json(), tenant=self.tenant)

    def as_json(self) -> dict[str, Any]:
        """The incident as REST and events show it, newest update first."""
        return {
            "id": self.id,
            "organizationId": self.organization_id,
            "tenantId": self.tenant_id,
            "title": self.title,
            "status": self.status,
            "impact": self.impact.value,
            "serviceIds": sorted({id for update in self.updates for id in update.services}),
            "startedAt": iso(self.started_at),
            "resolvedAt": iso(self.resolved_at),
            "updatedAt": iso(self.updated_at),
            "updates": [update.as_json() for update in self.updates],
        }


class IncidentUpdate(Model):
    """One message of an incident's timeline; `services` is what it says of each affected service."""

    __tablename__ = "incident_update"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incident.id", ondelete="CASCADE"), index=True)
    number: Mapped[int]
    status: Mapped[str]
    message: Mapped[str]
    services: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    user_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    edited_at: Mapped[datetime | None]

    incident: Mapped[Incident] = relationship(back_populates="updates")

    __table_args__ = (UniqueConstraint("incident_id", "number"),)

    def edit(self, message: str, by: str | None = None) -> None:
        """Correct what was said. What stood there before is kept for members: see MessageEdit."""
        if message == self.message:
            return
        db.session.add(MessageEdit(update_id=self.id, message=self.message, user_id=by, edited_at=now()))
        self.message, self.edited_at = message, now()
        self.incident.organization.blank(self.incident_id)
        self.incident._record("updated")

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "status": self.status,
            "message": self.message,
            "services": self.services,
            "createdAt": iso(self.created_at),
        }


class MessageEdit(Model):
    """What an update said before somebody corrected it."""

    __tablename__ = "message_edit"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    update_id: Mapped[str] = mapped_column(ForeignKey("incident_update.id", ondelete="CASCADE"), index=True)
    message: Mapped[str]
    user_id: Mapped[str | None]
    edited_at: Mapped[datetime]


_newest = (
    select(func.max(IncidentUpdate.number))
    .where(IncidentUpdate.incident_id == Incident.id)
    .correlate(Incident)
    .scalar_subquery()
)
SAID = (
    select(IncidentUpdate.services)
    .join(Incident)
    .where(
        Incident.organization_id == bindparam("organization"),
        Incident.tenant_id.is_not_distinct_from(bindparam("tenant")),
        Incident.resolved_at.is_(None),
        IncidentUpdate.number == _newest,
    )
)


def holds(organization: Organization, tenant: Tenant | None) -> dict[str, list[ServiceStatus]]:
    """What the newest update of each open incident of the scope says of each service."""
    scope = {"organization": organization.id, "tenant": tenant.id if tenant else None}
    held: dict[str, list[ServiceStatus]] = {}
    for services in db.session.scalars(SAID, scope):
        for service_id, status in services.items():
            held.setdefault(service_id, []).append(ServiceStatus(status))
    return held
