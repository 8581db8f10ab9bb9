"""One organization as of one position: plain, comparable facts that every board is drawn from."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, Self, TypeVar
from zoneinfo import ZoneInfo

from ..clock import iso, now
from ..models.event import BROADCAST
from ..models.scope import Scope
from ..models.status import Impact, ServiceStatus, worst
from .board import Differences
from .facts import GroupFacts, IncidentFacts, ServiceFacts, TenantFacts
from .feed import Line
from .inside import Inside
from .message import Cursor
from .team import Team

DAYS = 14  # of past incidents on a page

Owned = TypeVar("Owned", ServiceFacts, GroupFacts)  # by a tenant, or by the organization itself


@dataclass(frozen=True)
class State:
    """Everything that pages of this organization show, at position `seq` of its log.

    `shown_seq`, `own_shown_seq`: as models.log.Log has them.
    """

    id: str
    slug: str
    name: str
    public: bool
    timezone: str
    today: date
    epoch: str
    seq: int
    own_seq: int
    shown_seq: int
    own_shown_seq: int
    created_at: datetime
    accent: str | None
    logo: str | None  # the version that its URL names
    logo_type: str | None
    indexed: bool
    embed_origins: tuple[str, ...]
    tenants: dict[str, TenantFacts]
    groups: tuple[GroupFacts, ...]
    services: tuple[ServiceFacts, ...]
    incidents: dict[str, IncidentFacts] = field(default_factory=dict)
    inside: Inside | None = None  # only while somebody looks at an admin screen
    team: Team | None = None  # only while somebody looks at members or tokens

    def moved(self, lines: Iterable[Line]) -> Self:
        """The same facts after these lines: Log._advance() of memory."""
        seq, own_seq, tenants = self.seq, self.own_seq, dict(self.tenants)
        shown_seq, own_shown_seq = self.shown_seq, self.own_shown_seq
        for line in lines:
            seq, shows = line.seq, line.type != BROADCAST
            shown_seq = seq if shows else shown_seq
            if line.tenant_id is None:
                own_seq = seq
                own_shown_seq = seq if shows else own_shown_seq
            elif tenant := tenants.get(line.tenant_id):  # else no position of it is asked for
                tenants[tenant.id] = tenant.moved(seq, shows=shows)
        return replace(
            self,
            seq=seq,
            own_seq=own_seq,
            shown_seq=shown_seq,
            own_shown_seq=own_shown_seq,
            tenants=tenants,
        )

    def position(self, scope: Scope) -> int:
        """The number of the scope's last event (Organization.position, from loaded facts)."""
        if scope.whole:
            return self.seq
        tenant = self.tenants.get(scope.tenant_id or "")
        return max(self.own_seq, tenant.seq if tenant else 0)

    def cursor(self, scope: Scope) -> str:
        return str(Cursor(self.epoch, self.position(scope)))

    def shown_position(self, scope: Scope) -> int:
        """The number of the scope's last event that changed what pages show: no broadcast moves them."""
        if scope.whole:
            return self.shown_seq
        tenant = self.tenants.get(scope.tenant_id or "")
        return max(self.own_shown_seq, tenant.shown_seq if tenant else 0)

    def shown_cursor(self, scope: Scope) -> str:
        return str(Cursor(self.epoch, self.shown_position(scope)))

    def has(self, scope: Scope) -> bool:
        return scope.tenant_id is None or scope.tenant_id in self.tenants

    def is_public(self, scope: Scope) -> bool:
        """Whether everybody may see it. A tenant is never more visible than its organization."""
        tenant = self.tenants.get(scope.tenant_id or "")
        return tenant.public if tenant else self.public

    def is_open_to_all(self, scope: Scope) -> bool:
        """Whether one who proves nothing may read it: access.role_in() of a visitor, from loaded facts."""
        own = scope.organization_id == self.id and self.has(scope)
        return own and not scope.whole and self.is_public(scope)

    def scope_named(self, organization: str, tenant: str | None) -> Scope | None:
        """The scope that slugs or ids lead to: `/{organization}[/{tenant}]`."""
        if organization not in (self.slug, self.id):
            return None
        if tenant is None:
            return Scope(self.id)
        id = self._tenant_names.get(tenant)
        return Scope(self.id, id) if id else None

    @cached_property
    def _tenant_names(self) -> dict[str, str]:
        """Slugs and ids are one namespace."""
        return {name: tenant.id for tenant in self.tenants.values() for name in (tenant.slug, tenant.id)}

    @property
    def is_of_today(self) -> bool:
        """Whether the day that pages show is still the one in the organization's zone."""
        begins, ends = self._day
        return begins <= now().timestamp() < ends

    @cached_property
    def _day(self) -> tuple[float, float]:
        days = (self.today, self.today + timedelta(days=1))
        begins, ends = (datetime.combine(day, datetime.min.time(), ZoneInfo(self.timezone)) for day in days)
        return begins.timestamp(), ends.timestamp()

    def path(self, scope: Scope) -> str:
        """The root-relative path of the scope's page: `/acme` or `/acme/north`."""
        tenant = self.tenants.get(scope.tenant_id or "")
        return f"/{self.slug}/{tenant.slug}" if tenant else f"/{self.slug}"

    def live_path(self, scope: Scope) -> str:
        """The path that a page's changes come from: by ids, which no renaming moves."""
        return f"/{self.id}/{scope.tenant_id}" if scope.tenant_id else f"/{self.id}"

    def title(self, scope: Scope) -> str:
        tenant = self.tenants.get(scope.tenant_id or "")
        return f"{tenant.name} · {self.name}" if tenant else self.name

    def services_of(self, scope: Scope) -> list[ServiceFacts]:
        """In page order: the organization's own first."""
        if scope.whole:
            return list(self.services)
        return [service for id in _shown(scope) for service in self._services_by_tenant.get(id, ())]

    @cached_property
    def _services_by_tenant(self) -> dict[str | None, list[ServiceFacts]]:
        """Once for all pages of a state: there may be a thousand."""
        return _by_tenant(self.services)

    @cached_property
    def _groups_by_tenant(self) -> dict[str | None, list[GroupFacts]]:
        return _by_tenant(self.groups)

    def groups_of(self, scope: Scope) -> list[GroupFacts]:
        """In page order: the organization's own first."""
        shown = (None, *self.tenants) if scope.whole else _shown(scope)
        return [group for id in shown for group in self._groups_by_tenant.get(id, ())]

    @cached_property
    def drawn(self) -> dict[str, tuple[str, str]]:
        """Markup by id, of what is the same on every page of this state: for the next board that shows it."""
        return {}

    @cached_property
    def bodies(self) -> dict[Any, Any]:
        """What pages of this state show, without their paths: for the next tenant that shows the same."""
        return {}

    @cached_property
    def differences(self) -> Differences:
        """Between parts of boards as they were and as this state shows them: for the next board of both."""
        return {}

    def has_own(self, tenant_id: str | None) -> bool:
        """Whether a tenant's page shows anything beside what is the organization's."""
        mine = (self._services_by_tenant, self._groups_by_tenant, self._incidents_by_tenant)
        return any(tenant_id in facts for facts in mine) if tenant_id else False

    def headings(self, tenant_id: str | None) -> list[tuple[GroupFacts | None, list[ServiceFacts]]]:
        """What one page has of its own, group by group; what stands under none comes first."""
        own = self._services_by_tenant.get(tenant_id, ())
        groups = self._groups_by_tenant.get(tenant_id, ())
        return [
            (group, [service for service in own if service.group_id == (group.id if group else None)])
            for group in (None, *groups)
        ]

    def incidents_of(self, scope: Scope) -> list[IncidentFacts]:
        """Newest first."""
        if scope.whole:
            return list(self.incidents.values())
        found = [ranked for id in _shown(scope) for ranked in self._incidents_by_tenant.get(id, ())]
        return [incident for _, incident in sorted(found)]

    @cached_property
    def _incidents_by_tenant(self) -> dict[str | None, list[tuple[int, IncidentFacts]]]:
        """Each with its place in the order."""
        found: dict[str | None, list[tuple[int, IncidentFacts]]] = {}
        for rank, incident in enumerate(self.incidents.values()):
            found.setdefault(incident.tenant_id, []).append((rank, incident))
        return found

    def open_incidents(self, scope: Scope) -> list[IncidentFacts]:
        """The worst first, and the newest among equals."""
        running = [incident for incident in self.incidents_of(scope) if incident.resolved_at is None]
        return sorted(running, key=lambda incident: list(Impact).index(incident.impact), reverse=True)

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
        if scope not in self._statuses:
            silent = (i.impact.status for i in self.open_incidents(scope) if not self.affected(i))
            self._statuses[scope] = worst([*(s.status for s in self.services_of(scope)), *silent])
        return self._statuses[scope]

    @cached_property
    def _statuses(self) -> dict[Scope, ServiceStatus]:
        """Of the scopes that were asked for."""
        return {}

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
            return f"Maintenance in progress: {_count(counts[status], 'service')}"
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


def _shown(scope: Scope) -> tuple[str | None, ...]:
    """Whose things stand on the scope's page."""
    return (None, scope.tenant_id) if scope.tenant_id else (None,)


def _by_tenant(facts: Iterable[Owned]) -> dict[str | None, list[Owned]]:
    found: dict[str | None, list[Owned]] = {}
    for each in facts:
        found.setdefault(each.tenant_id, []).append(each)
    return found


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
