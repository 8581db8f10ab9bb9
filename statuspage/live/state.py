"""One organization as of one position: plain, comparable facts that every board is drawn from."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from ..clock import iso
from ..models.incident import Incident, IncidentUpdate
from ..models.organization import Organization, Tenant
from ..models.scope import Scope
from ..models.service import Service, ServiceGroup
from ..models.status import Impact, IncidentStatus, ServiceStatus, Visibility, worst
from .message import Cursor

DAYS = 14  # of past incidents on a page


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    id: str
    tenant_id: str | None
    group_id: str | None
    name: str
    description: str
    status: ServiceStatus
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class GroupFacts:
    id: str
    tenant_id: str | None
    name: str


@dataclass(frozen=True, slots=True)
class UpdateFacts:
    id: str
    status: IncidentStatus
    message: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class IncidentFacts:
    """`said`: what the newest update says, by service id; a service may be gone: see State.affected()."""

    id: str
    tenant_id: str | None
    title: str
    status: IncidentStatus
    impact: Impact
    started_at: datetime
    resolved_at: datetime | None
    updated_at: datetime
    updates: tuple[UpdateFacts, ...]
    said: tuple[tuple[str, ServiceStatus], ...]


@dataclass(frozen=True, slots=True)
class TenantFacts:
    id: str
    slug: str
    name: str
    public: bool
    seq: int


@dataclass(frozen=True)
class State:
    """Everything that pages of this organization show, at position `seq` of its log."""

    id: str
    slug: str
    name: str
    public: bool
    timezone: str
    today: date
    epoch: str
    seq: int
    own_seq: int
    pruned_through: int
    created_at: datetime
    tenants: dict[str, TenantFacts]
    groups: tuple[GroupFacts, ...]
    services: tuple[ServiceFacts, ...]
    incidents: dict[str, IncidentFacts] = field(default_factory=dict)

    def position(self, scope: Scope) -> int:
        """The number of the scope's last event (Organization.position, from loaded facts)."""
        if scope.whole:
            return self.seq
        tenant = self.tenants.get(scope.tenant_id or "")
        return max(self.own_seq, tenant.seq if tenant else 0)

    def cursor(self, scope: Scope) -> str:
        return str(Cursor(self.epoch, self.position(scope)))

    def has(self, scope: Scope) -> bool:
        return scope.tenant_id is None or scope.tenant_id in self.tenants

    def path(self, scope: Scope) -> str:
        """The root-relative path of the scope's page: `/acme` or `/acme/north`."""
        tenant = self.tenants.get(scope.tenant_id or "")
        return f"/{self.slug}/{tenant.slug}" if tenant else f"/{self.slug}"

    def title(self, scope: Scope) -> str:
        tenant = self.tenants.get(scope.tenant_id or "")
        return f"{tenant.name} · {self.name}" if tenant else self.name

    def services_of(self, scope: Scope) -> list[ServiceFacts]:
        """In page order: the organization's own first."""
        return [service for service in self.services if scope.shows(service.tenant_id)]

    def incidents_of(self, scope: Scope) -> list[IncidentFacts]:
        """Newest first."""
        return [incident for incident in self.incidents.values() if scope.shows(incident.tenant_id)]

    def open_incidents(self, scope: Scope) -> list[IncidentFacts]:
        return [incident for incident in self.incidents_of(scope) if incident.resolved_at is None]

    def affected(self, incident: IncidentFacts) -> tuple[tuple[str, ServiceStatus], ...]:
        """(name, what the newest update says) of the incident's services, those that still exist."""
        names = self._service_names
        return tuple(sorted((names[id], status) for id, status in incident.said if id in names))

    @cached_property
    def _service_names(self) -> dict[str, str]:
        return {service.id: service.name for service in self.services}

    def is_empty(self, scope: Scope) -> bool:
        """Whether there is nothing yet whose status could be told."""
        return not self.services_of(scope) and not self.open_incidents(scope)

    def local_day(self, moment: datetime) -> date:
        return moment.astimezone(ZoneInfo(self.timezone)).date()

    def status(self, scope: Scope) -> ServiceStatus:
        """The scope as a whole: the worst service, or the worst open incident that names none."""
        return worst(
            [
                *(service.status for service in self.services_of(scope)),
                *(i.impact.status for i in self.open_incidents(scope) if not self.affected(i)),
            ]
        )

    def description(self, scope: Scope) -> str:
        """The sentence that answers at a glance."""
        status = self.status(scope)
        counts = Counter(service.status for service in self.services_of(scope))
        affected = sum(
            n for s, n in counts.items() if s not in (ServiceStatus.OPERATIONAL, ServiceStatus.MAINTENANCE)
        )
        watched = len(self.open_incidents(scope))
        if self.is_empty(scope):
            return "No services yet"
        if status is ServiceStatus.OPERATIONAL:
            return "All systems operational" + (
                f", {_count(watched, 'incident')} being watched" if watched else ""
            )
        if status is ServiceStatus.MAINTENANCE:
            return f"Maintenance: {_count(counts[status], 'service')}"
        if not affected:
            return f"{status.word}: {_count(watched, 'open incident')}"
        return f"{status.word}: {_count(affected, 'service')} affected"

    def status_json(self, scope: Scope) -> dict[str, Any]:
        """`GET /api/status`, and the data of a derived `status-update`."""
        tenant = self.tenants.get(scope.tenant_id or "")
        services, incidents = self.services_of(scope), self.incidents_of(scope)
        counts = Counter(service.status for service in services)
        changed = [service.updated_at for service in services] + [i.updated_at for i in incidents]
        return {
            "organizationId": self.id,
            "tenantId": scope.tenant_id,
            "slug": tenant.slug if tenant else self.slug,
            "name": tenant.name if tenant else self.name,
            "status": self.status(scope).value,
            "description": self.description(scope),
            "services": {status.value: counts[status] for status in ServiceStatus},
            "openIncidents": len(self.open_incidents(scope)),
            "cursor": self.cursor(scope),
            "updatedAt": iso(max([self.created_at, *changed])),
        }


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


