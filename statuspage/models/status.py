"""The vocabulary of status: one order of severity for everything that shows one."""

from collections.abc import Iterable
from enum import StrEnum


class ServiceStatus(StrEnum):
    """In order of severity: maintenance counts only where nothing is worse."""

    OPERATIONAL = "operational"
    MAINTENANCE = "maintenance"
    DEGRADED = "degraded"
    PARTIAL_OUTAGE = "partial_outage"
    MAJOR_OUTAGE = "major_outage"

    @property
    def severity(self) -> int:
        return _SEVERITY[self]

    @property
    def word(self) -> str:
        return _WORDS[self]


_SEVERITY = {status: place for place, status in enumerate(ServiceStatus)}
_WORDS = {
    ServiceStatus.OPERATIONAL: "Operational",
    ServiceStatus.MAINTENANCE: "Maintenance",
    ServiceStatus.DEGRADED: "Degraded performance",
    ServiceStatus.PARTIAL_OUTAGE: "Partial outage",
    ServiceStatus.MAJOR_OUTAGE: "Major outage",
}


CHOICES = (
    ServiceStatus.OPERATIONAL,
    ServiceStatus.DEGRADED,
    ServiceStatus.PARTIAL_OUTAGE,
    ServiceStatus.MAJOR_OUTAGE,
    ServiceStatus.MAINTENANCE,
)
"""As they stand side by side to choose from: from well to bad, and what was planned apart."""


def worst(statuses: Iterable[ServiceStatus]) -> ServiceStatus:
    """The most severe of them; operational when there is none."""
    return max(statuses, key=lambda status: status.severity, default=ServiceStatus.OPERATIONAL)


class IncidentStatus(StrEnum):
    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"

    @property
    def word(self) -> str:
        return self.value.capitalize()


class Impact(StrEnum):
    """How bad an incident is as a whole, in order of severity."""

    NONE = "none"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"

    @classmethod
    def of(cls, status: ServiceStatus) -> "Impact":
        return _IMPACT_OF.get(status, cls.NONE)

    @property
    def status(self) -> ServiceStatus:
        """What an incident that names no service says of the whole page."""
        return _STATUS_OF.get(self, ServiceStatus.OPERATIONAL)


_IMPACT_OF = {
    ServiceStatus.DEGRADED: Impact.MINOR,
    ServiceStatus.PARTIAL_OUTAGE: Impact.MAJOR,
    ServiceStatus.MAJOR_OUTAGE: Impact.CRITICAL,
}
_STATUS_OF = {impact: status for status, impact in _IMPACT_OF.items()}


class Visibility(StrEnum):
    PUBLIC = "public"
    PRIVATE = "private"
