"""Live connections: who listens, and what is told to them by hand."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import MISSING, AfterValidator, ConfigDict, model_validator

from .shape import Answer, Request
from .text import Id

LARGEST = 16 * 1024  # bytes of a broadcast's data


def _sendable(data: dict[str, Any]) -> dict[str, Any]:
    try:
        size = len(json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode())
    except (ValueError, TypeError, RecursionError):
        raise ValueError("This cannot be written as JSON (RFC 8259)") from None
    if size > LARGEST:
        raise ValueError(f"At most {LARGEST} bytes of JSON; these are {size}")
    return data


class Broadcast(Request):
    """An event to send by hand, through the log: who is away now gets it later."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "service-update",
                    "data": {"id": "api", "status": "degraded"},
                    "organizationId": "org-456",
                }
            ]
        }
    )

    type: Literal["service-update", "incident-update", "status-update"]
    """The event's name."""
    data: Annotated[dict[str, Any], AfterValidator(_sendable)]
    """Anything, up to 16 KB of JSON; clients get it as the event's `data`."""
    organization_id: Id | None = None
    """Left out: every organization, for instance operators only."""
    tenant_id: Id | None = None

    @model_validator(mode="after")
    def _tenant_of_something(self) -> "Broadcast":
        if self.tenant_id and not self.organization_id:
            raise ValueError("Say which organization the tenant belongs to: give organizationId")
        return self


class BroadcastSent(Answer):
    success: Literal[True]
    broadcast_id: str
    """Names the broadcast; the same in every organization that it went to."""
    ids: list[str]
    """The position `EPOCH:SEQ` of the event in each organization's log: the `id` that clients see."""


class InfoQuery(Request):
    """Without `organizationId`: all organizations, for instance operators only."""

    organization_id: Id | None = None
    """The organization, by id."""
    tenant_id: Id | None = None
    """Only those who watch this tenant's page."""


class Client(Answer):
    client_id: str
    user_id: str | None
    """Null: a visitor."""
    role: str | None
    """The role in what is watched; null when it just ended."""
    view: str
    """`data`, or an HTML view."""
    transport: str
    """`websocket`, `polling`, `sse` or `poll`."""
    organization_id: str
    tenant_id: str | None
    since: datetime


class Info(Answer):
    """Connections to all nodes that live. Those of other nodes are written down every two seconds."""

    organization_id: str | None
    tenant_id: str | None
    connections: int
    rooms: dict[str, int]
    """How many of these connections sit in each room."""
    views: dict[str, int]
    transports: dict[str, int]
    nodes: dict[str, int]
    """By name (the setting NODE; one without it answers for `this`, and has a made-up name at the others)."""
    clients: list[Client] | MISSING = MISSING
    """Only for those who may know (connection.list)."""
