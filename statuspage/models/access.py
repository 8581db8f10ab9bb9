"""Who may do what: the table role × verb, memberships, tokens, and what a proof is worth in a scope."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import ForeignKey, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from ..clock import iso, now
from ..database import Model, db, new_id
from .errors import Conflict, Invalid
from .event import ACCESS
from .organization import Organization, Tenant
from .scope import Scope
from .user import User


class Role(StrEnum):
    """In order of power; each may do what the ones before it may."""

    VISITOR = "visitor"
    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"
    OWNER = "owner"
    OPERATOR = "operator"

    @property
    def rank(self) -> int:
        return list(Role).index(self)


MEMBER_ROLES = (Role.VIEWER, Role.EDITOR, Role.ADMIN, Role.OWNER)

# The table role × verb: what the least powerful role that may do it is. A verb that is not here is
# nobody's. A private page has no visitors, so `page.read` there begins with the viewer.
LEAST_ROLE = {
    # verb                        visitor  viewer  editor  admin  owner  operator
    "page.read": Role.VISITOR,  #    x        x       x      x      x       x
    "connection.count": Role.VISITOR,  # x    x       x      x      x       x
    "scope.all": Role.VIEWER,  #              x       x      x      x       x
    "service.create": Role.EDITOR,  #                 x      x      x       x
    "service.update": Role.EDITOR,  #                 x      x      x       x
    "service.delete": Role.EDITOR,  #                 x      x      x       x
    "group.create": Role.EDITOR,  #                   x      x      x       x
    "group.update": Role.EDITOR,  #                   x      x      x       x
    "group.delete": Role.EDITOR,  #                   x      x      x       x
    "incident.create": Role.EDITOR,  #                x      x      x       x
    "incident.update": Role.EDITOR,  #                x      x      x       x
    "incident.delete": Role.EDITOR,  #                x      x      x       x
    "broadcast.send": Role.ADMIN,  #                         x      x       x
    "connection.list": Role.ADMIN,  #                        x      x       x
    "broadcast.everywhere": Role.OPERATOR,  #                               x
    "connection.everywhere": Role.OPERATOR,  #                              x
}


def may(role: Role | None, verb: str) -> bool:
    return role is not None and verb in LEAST_ROLE and role.rank >= LEAST_ROLE[verb].rank


class Membership(Model):
    """A role of a user in an organization, or in one tenant of it."""

    __tablename__ = "membership"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    organization_id: Mapped[str] = mapped_column(
        ForeignKey("organization.id", ondelete="CASCADE"), index=True
    )
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenant.id", ondelete="CASCADE"), index=True)
    role: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)

    user: Mapped[User] = relationship()
    organization: Mapped[Organization] = relationship()

    @classmethod
    def grant(cls, user: User, role: Role, organization: Organization, tenant: Tenant | None = None) -> Self:
        """Give the user this role there, in place of the one the user had."""
        if role not in MEMBER_ROLES:
            raise Invalid("Choose viewer, editor, admin or owner.", "role")
        membership = db.session.scalar(
            select(cls).where(
                cls.user_id == user.id,
                cls.organization_id == organization.id,
                cls.tenant_id == (tenant.id if tenant else None),
            )
        )
        if membership is None:
            membership = cls(
                user_id=user.id, organization_id=organization.id, tenant_id=tenant.id if tenant else None
            )
            db.session.add(membership)
        membership.role = role.value
        db.session.flush()
        organization.record(ACCESS, "membership-granted", user.id, tenant=tenant)
        return membership

    def remove(self) -> None:
        organization, tenant = self.organization, self._tenant()
        db.session.delete(self)
        db.session.flush()
        organization.record(ACCESS, "membership-removed", self.user_id, tenant=tenant)

    def _tenant(self) -> Tenant | None:
        return db.session.get(Tenant, self.tenant_id) if self.tenant_id else None


class ApiToken(Model):
    """A user's key for programs. Only its hash is kept; its role never exceeds the user's own.

    Without `organization_id` it reaches the whole install: for instance operators only.
    """

    __tablename__ = "api_token"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    organization_id: Mapped[str | None] = mapped_column(
        ForeignKey("organization.id", ondelete="CASCADE"), index=True
    )
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenant.id", ondelete="CASCADE"))
    role: Mapped[str]
    name: Mapped[str] = mapped_column(default="")
    hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]

    user: Mapped[User] = relationship()
    organization: Mapped[Organization | None] = relationship()

    @classmethod
    def create(
        cls,
        user: User,
        role: Role,
        organization: Organization | None,
        tenant: Tenant | None = None,
        *,
        name: str = "",
        expires_at: datetime | None = None,
        secret: str | None = None,
    ) -> tuple[Self, str]:
        """A new token and its secret, which is shown this once. Conflict when the user's role is less."""
        secret = secret or "sp_" + secrets.token_urlsafe(32)  # 256 bits: a plain hash keeps it safe
        token = cls(
            user_id=user.id,
            organization_id=organization.id if organization else None,
            tenant_id=tenant.id if tenant else None,
            role=role.value,
            name=name,
            hash=digest(secret),
            expires_at=expires_at,
        )
        held = _membership_role(db.session(), user, token._scope()) if organization else None
        if user.operator:
            held = Role.OPERATOR
        if held is None or held.rank < role.rank:
            raise Conflict(f"{user.name} is not {role.value} there. Grant that role first.", "role")
        db.session.add(token)
        db.session.flush()
        return token, secret

    def _scope(self) -> Scope:
        return Scope(self.organization_id or "", self.tenant_id, whole=self.tenant_id is None)

    @property
    def usable(self) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now())

    def revoke(self) -> None:
        """End the token. Every connection that it opened ends within a second."""
        if self.revoked_at:
            raise Conflict("This token is already revoked.")
        self.revoked_at = now()
        for organization in reach(self):
            organization.record(ACCESS, "token-revoked", self.id)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "userId": self.user_id,
            "organizationId": self.organization_id,
            "tenantId": self.tenant_id,
            "role": self.role,
            "name": self.name,
            "createdAt": iso(self.created_at),
            "expiresAt": iso(self.expires_at),
            "revokedAt": iso(self.revoked_at),
            "lastUsedAt": iso(self.last_used_at),
        }


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def reach(token: ApiToken) -> list[Organization]:
    """The organizations whose lock and log an access change of this token needs."""
    if token.organization:
        return [token.organization]
    return list(db.session.scalars(select(Organization).order_by(Organization.id)))


