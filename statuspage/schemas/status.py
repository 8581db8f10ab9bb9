"""Status: a scope as a whole, at a glance."""

from datetime import datetime

from ..models.status import ServiceStatus
from .shape import Answer


class ServiceCounts(Answer):
    """How many services show each status."""

    operational: int
    maintenance: int
    degraded: int
    partial_outage: int
    major_outage: int

    # The keys are values of a status, not names of ours: they stay as they are.
    model_config = {"alias_generator": None}


class Status(Answer):
    organization_id: str
    tenant_id: str | None
    slug: str
    name: str
    status: ServiceStatus
    """The worst of its services, or of an open incident that names none."""
    description: str
    """One sentence that says the same."""
    services: ServiceCounts
    open_incidents: int
    cursor: str
    """The position in the log that this is true for: `EPOCH:SEQ`."""
    updated_at: datetime
