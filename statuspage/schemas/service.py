"""Service: something that people depend on."""

from datetime import datetime

from pydantic import MISSING, ConfigDict

from ..models.status import ServiceStatus
from .shape import Answer, Change, Form, Request
from .text import Description, Id, Name, Position


class NewService(Request):
    """A service to create, at the end of its page unless `position` says otherwise."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Test Service", "description": "Test", "organizationId": "org-456"}]
        }
    )

    organization_id: Id
    tenant_id: Id | None = None
    """The tenant whose page alone shows it."""
    group_id: Id | None = None
    """A group of the same page."""
    name: Name
    description: Description = ""
    status: ServiceStatus = ServiceStatus.OPERATIONAL
    """The operator's word: `ownStatus` of the answer."""
    position: Position | None = None


class ServiceChange(Change):
    """What is to differ; PUT and PATCH mean the same."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "examples": [{"status": "degraded"}]})

    group_id: Id | None | MISSING = MISSING
    """A group of the same page; null: under no heading."""
    name: Name | MISSING = MISSING
    description: Description | MISSING = MISSING
    status: ServiceStatus | MISSING = MISSING
    """Sets `ownStatus`. An open incident may still show something worse."""
    position: Position | MISSING = MISSING


class Service(Answer):
    id: str
    organization_id: str
    tenant_id: str | None
    """Null: the organization's own."""
    group_id: str | None
    name: str
    description: str
    status: ServiceStatus
    """What is shown: the worst of `ownStatus` and of what open incidents say."""
    own_status: ServiceStatus
    """The operator's word."""
    position: int
    """Lower stands higher on the page."""
    created_at: datetime
    updated_at: datetime


class ServiceList(Answer):
    """In page order."""

    items: list[Service]
    next: str | None
    """Ask again with `after` set to this; null on the last page."""


class ServiceForm(Form):
    """A service in the admin. `group`: an id; left out, it stands under no heading."""

    name: Name
    description: Description = ""
    group: Id | None = None
    tenant: Id | None = None
    """On whose page; it matters when the service is made, and never changes."""
