"""What only members see of an organization: who did what, and what the operators' own word was."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..models.event import Event
from ..models.incident import IncidentUpdate
from ..models.service import Service
from ..models.status import ServiceStatus
from ..models.user import User

RECENT = 12  # lines of the activity
SILENT = ("day",)  # lines that nobody did


@dataclass(frozen=True, slots=True)
class ControlFacts:
    """The operator's word for a service, the one before it, and who said it when."""

    own_status: ServiceStatus
    previous: ServiceStatus | None
    set_at: datetime | None
    set_by: str


@dataclass(frozen=True, slots=True)
class DeedFacts:
    """A line of the log, as the activity shows it."""

    seq: int
    name: str
    type: str
    subject: str
    tenant_id: str | None
    title: str
    status: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SaidFacts:
    """Who said an update, what it says of services (by id), and when somebody corrected it."""

    by: str
    services: tuple[tuple[str, ServiceStatus], ...]
    edited_at: datetime | None


@dataclass(frozen=True, slots=True)
class Inside:
    """`said`: by update, for the incidents that somebody has a screen of."""

    controls: dict[str, ControlFacts]
    deeds: tuple[DeedFacts, ...]
    said: dict[str, SaidFacts]


def load(session: Session, organization_id: str, incident_ids: Iterable[str] = ()) -> Inside:
    """From the session's snapshot."""
    services = session.execute(
        select(Service.id, Service.own_status, Service.previous_status, Service.set_at, Service.set_by).where(
            Service.organization_id == organization_id
        )
    ).all()
    events = session.scalars(
        select(Event)
        .where(Event.organization_id == organization_id, Event.name.not_in(SILENT))
        .order_by(Event.seq.desc())
        .limit(RECENT)
    ).all()
    updates = session.execute(
        select(
            IncidentUpdate.id, IncidentUpdate.user_id, IncidentUpdate.services, IncidentUpdate.edited_at
        ).where(IncidentUpdate.incident_id.in_(list(incident_ids)))
    ).all()
    people = {*(row.set_by for row in services), *(event.user_id for event in events)}
    names = _names(session, people | {row.user_id for row in updates})
    return Inside(
        controls={
            row.id: ControlFacts(
                own_status=ServiceStatus(row.own_status),
                previous=ServiceStatus(row.previous_status) if row.previous_status else None,
                set_at=row.set_at,
                set_by=names.get(row.set_by, ""),
            )
            for row in services
        },
        deeds=tuple(_deed(event, names) for event in events),
        said={
            row.id: SaidFacts(
                by=names.get(row.user_id, ""),
                services=tuple((id, ServiceStatus(status)) for id, status in sorted(row.services.items())),
                edited_at=row.edited_at,
            )
            for row in updates
        },
    )


def _names(session: Session, ids: set[str | None]) -> dict[str | None, str]:
    rows = session.execute(select(User.id, User.name).where(User.id.in_([id for id in ids if id])))
    return {row.id: row.name for row in rows}


def _deed(event: Event, names: dict[str | None, str]) -> DeedFacts:
    data: dict[str, Any] = event.data if isinstance(event.data, dict) else {}
    return DeedFacts(
        seq=event.seq,
        name=event.name,
        type=event.type,
        subject=event.subject,
        tenant_id=event.tenant_id,
        title=str(data.get("name") or data.get("title") or ""),
        status=str(data.get("status") or ""),
        by=names.get(event.user_id, ""),
        at=event.created_at,
    )
