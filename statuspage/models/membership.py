"""Membership: what a user is in an organization, or in one tenant of it."""

from datetime import datetime
from typing import Self
from weakref import ref

from sqlalchemy import ForeignKey, bindparam, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from ..clock import now
from ..database import Model, db, new_id
from .errors import Conflict, Invalid, NotAllowed
from .event import ACCESS
from .organization import Organization, Tenant
from .role import MEMBER_ROLES, Role
from .scope import Scope
from .user import User


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
    def grant(
        cls,
        user: User,
        role: Role,
        organization: Organization,
        tenant: Tenant | None = None,
        *,
        granter: Role = Role.OPERATOR,
    ) -> Self:
        """Give the user this role there, in place of the one the user had.

        `granter` is the role of who does it: NotAllowed when that is not enough. Conflict (field `role`)
        when it would take the organization its last owner, (field `email`) as in check_grant().
        """
        # Here, as invitations know memberships: this one question goes the other way.
        from .invitation import check_grant

        if role not in MEMBER_ROLES:
            raise Invalid("Choose viewer, editor, admin or owner.", "role")
        _check_granter(granter, role)
        check_grant(user, organization, role)
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
        else:
            membership._check_change(granter, to=role)
        membership.role = role.value
        db.session.flush()
        organization.record(ACCESS, "membership-granted", user.id, tenant=tenant)
        return membership

    def remove(self, *, granter: Role = Role.OPERATOR) -> None:
        """Take the role away; what lived on it ends within a second. NotAllowed, Conflict as in grant()."""
        self._check_change(granter, to=None)
        organization, tenant = self.organization, self._tenant()
        db.session.delete(self)
        db.session.flush()
        organization.record(ACCESS, "membership-removed", self.user_id, tenant=tenant)

    def _check_change(self, granter: Role, to: Role | None) -> None:
        _check_granter(granter, Role(self.role))
        owns = self.role == Role.OWNER and self.tenant_id is None
        if owns and to is not Role.OWNER and not self._has_another_owner():
            raise Conflict(
                f"{self.user.name} is the last owner of {self.organization.name}. "
                "Make somebody else an owner first.",
                "role",
            )

    def _has_another_owner(self) -> bool:
        others = select(Membership.id).where(
            Membership.organization_id == self.organization_id,
            Membership.tenant_id.is_(None),
            Membership.role == Role.OWNER.value,
            Membership.id != self.id,
        )
        return db.session.scalar(others.limit(1)) is not None

    def _tenant(self) -> Tenant | None:
        return db.session.get(Tenant, self.tenant_id) if self.tenant_id else None


def _check_granter(granter: Role, role: Role) -> None:
    """Nobody gives or takes a role above the own one; so only owners make, change and remove owners."""
    if granter.rank < role.rank:
        raise NotAllowed(f"Only an {role.value} gives or takes this role ({role.value}).")


def organizations_of(user: User) -> list[Organization]:
    """Those whose lock and log an access change of this user needs: an instance operator's are all."""
    query = select(Organization).order_by(Organization.id)
    if not user.operator:
        query = query.where(
            Organization.id.in_(select(Membership.organization_id).where(Membership.user_id == user.id))
        )
    return list(db.session.scalars(query))


RoleRow = tuple[str, str | None]  # a role, and the tenant that it is for
ROLES = select(Membership.role, Membership.tenant_id).where(
    Membership.user_id == bindparam("user"), Membership.organization_id == bindparam("organization")
)


def note_roles(session: Session, user_id: str, organization_id: str | None, rows: list[RoleRow]) -> None:
    """These were read already of the user's memberships there; that holds as long as this transaction."""
    session.info["memberships"] = ref(session.get_transaction()), (user_id, organization_id), rows


def membership_role(session: Session, user: User, scope: Scope) -> Role | None:
    asked = user.id, scope.organization_id
    read_in, whose, rows = session.info.get("memberships", (lambda: None, None, ()))
    if whose != asked or read_in() is None or read_in() is not session.get_transaction():
        rows = session.execute(ROLES, {"user": user.id, "organization": scope.organization_id})
    roles = (within(Role(role), tenant_id, scope) for role, tenant_id in rows)
    return max((role for role in roles if role), key=lambda role: role.rank, default=None)


def within(role: Role, tenant_id: str | None, scope: Scope) -> Role | None:
    """What a role held for `tenant_id` (None: organization-wide) is worth in the scope."""
    if tenant_id is None or (tenant_id == scope.tenant_id and not scope.whole):
        return role
    if scope.tenant_id is None and not scope.whole:
        return Role.VIEWER  # a tenant's member reads the organization's page
    return None