# --- what a proof is worth -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proof:
    """What somebody proved: a token (checked again whenever access changes), or nothing: a visitor.

    `cap` lowers the role of this one connection.
    """

    token_id: str | None = None
    user_id: str | None = None
    expires_at: datetime | None = None
    cap: Role | None = None


NOBODY = Proof()


def prove(session: Session, secret: str) -> Proof | None:
    """The proof behind a token's secret; None when it is unknown, revoked or expired."""
    token = session.scalar(select(ApiToken).where(ApiToken.hash == digest(secret)))
    if token is None or not token.usable:
        return None
    return Proof(token.id, token.user_id, token.expires_at)


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
    token = session.get(ApiToken, proof.token_id) if proof.token_id else None
    user = session.get(User, token.user_id) if token else None
    if token is None or user is None or not token.usable or token.organization_id or not user.operator:
        return None
    return min((Role(token.role), proof.cap or Role.OPERATOR), key=lambda role: role.rank)


def _proved_role(session: Session, proof: Proof, scope: Scope) -> Role | None:
    if proof.token_id is None:
        return None
    token = session.get(ApiToken, proof.token_id)
    if token is None or not token.usable or token.organization_id not in (None, scope.organization_id):
        return None
    limit = _within(Role(token.role), token.tenant_id, scope)
    user = session.get(User, token.user_id)
    if user is None or limit is None:
        return None
    held = Role.OPERATOR if user.operator else _membership_role(session, user, scope)
    return min(limit, held, key=lambda role: role.rank) if held else None


def _membership_role(session: Session, user: User, scope: Scope) -> Role | None:
    rows = session.scalars(
        select(Membership).where(
            Membership.user_id == user.id,
            Membership.organization_id == scope.organization_id,
        )
    )
    roles = (_within(Role(row.role), row.tenant_id, scope) for row in rows)
    return max((role for role in roles if role), key=lambda role: role.rank, default=None)


def _within(role: Role, tenant_id: str | None, scope: Scope) -> Role | None:
    """What a role held for `tenant_id` (None: organization-wide) is worth in the scope."""
    if tenant_id is None or (tenant_id == scope.tenant_id and not scope.whole):
        return role
    if scope.tenant_id is None and not scope.whole:
        return Role.VIEWER  # a tenant's member reads the organization's page
    return None


# --- last use --------------------------------------------------------------------------------------

_uses: dict[str, datetime] = {}


def note_use(token_id: str) -> None:
    """Remember that a token was used; store_uses() writes it, in batches and outside the log."""
    _uses[token_id] = now()


def store_uses() -> None:
    """Write what note_use() remembered. Call it inside transaction()."""
    while _uses:
        token_id, moment = _uses.popitem()
        db.session.execute(update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=moment))


def uses_pending() -> bool:
    return bool(_uses)
