"""ApiToken: a user's key for programs."""

from datetime import datetime
from typing import Any, Self

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..clock import iso, now
from ..database import Model, db, new_id
from .errors import Conflict
from .event import ACCESS
from .last_use import LastUse
from .membership import membership_role
from .organization import Organization, Tenant
from .role import Role
from .scope import Scope
from .secret import digest, new_secret
from .user import User


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

    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)  # what it is worth is asked of both
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
        secret = secret or new_secret("sp_")
        token = cls(
            user_id=user.id,
            organization_id=organization.id if organization else None,
            tenant_id=tenant.id if tenant else None,
            role=role.value,
            name=name,
            hash=digest(secret),
            expires_at=expires_at,
        )
        held = membership_role(db.session(), user, token._scope()) if organization else None
        if user.operator:
            held = Role.OPERATOR
        if held is None or held.rank < role.rank:
            raise Conflict(f"{user.name} is not {role.value} there. Grant that role first.", "role")
        db.session.add(token)
        db.session.flush()
        if organization:
            organization.record(ACCESS, "token-created", token.id, tenant=tenant)
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


def reach(token: ApiToken) -> list[Organization]:
    """The organizations whose lock and log an access change of this token needs."""
    if token.organization:
        return [token.organization]
    return list(db.session.scalars(select(Organization).order_by(Organization.id)))


last_use = LastUse(ApiToken.last_used_at)
