"""Incident and its updates: what went wrong, and what was said of it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import MISSING, AfterValidator, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from ..models.status import Impact, IncidentStatus, ServiceStatus
from .query import ListQuery
from .shape import Answer, Change, Form, Request
from .text import Id, Message, Title

Affected = Annotated[dict[Id, ServiceStatus], Field(max_length=500)]


def _by_update_only(_: Any) -> Any:
    raise ValueError("The status changes only through an update: POST it to the incident's `updates`")


class NewIncident(Request):
    """An incident to open, with its first message."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "organizationId": "org-456",
                    "title": "Checkout is slow",
                    "message": "We are looking into it.",
                    "impact": "minor",
                }
            ]
        }
    )

    organization_id: Id
    tenant_id: Id | None = None
    """The tenant whose page alone shows it."""
    title: Title
    message: Message
    status: IncidentStatus = IncidentStatus.INVESTIGATING
    """Any but `resolved`."""
    impact: Impact | None = None
    """Null: computed from the worst status of an affected service."""
    services: Affected = {}
    """The status that each affected service of the same page takes, by its id."""


class IncidentChange(Change):
    """What is to differ; PUT and PATCH mean the same. The status changes only through an update."""

    model_config = ConfigDict(
        json_schema_extra={"minProperties": 1, "examples": [{"title": "Checkout is slow in Europe"}]}
    )

    title: Title | MISSING = MISSING
    impact: Impact | None | MISSING = MISSING
    """Null: computed again."""
    status: SkipJsonSchema[Annotated[Any, AfterValidator(_by_update_only)]] = MISSING


class NewUpdate(Request):
    """What is new in an incident."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "identified", "message": "A disk is full."}]}
    )

    status: IncidentStatus
    """`resolved` closes the incident, once and for all."""
    message: Message
    services: Affected = {}
    """Services that are not named keep what was said of them last."""


class IncidentQuery(ListQuery):
    status: Literal["open", "resolved"] | None = None
    """Only those that still run, or only those that are over."""


class Update(Answer):
    id: str
    status: IncidentStatus
    message: str
    services: dict[str, ServiceStatus]
    """What it says of each affected service, by its id."""
    created_at: datetime


class UpdateList(Answer):
    """Newest first."""

    items: list[Update]
    next: str | None
    """Ask again with `after` set to this; null on the last page."""


class Incident(Answer):
    id: str
    organization_id: str
    tenant_id: str | None
    """Null: the organization's own."""
    title: str
    status: IncidentStatus
    impact: Impact
    """As set, or computed from the worst status of an affected service."""
    service_ids: list[str]
    started_at: datetime
    resolved_at: datetime | None
    updated_at: datetime
    updates: list[Update]
    """Newest first."""


class IncidentList(Answer):
    """Newest first."""

    items: list[Incident]
    next: str | None
    """Ask again with `after` set to this; null on the last page."""


# --- the forms of the admin --------------------------------------------------------------------------


class Report(Form):
    """An incident to open. `tenant`: on whose page; left out, the organization's own."""

    title: Title
    tenant: Id | None = None
    services: Affected = {}
    message: Message
    status: IncidentStatus = IncidentStatus.INVESTIGATING
    impact: Impact | None = None


class UpdateForm(Form):
    """What is new in an incident that goes on."""

    status: Literal[IncidentStatus.INVESTIGATING, IncidentStatus.IDENTIFIED, IncidentStatus.MONITORING]
    services: Affected = {}
    message: Message


class Resolution(Form):
    message: Message = "This incident is resolved."


class IncidentForm(Form):
    title: Title
    impact: Impact | None = None


class MessageForm(Form):
    message: Message
