"""Consumers: programs whose position in the log is kept for them, and what waits for them there."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from .shape import Answer, Request
from .text import Id

ConsumerId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
Cursor = Annotated[str, Field(min_length=1, max_length=64)]
Wait = Annotated[float, Field(ge=0, le=25, allow_inf_nan=False)]


class NewConsumer(Request):
    """A consumer of a page's events, or, with `scope`, of all pages'."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"consumerId": "billing", "organizationId": "org-456"}]}
    )

    consumer_id: ConsumerId
    """Your own name for it, unique among your consumers of this organization."""
    organization_id: Id
    tenant_id: Id | None = None
    """Left out: the organization's own page."""
    scope: Literal["all"] | None = None
    """`all`: every tenant's events too, for members of the whole organization."""
    cursor: Cursor | None = None
    """The position to begin after, `EPOCH:SEQ`; left out: now."""

    @model_validator(mode="after")
    def _one_scope(self) -> "NewConsumer":
        if self.scope and self.tenant_id:
            raise ValueError("scope=all shows every tenant: leave tenantId out")
        return self


class Consumer(Answer):
    id: str
    """Ours, under which it is found here."""
    consumer_id: str
    """Its user's own name for it, under which Socket.IO finds it."""
    organization_id: str
    tenant_id: str | None
    """Null: the organization's own page."""
    scope: Literal["all"] | None
    user_id: str
    """Whose it is: any token of this user that reaches its page may go on with it."""
    cursor: str
    """The position up to which it acknowledged everything."""
    created_at: datetime
    seen_at: datetime
    """When it last asked or acknowledged, to the minute."""


class ConsumerList(Answer):
    """In the order in which they were registered."""

    items: list[Consumer]
    next: str | None
    """Ask again with `after` set to it; null: that was all."""


class Acknowledgement(Request):
    """Everything up to this event was handled."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "5f1c2e9a:42"}]})

    id: Cursor
    """The `id` of the last event that was handled, or the `cursor` of an answer that was."""


class EventsQuery(Request):
    consumer: Annotated[str, Field(min_length=1, max_length=64)]
    """The consumer, by its `id` or your own `consumerId`."""
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    """How many events at most."""
    wait: Wait = 0
    """Seconds to wait for the first event, at most 25."""


class Event(Answer):
    event: Literal["service-update", "incident-update", "status-update"]
    """Its name."""
    id: str
    """Its position, `EPOCH:SEQ`: what to acknowledge when it was handled."""
    since: str
    """The position of the event before it in the same room, so that a gap shows."""
    type: str
    data: Any
    """The object as this API shows it; of what was deleted, its `id`."""
    organization_id: str
    tenant_id: str | None
    timestamp: datetime


class Events(Answer):
    """Events that were not acknowledged yet, oldest first."""

    events: list[Event]
    cursor: str
    """What to acknowledge when all of them were handled."""
    reset: bool
    """True: what came after the acknowledged position is not to be had any more. Read services and incidents
    again, then acknowledge `cursor`."""
    more: bool
    """Whether more wait: acknowledge these, then ask again."""
