"""Access: what somebody proved, and what that is worth in a scope."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session, joinedload

from . import session as user_session
from .membership import Membership, membership_role, note_roles, within
from .organization import Organization, Tenant
from .role import Role
from .scope import Scope
from .secret import digest
from .session import UserSession
from .token import ApiToken
from .user import User


@dataclass(frozen=True, slots=True)
class Proof:
    """What somebody proved: a token or a session (looked at again whenever access changes), or nothing.

    `cap` lowers the role of this one connection.
    """

    token_id: str | None = None
    user_id: str | None = None
    expires_at: datetime | None = None
    cap: Role | None = None
    session_id: str | None = None


NOBODY = Proof()


@cache
def _token() -> Select[ApiToken, str, str | None]:
    """By its hash, with all that it is worth in its organization: that is asked next."""
    there = (Membership.user_id == ApiToken.user_id) & (
        Membership.organization_id == ApiToken.organization_id
    )
    return (
        select(ApiToken, Membership.role, Membership.tenant_id)
        .outerjoin(Membership, there)
        .options(joinedload(ApiToken.organization))
        .where(ApiToken.hash == bindparam("hash"))
    )


def prove(session: Session, secret: str) -> Proof | None:
    """The proof behind a token's or a session's secret; None when it is unknown or has ended."""
    if secret.startswith(user_session.PREFIX):
        found = user_session.find(session, secret)
        if found is None:
            return None
        return Proof(session_id=found.id, user_id=found.user_id, expires_at=found.ends_at)
    rows = session.execute(_token(), {"hash": digest(secret)}).all()
    token = rows[0][0] if rows else None
    if token is None or not token.usable:
        return None
    session.info["proved"] = token  # a session forgets what nobody holds, and role_in() asks for it next
    note_roles(session, token.user_id, token.organization_id, [(role, at) for _, role, at in rows if role])
    return Proof(token.id, user_id=token.user_id, expires_at=token.expires_at)


def role_in(session: Session, proof: Proof, scope: Scope) -> Role | None:
    """The role that a proof gives in a scope now; None where even reading is refused.

    A member of one tenant reads the organization's page and that tenant; the whole organization
    takes an organization-wide membership. A token gives the lesser of its own role and its user's.
    """
    organization = session.get(Organization, scope.organization_id)
    tenant = session.get(Tenant, scope.tenant_id) if scope.tenant_id else None
    if organization is None or (
        scope.tenant_id and (tenant is None or tenant.organization_id != organization.id)
    ):
        return None
    role = _proved_role(session, proof, scope)
    if role is None and not scope.whole and organization.public and (tenant is None or tenant.public):
        role = Role.VISITOR
    if role and proof.cap and proof.cap.rank < role.rank:
        role = proof.cap if proof.cap is not Role.VISITOR or role is Role.VISITOR else None
    return role


def role_everywhere(session: Session, proof: Proof) -> Role | None:
    """The role that a proof gives in every organization of the install; None unless it is an operator's."""
    user, limit = _holder(session, proof, None)
    if user is None or limit is None or not user.operator:
        return None
    return min((limit, proof.cap or Role.OPERATOR), key=lambda role: role.rank)


def _proved_role(session: Session, proof: Proof, scope: Scope) -> Role | None:
    user, limit = _holder(session, proof, scope)
    if user is None or limit is None:
        return None
    held = Role.OPERATOR if user.operator else membership_role(session, user, scope)
    return min(limit, held, key=lambda role: role.rank) if held else None


def _holder(session: Session, proof: Proof, scope: Scope | None) -> tuple[User | None, Role | None]:
    """Whose proof it is, if it is still good, and what it is worth at most there (None: everywhere)."""
    if proof.session_id:
        signed_in = session.get(UserSession, proof.session_id)
        if signed_in is None or not signed_in.usable:
            return None, None
        return session.get(User, signed_in.user_id), Role.OPERATOR
    token = session.get(ApiToken, proof.token_id) if proof.token_id else None
    if token is None or not token.usable:
        return None, None
    if scope is None:
        limit = Role(token.role) if token.organization_id is None else None
    elif token.organization_id in (None, scope.organization_id):
        limit = within(Role(token.role), token.tenant_id, scope)
    else:
        limit = None
    return session.get(User, token.user_id), limit
