"""ServiceGroup: a heading that services of the same page stand under."""

from datetime import datetime

from pydantic import MISSING, ConfigDict

from .shape import Answer, Change, Form, Request
from .text import Id, Name, Position


class NewGroup(Request):
    """A group to create, at the end of its page unless `position` says otherwise."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Websites", "organizationId": "org-456"}]}
    )

    organization_id: Id
    tenant_id: Id | None = None
    """The tenant whose page alone shows it."""
    name: Name
    position: Position | None = None


class GroupChange(Change):
    """What is to differ; PUT and PATCH mean the same."""

    name: Name | MISSING = MISSING
    position: Position | MISSING = MISSING


class Group(Answer):
    id: str
    organization_id: str
    tenant_id: str | None
    """Null: the organization's own."""
    name: str
    position: int
    """Lower stands higher on the page."""
    created_at: datetime


class GroupList(Answer):
    """In page order."""

    items: list[Group]
    next: str | None
    """Ask again with `after` set to this; null on the last page."""


class GroupForm(Form):
    """A group in the admin. `tenant`: on whose page; it matters when the group is made."""

    name: Name
    tenant: Id | None = None
