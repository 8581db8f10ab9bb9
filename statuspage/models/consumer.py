"""Consumer: a program whose position in the log is kept for it, and moves when it says what it handled."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import ForeignKey, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from ..clock import iso, now
from ..database import Model, db, new_id
from .errors import Conflict, Invalid
from .last_use import LastUse
from .organization import Organization, Tenant
from .scope import Scope

MOST = 100
"""Consumers that one organization may have."""

MOST_OF_ONE = 20
"""Consumers that one user may have there: nobody takes the places of all others."""

SEEN = timedelta(minutes=1)  # how exactly `seen_at` is kept


class Consumer(Model):
    """It listens to one scope, as one user: any token of that user with the right to it may go on with it.

    All lines up to `epoch`, `seq` are acknowledged. `consumer_id` is the client's own name for it. What it
    may read is asked of the user's rights whenever it reads. Lines wait for it as long as the log keeps them.
    """

    __tablename__ = "consumer"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id", ondelete="CASCADE"))
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenant.id", ondelete="CASCADE"), index=True)
    whole: Mapped[bool] = mapped_column(default=False)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    consumer_id: Mapped[str]
    epoch: Mapped[str]
    seq: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now)

    organization: Mapped[Organization] = relationship()

    __table_args__ = (UniqueConstraint("organization_id", "user_id", "consumer_id"),)

    @classmethod
    def register(
        cls,
        organization: Organization,
        tenant: Tenant | None,
        *,
        user_id: str,
        consumer_id: str,
        whole: bool = False,
        position: tuple[str, int] | None = None,
    ) -> Self:
        """Keep a position for this user's consumer from now on, or from `position` (epoch, seq).

        Call it inside transaction(organization). Conflict (field `consumerId`) when the user has one of this
        name, or the organization too many; Invalid (field `cursor`) for a position that is not in the log.
        """
        if find(db.session(), user_id, organization.id, consumer_id):
            raise Conflict("You have a consumer of this name already. Go on with it.", "consumerId")
        here = select(func.count()).where(cls.organization_id == organization.id)
        if (db.session.scalar(here.where(cls.user_id == user_id)) or 0) >= MOST_OF_ONE:
            raise Conflict(
                f"You have at most {MOST_OF_ONE} consumers of an organization. Delete one first.",
                "consumerId",
            )
        if (db.session.scalar(here) or 0) >= MOST:
            raise Conflict(f"An organization has at most {MOST} consumers. Delete one first.", "consumerId")
        if position:
            check_position(organization, *position, field="cursor")
        epoch, seq = position or (organization.epoch, organization.seq)
        consumer = cls(
            organization=organization,
            tenant_id=tenant.id if tenant else None,
            whole=whole,
            user_id=user_id,
            consumer_id=consumer_id,
            epoch=epoch,
            seq=seq,
        )
        db.session.add(consumer)
        db.session.flush()
        return consumer

    @property
    def scope(self) -> Scope:
        return Scope(self.organization_id, self.tenant_id, whole=self.whole)

    @property
    def cursor(self) -> str:
        """The position up to which all is acknowledged."""
        return f"{self.epoch}:{self.seq}"

    def acknowledge(self, epoch: str, seq: int) -> bool:
        """All lines up to this one were handled; whether that is further than before. Nothing moves back.

        Call it on a consumer that was locked(). Invalid (field `id`) for a position that is not in the log.
        """
        check_position(self.organization, epoch, seq, field="id")
        forward = epoch != self.epoch or seq > self.seq
        if forward:
            self.epoch, self.seq = epoch, seq
        if forward or now() - self.seen_at > SEEN:
            self.seen_at = now()
        return forward

    def see(self) -> None:
        """Remember that it asked; at most once a minute. last_seen.store() writes it."""
        if now() - self.seen_at > SEEN:
            last_seen.note(self.id)

    def remove(self) -> None:
        """Forget it and its position. Who listens as it goes on listening, and acknowledges in vain."""
        db.session.delete(self)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "consumerId": self.consumer_id,
            "organizationId": self.organization_id,
            "tenantId": self.tenant_id,
            "scope": "all" if self.whole else None,
            "userId": self.user_id,
            "cursor": self.cursor,
            "createdAt": iso(self.created_at),
            "seenAt": iso(self.seen_at),
        }


def check_position(organization: Organization, epoch: str, seq: int, *, field: str) -> None:
    """Invalid unless it is a position of this log as it is now: of its epoch, and not beyond its end."""
    if epoch != organization.epoch:
        raise Invalid(
            "This position is of another log, or from before this one began anew. "
            "Read the state again, and go on from the cursor that came with `reset`.",
            field,
        )
    if seq > organization.seq:
        raise Invalid("The log has not come so far. Send the `id` of an event that you received.", field)


def find(session: Session, user_id: str, organization_id: str, consumer_id: str) -> Consumer | None:
    """The user's consumer of this name in the organization."""
    return session.scalar(
        select(Consumer).where(
            Consumer.organization_id == organization_id,
            Consumer.user_id == user_id,
            Consumer.consumer_id == consumer_id,
        )
    )


def locked(ids: Collection[str]) -> dict[str, Consumer]:
    """Those of these that there are, by id, with their organizations; nobody else moves them meanwhile.

    Call it inside transaction().
    """
    rows = (
        select(Consumer)
        .where(Consumer.id.in_(ids))
        .order_by(Consumer.id)  # so that two nodes never wait for each other
        .options(joinedload(Consumer.organization, innerjoin=True))
        .with_for_update(of=Consumer)
    )
    return {consumer.id: consumer for consumer in db.session.scalars(rows)}


# --- last asked ------------------------------------------------------------------------------------


last_seen = LastUse(Consumer.seen_at)
