"""Reading an organization's state from the database, all of it in one snapshot."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import case, or_, select
from sqlalchemy.orm import Session

from ..models.incident import Incident, IncidentUpdate
from ..models.organization import Organization, Tenant
from ..models.service import Service, ServiceGroup
from ..models.status import Impact, IncidentStatus, ServiceStatus, Visibility, worst
from . import inside, team, views
from .state import DAYS, GroupFacts, IncidentFacts, ServiceFacts, State, TenantFacts, UpdateFacts


def load(
    session: Session,
    organization_id: str,
    shown: Iterable[str] = (),
    known: Mapping[str, IncidentFacts] | None = None,
) -> State | None:
    """The state in this session's snapshot, with all that these views show; None when it is gone.

    `known`: incidents of an earlier state that nothing has changed since; they are not read again.
    """
    row, shown = session.get(Organization, organization_id), list(shown)
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
        accent=row.accent,
        logo=row.logo_hash,
        logo_type=row.logo_type,
        indexed=row.indexed,
        embed_origins=tuple(row.embed_origins),
        tenants=_tenants(session, row),
        groups=_groups(session, row),
        services=_services(session, row),
        incidents=_incidents(session, row, filter(None, map(views.incident_id, shown)), known or {}),
        inside=_inside(session, row.id, [view for view in shown if views.needs_inside(view)]),
        team=team.load(session, row.id) if any(map(views.needs_team, shown)) else None,
    )


def _inside(session: Session, organization_id: str, shown: list[str]) -> inside.Inside | None:
    """What members see, if they look; with the incidents that they have a screen of."""
    if not shown:
        return None
    return inside.load(session, organization_id, filter(None, map(views.incident_id, shown)))


def _tenants(session: Session, organization: Organization) -> dict[str, TenantFacts]:
    rows = session.execute(
        select(Tenant.id, Tenant.slug, Tenant.name, Tenant.visibility, Tenant.seq)
        .where(Tenant.organization_id == organization.id)
        .order_by(Tenant.name, Tenant.id)
    )
    public = organization.public
    return {
        id: TenantFacts(id, slug, name, public and visibility == Visibility.PUBLIC, seq)
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
            case((Service.own_status != ServiceStatus.OPERATIONAL.value, Service.set_at)),
        )
        .where(Service.organization_id == organization.id)
        .order_by(Service.tenant_id.is_not(None), Service.position, Service.id)
    )
    return tuple(
        ServiceFacts(
            id, tenant_id, group_id, name, description, ServiceStatus(status), updated_at, wrong_since
        )
        for id, tenant_id, group_id, name, description, status, updated_at, wrong_since in rows
    )


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
    read = read_incidents(session, [id for id in shown if id not in known])
    return {id: known.get(id) or read[id] for id in shown}


def read_incidents(session: Session, ids: Sequence[str]) -> dict[str, IncidentFacts]:
    """These incidents with all that was said in them, in this order."""
    if not ids:
        return {}
    rows = {row.id: row for row in session.scalars(select(Incident).where(Incident.id.in_(ids)))}
    updates = _updates(session, ids)
    return {id: _incident(rows[id], updates.get(id, [])) for id in ids}


def _updates(session: Session, incident_ids: Sequence[str]) -> dict[str, list[IncidentUpdate]]:
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
