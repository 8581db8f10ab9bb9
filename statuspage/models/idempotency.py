"""Idempotency-Key: what a POST was answered, kept in the transaction that it guards.

draft-ietf-httpapi-idempotency-key-header: the same key with the same request gets the first answer.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON
from sqlalchemy.orm import Mapped, mapped_column

from ..clock import now
from ..database import Model, db
from .errors import Invalid

KEPT = timedelta(hours=24)


class Reused(Invalid):
    """The key came with another request before; `body` is what that one was answered."""

    def __init__(self, body: Any) -> None:
        super().__init__("This Idempotency-Key was used for another request. Use a new one.")
        self.body = body


class IdempotentRequest(Model):
    """One answered POST. `caller` is the token or user; `fingerprint` a digest of path and body."""

    __tablename__ = "idempotent_request"

    caller: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    status: Mapped[int]
    body: Mapped[Any] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)


def earlier(caller: str, key: str, fingerprint: str) -> IdempotentRequest | None:
    """The answer to the same request; Reused when the key came with another one."""
    found = db.session.get(IdempotentRequest, (caller, key))
    if found and found.created_at < now() - KEPT:
        db.session.delete(found)
        db.session.flush()
        return None
    if found and found.fingerprint != fingerprint:
        raise Reused(found.body)
    return found


def remember(caller: str, key: str, fingerprint: str, status: int, body: Any) -> None:
    """Keep an answer, until it is KEPT long: see retention.py."""
    db.session.add(
        IdempotentRequest(caller=caller, key=key, fingerprint=fingerprint, status=status, body=body)
    )
