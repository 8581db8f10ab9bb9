"""The client events of Socket.IO. Unknown fields are refused."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from .consumer import ConsumerId

Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]
View = Annotated[str, Field(max_length=80, pattern=r"^[a-z0-9/-]+$")]
CursorText = Annotated[str, Field(max_length=64)]


class Payload(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class Join(Payload):
    """`join-organization`: replay what is after `cursor`, then enter the rooms of the scope.

    `again`: a page that was connected before, and is counted as one that came back.
    """

    organization_id: Id
    tenant_id: Id | None = None
    cursor: CursorText | None = None
    view: View = "data"
    scope: Literal["all"] | None = None
    again: bool = False


class Authenticate(Join):
    """`authenticate`: what a client claims is compared with what its token proves.

    With `consumerId` it goes on from the position that is kept for this consumer.
    """

    user_id: Id | None = None
    user_role: Annotated[str, Field(max_length=20)] | None = None
    token: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    consumer_id: ConsumerId | None = None


class Leave(Payload):
    """`leave-organization`: leaving an organization leaves its tenants."""

    organization_id: Id
    tenant_id: Id | None = None


class Ack(Payload):
    """`ack`: the consumer has handled every event up to this `id`."""

    id: CursorText
    consumer_id: ConsumerId | None = None
    organization_id: Id | None = None


class Ping(Payload):
    """`ping`: a health check without data."""
