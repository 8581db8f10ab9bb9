"""What is known of each thing that pages show: plain and comparable."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from ..models.status import Impact, IncidentStatus, ServiceStatus


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """`wrong_since`: when somebody said so by hand; None while their word is "operational"."""

    id: str
    tenant_id: str | None
    group_id: str | None
    name: str
    description: str
    status: ServiceStatus
    updated_at: datetime
    wrong_since: datetime | None


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
    shown_seq: int

    def moved(self, seq: int, *, shows: bool) -> Self:
        return replace(self, seq=seq, shown_seq=seq if shows else self.shown_seq)
