"""Invitation: a link with which somebody new chooses a password. It works once, for a week."""

from datetime import datetime, timedelta
from typing import Self

from sqlalchemy import ForeignKey, delete, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..clock import now
from ..database import Model, db, new_id
from .errors import Conflict, NotAllowed
from .event import ACCESS
from .membership import Membership, organizations_of
from .organization import Organization
from .role import Role
from .secret import digest, new_secret
from .user import User

LIFETIME = timedelta(days=7)


class Invitation(Model):
    """Of one user, by one organization; a new one takes the place of the one before."""

    __tablename__ = "invitation"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), unique=True)
    organization_id: Mapped[str] = mapped_column(
        ForeignKey("organization.id", ondelete="CASCADE"), index=True
    )
    hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]

    user: Mapped[User] = relationship()
    organization: Mapped[Organization] = relationship()

    @classmethod
    def create(cls, user: User, organization: Organization, *, granter: Role) -> tuple[Self, str]:
        """A new link's row and its secret, which is shown this once.

        Whoever has the link becomes that user. So it is made only for somebody who never signed in, has
        no place elsewhere, and may do no more than who makes it: Conflict, NotAllowed.
        """
        memberships = db.session.scalars(select(Membership).where(Membership.user_id == user.id)).all()
        if user.password_hash or user.operator:
            raise Conflict(f"{user.name} can sign in already.")
        if not user.email or any(row.organization_id != organization.id for row in memberships):
            raise Conflict(f"{user.name} was invited by somebody else. Ask for the link there.")
        if any(Role(row.role).rank > granter.rank for row in memberships):
            raise NotAllowed(f"{user.name} may do more here than you. Ask an owner for the link.")
        db.session.execute(delete(cls).where(cls.user_id == user.id))
        secret = new_secret()
        invitation = cls(
            user_id=user.id,
            organization_id=organization.id,
            hash=digest(secret),
            expires_at=now() + LIFETIME,
        )
        db.session.add(invitation)
        db.session.flush()
        return invitation, secret

    @property
    def usable(self) -> bool:
        return self.expires_at > now() and not self.user.password_hash

    def accept(self, hash: str) -> User:
        """The user has this password (see hash_password()) and signs in with it from now on.

        Only inside a transaction of organizations_of(user).
        """
        user = self.user
        user.set_password(hash)
        db.session.delete(self)
        db.session.flush()
        for organization in organizations_of(user):
            organization.record(ACCESS, "joined", user.id)
        return user


def check_grant(user: User, organization: Organization, role: Role) -> None:
    """Before the user gets a role: whoever has a link that is still out will have it too.

    Conflict (field `email`) when the link is another organization's. An owner's role ends the link, which an
    admin may have made.
    """
    out = db.session.scalar(select(Invitation).where(Invitation.user_id == user.id))
    if out is None or not out.usable:
        return
    if out.organization_id != organization.id:
        raise Conflict(
            f"{user.name} was invited by somebody else and has not joined yet. Try again then.", "email"
        )
    if role is Role.OWNER:
        db.session.delete(out)


def find(secret: str) -> Invitation | None:
    """The usable invitation behind a link's secret."""
    found = db.session.scalar(select(Invitation).where(Invitation.hash == digest(secret)))
    return found if found and found.usable else None