# --- loading ---------------------------------------------------------------------------------------


def load(
    session: Session,
    organization_id: str,
    incident_ids: Iterable[str] = (),
    known: Mapping[str, IncidentFacts] | None = None,
) -> State | None:
    """The state in this session's snapshot, with these incidents even if they are old; None when gone.

    `known`: incidents of an earlier state that nothing has changed since; they are not read again.
    """
    row = session.get(Organization, organization_id)
    if row is None:
        return None
    return State(
        id=row.id,
        slug=row.slug,
        name=row.name,
        public=row.visibility == Visibility.PUBLIC,
        timezone=row.timezone,
        today=row.today,
        epoch=row.epoch,
        seq=row.seq,
        own_seq=row.own_seq,
        pruned_through=row.pruned_through,
        created_at=row.created_at,
        tenants=_tenants(session, row),
        groups=_groups(session, row),
        services=_services(session, row),
        incidents=_incidents(session, row, incident_ids, known or {}),
    )


def _tenants(session: Session, organization: Organization) -> dict[str, TenantFacts]:
    rows = session.execute(
        select(Tenant.id, Tenant.slug, Tenant.name, Tenant.visibility, Tenant.seq)
        .where(Tenant.organization_id == organization.id)
        .order_by(Tenant.name, Tenant.id)
    )
    return {
        id: TenantFacts(id, slug, name, organization.public and visibility == Visibility.PUBLIC, seq)
        for id, slug, name, visibility, seq in rows
    }


def _groups(session: Session, organization: Organization) -> tuple[GroupFacts, ...]:
    rows = session.execute(
        select(ServiceGroup.id, ServiceGroup.tenant_id, ServiceGroup.name)
        .where(ServiceGroup.organization_id == organization.id)
        .order_by(ServiceGroup.position, ServiceGroup.id)
    )
    return tuple(GroupFacts(*row) for row in rows)


def _services(session: Session, organization: Organization) -> tuple[ServiceFacts, ...]:
    rows = session.execute(
        select(
            Service.id,
            Service.tenant_id,
            Service.group_id,
            Service.name,
            Service.description,
            Service.status,
            Service.updated_at,
        )
        .where(Service.organization_id == organization.id)
        .order_by(Service.tenant_id.is_not(None), Service.position, Service.id)
    )
    return tuple(ServiceFacts(*row[:5], ServiceStatus(row[5]), row[6]) for row in rows)


def _incidents(
    session: Session,
    organization: Organization,
    ids: Iterable[str],
    known: Mapping[str, IncidentFacts],
) -> dict[str, IncidentFacts]:
    """Open ones, those of the last days, and the ones asked for; newest first."""
    first_day = organization.today - timedelta(days=DAYS + 1)
    recent = datetime.combine(first_day, datetime.min.time(), ZoneInfo(organization.timezone))
    shown = session.scalars(
        select(Incident.id)
        .where(
            Incident.organization_id == organization.id,
            or_(Incident.resolved_at.is_(None), Incident.started_at >= recent, Incident.id.in_(list(ids))),
        )
        .order_by(Incident.started_at.desc(), Incident.id)
    ).all()
    unknown = [id for id in shown if id not in known]
    read = {row.id: row for row in session.scalars(select(Incident).where(Incident.id.in_(unknown)))}
    updates = _updates(session, unknown)
    return {id: known.get(id) or _incident(read[id], updates.get(id, [])) for id in shown}


def _updates(session: Session, incident_ids: list[str]) -> dict[str, list[IncidentUpdate]]:
    found: dict[str, list[IncidentUpdate]] = {}
    for update in session.scalars(
        select(IncidentUpdate)
        .where(IncidentUpdate.incident_id.in_(incident_ids))
        .order_by(IncidentUpdate.number.desc())
    ):
        found.setdefault(update.incident_id, []).append(update)
    return found


def _incident(row: Incident, updates: list[IncidentUpdate]) -> IncidentFacts:
    said = [ServiceStatus(status) for update in updates for status in update.services.values()]
    newest = updates[0].services if updates else {}
    return IncidentFacts(
        id=row.id,
        tenant_id=row.tenant_id,
        title=row.title,
        status=IncidentStatus(row.status),
        impact=Impact(row.set_impact) if row.set_impact else Impact.of(worst(said)),
        started_at=row.started_at,
        resolved_at=row.resolved_at,
        updated_at=row.updated_at,
        updates=tuple(UpdateFacts(u.id, IncidentStatus(u.status), u.message, u.created_at) for u in updates),
        said=tuple((id, ServiceStatus(status)) for id, status in newest.items()),
    )
