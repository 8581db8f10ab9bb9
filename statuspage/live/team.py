"""Who may do what in an organization: its members, and the tokens that are good. For admins' eyes only."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..models.membership import Membership
from ..models.role import Role
from ..models.token import ApiToken
from ..models.user import User


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """A role of somebody. `waiting`: invited, and has no password yet. Without `email`: a program."""

    id: str
    user_id: str
    tenant_id: str | None
    role: Role
    name: str
    email: str
    waiting: bool


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """A token that nobody revoked. (When it was last used is not in the log, so no board shows it.)"""

    id: str
    tenant_id: str | None
    role: Role
    name: str
    holder: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Team:
    members: tuple[MemberFacts, ...]
    tokens: tuple[TokenFacts, ...]


def load(session: Session, organization_id: str) -> Team:
    """From the session's snapshot: members by name, tokens with the newest first."""
    members = session.execute(
        select(Membership, User.name, User.email, User.password_hash)
        .join(User, User.id == Membership.user_id)
        .where(Membership.organization_id == organization_id)
        .order_by(User.name, Membership.id)
    )
    tokens = session.execute(
        select(ApiToken, User.name)
        .join(User, User.id == ApiToken.user_id)
        .where(ApiToken.organization_id == organization_id, ApiToken.revoked_at.is_(None))
        .order_by(ApiToken.created_at.desc(), ApiToken.id)
    )
    return Team(
        members=tuple(
            MemberFacts(
                id=row.id,
                user_id=row.user_id,
                tenant_id=row.tenant_id,
                role=Role(row.role),
                name=name,
                email=email or "",
                waiting=bool(email) and not password_hash,
            )
            for row, name, email, password_hash in members
        ),
        tokens=tuple(
            TokenFacts(
                id=row.id,
                tenant_id=row.tenant_id,
                role=Role(row.role),
                name=row.name,
                holder=holder,
                created_at=row.created_at,
                expires_at=row.expires_at,
            )
            for row, holder in tokens
        ),
    )
