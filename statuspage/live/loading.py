"""Reading an organization's state from the database, all of it in one snapshot."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, case, or_, select
from sqlalchemy.orm import Session

from ..models.event import BROADCAST
from ..models.incident import Incident, IncidentUpdate
from ..models.organization import Organization, Tenant
from ..models.service import Service, ServiceGroup
from ..models.status import Impact, IncidentStatus, ServiceStatus, Visibility, worst
from . import inside, team, views
from .facts import GroupFacts, IncidentFacts, ServiceFacts, TenantFacts, UpdateFacts
from .feed import Line
from .state import DAYS, State

# Written once, asked with every change: to build a statement takes longer than to ask it.
TENANTS = (
    select(Tenant.id, Tenant.slug, Tenant.name, Tenant.visibility, Tenant.seq, Tenant.shown_seq)
    .where(Tenant.organization_id == bindparam("organization"))
    .order_by(Tenant.name, Tenant.id)
)
GROUPS = (
    select(ServiceGroup.id, ServiceGroup.tenant_id, ServiceGroup.name)
    .where(ServiceGroup.organization_id == bindparam("organization"))
    .order_by(ServiceGroup.position, ServiceGroup.id)
)
SERVICES = (
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
    .where(Service.organization_id == bindparam("organization"))
    .order_by(Service.tenant_id.is_not(None), Service.position, Service.id)
)
SHOWN_INCIDENTS = (
    select(Incident.id)
    .where(
        Incident.organization_id == bindparam("organization"),
        or_(
            Incident.resolved_at.is_(None),
            Incident.started_at >= bindparam("recent"),
            Incident.id.in_(bindparam("asked", expanding=True)),
        ),
    )
    .order_by(Incident.started_at.desc(), Incident.id)
)


def load(
    session: Session,
    organization_id: str,
    shown: Collection[str] = (),
    known: Mapping[str, IncidentFacts] | None = None,
) -> State | None:
    """The state in this session's snapshot, with all that these views show; None when it is gone.

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
        shown_seq=row.shown_seq,
        own_shown_seq=row.own_shown_seq,
        created_at=row.created_at,
        accent=row.accent,
        logo=row.logo_hash,
        logo_type=row.logo_type,
        indexed=row.indexed,
        embed_origins=tuple(row.embed_origins),
        tenants=_tenants(session, row),
        groups=_groups(session, row.id),
        services=_services(session, row.id),
        incidents=_incidents(session, row, shown, known or {}),
        inside=_inside(session, row.id, shown),
        team=team.load(session, row.id) if any(map(views.needs_team, shown)) else None,
    )


def follow(
    session: Session, state: State, lines: Sequence[Line], shown: Collection[str] = (), *, whole: bool = False
) -> State | None:
    """What load() finds after these lines, all that came after `state`: only what they changed is read.

    A broadcast changes nothing but positions; whatever happens to a service or an incident is a line
    about it; the other lines may change anything. `whole`: read it all, as a view is new among `shown`.
    """
    changed = {line.name for line in lines if line.type != BROADCAST}
    known = _unchanged_incidents(state, lines)
    if whole or changed - {"service-update", "incident-update"} or any(map(views.needs_team, shown)):
        return load(session, state.id, shown, known)
    services, incidents = state.services, state.incidents
    if "service-update" in changed:
        services = _services(session, state.id)
    if "incident-update" in changed:
        incidents = _incidents(session, state, shown, known)
    moved = state.moved(lines)
    return replace(moved, services=services, incidents=incidents, inside=_inside(session, state.id, shown))


def _unchanged_incidents(state: State, lines: Iterable[Line]) -> dict[str, IncidentFacts]:
    changed = {line.subject for line in lines}
    return {id: facts for id, facts in state.incidents.items() if id not in changed}


def _inside(session: Session, organization_id: str, shown: Iterable[str]) -> inside.Inside | None:
    """What members see, if they look; with the incidents that they have a screen of."""
    looked_at = [view for view in shown if views.needs_inside(view)]
    if not looked_at:
        return None
    return inside.load(session, organization_id, filter(None, map(views.incident_id, looked_at)))


def _tenants(session: Session, organization: Organization) -> dict[str, TenantFacts]:
    public = organization.public
    return {
        id: TenantFacts(id, slug, name, public and visibility == Visibility.PUBLIC, *positions)
        for id, slug, name, visibility, *positions in session.execute(
            TENANTS, {"organization": organization.id}
        )
    }


def _groups(session: Session, organization_id: str) -> tuple[GroupFacts, ...]:
    return tuple(GroupFacts(*row) for row in session.execute(GROUPS, {"organization": organization_id}))


def _services(session: Session, organization_id: str) -> tuple[ServiceFacts, ...]:
    return tuple(
        ServiceFacts(
            id, tenant_id, group_id, name, description, ServiceStatus(status), updated_at, wrong_since
        )
        for id, tenant_id, group_id, name, description, status, updated_at, wrong_since in session.execute(
            SERVICES, {"organization": organization_id}
        )
    )


def _incidents(
    session: Session,
    organization: Organization | State,
    shown: Iterable[str],
    known: Mapping[str, IncidentFacts],
) -> dict[str, IncidentFacts]:
    """Open ones, those of the last days, and the ones that somebody looks at; newest first."""
    first_day = organization.today - timedelta(days=DAYS + 1)
    wanted = {
        "organization": organization.id,
        "recent": datetime.combine(first_day, datetime.min.time(), ZoneInfo(organization.timezone)),
        "asked": [id for id in map(views.incident_id, shown) if id],
    }
    ids = session.scalars(SHOWN_INCIDENTS, wanted).all()
    read = read_incidents(session, [id for id in ids if id not in known])
    return {id: known.get(id) or read[id] for id in ids}


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
