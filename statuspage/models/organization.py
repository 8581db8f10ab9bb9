"""Organization and Tenant: who has a page."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo

from sqlalchemy import JSON, ForeignKey, UniqueConstraint, select, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..clock import now
from ..database import Model, database_time, db, new_id
from . import name as names
from .errors import Conflict, Invalid
from .event import ACCESS, Event
from .hiding import will_hide
from .log import Log
from .look import Look
from .scope import Scope
from .status import Visibility

if TYPE_CHECKING:
    from .incident import Incident
    from .service import Service


class Organization(Log, Look, Model):
    """The customer of an install."""

    __tablename__ = "organization"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    visibility: Mapped[str] = mapped_column(default=Visibility.PUBLIC.value)
    timezone: Mapped[str] = mapped_column(default="UTC")
    today: Mapped[date]
    embed_origins: Mapped[list[str]] = mapped_column(JSON, default=list)  # who may frame the embed
    indexed: Mapped[bool] = mapped_column(default=True)  # whether search engines are welcome
    created_at: Mapped[datetime] = mapped_column(default=now)

    tenants: Mapped[list["Tenant"]] = relationship(
        back_populates="organization", order_by="Tenant.name", passive_deletes=True
    )

    @classmethod
    def create(
        cls,
        *,
        slug: str,
        name: str,
        id: str | None = None,
        visibility: Visibility = Visibility.PUBLIC,
        timezone: str = "UTC",
    ) -> Self:
        """A new organization. Invalid or Conflict (field `slug`) when its path cannot be had."""
        organization = cls(
            id=id or new_id(), slug=slug, name=name, visibility=visibility.value, timezone=timezone
        )
        organization.today = organization.local_date()
        names.claim(organization.id, organization.id)
        names.claim(slug, organization.id)
        db.session.add(organization)
        db.session.flush()
        organization.record("settings", "created", organization.id)
        return organization

    @property
    def scope(self) -> Scope:
        return Scope(self.id)

    @property
    def public(self) -> bool:
        return self.visibility == Visibility.PUBLIC

    def position(self, scope: Scope) -> int:
        """The number of the last event of that scope: the same on every node."""
        if scope.whole:
            return self.seq
        if scope.tenant_id is None:
            return self.own_seq
        tenant = db.session.get(Tenant, scope.tenant_id)
        return max(self.own_seq, tenant.seq if tenant else 0)

    def update(
        self,
        *,
        name: str | None = None,
        slug: str | None = None,
        timezone: str | None = None,
        visibility: Visibility | None = None,
        indexed: bool | None = None,
    ) -> None:
        """Change what is given. `indexed`: whether search engines are welcome on the public pages."""
        if slug and slug != self.slug:
            names.claim(slug, self.id)
            if self.slug != self.id:
                names.release(self.slug)
            self.slug = slug
            will_hide(self.id)
        self.name = name or self.name
        self.timezone = timezone or self.timezone
        self.indexed = self.indexed if indexed is None else indexed
        self.record("settings", "updated", self.id)
        if timezone:
            self.turn_day()
        if visibility and visibility != self.visibility:
            self.visibility = visibility.value
            self._visibility_changed(self.id)

    def _visibility_changed(self, subject: str, tenant: "Tenant | None" = None) -> None:
        shown = tenant.public if tenant else self.public
        self.record(ACCESS, "shown" if shown else "hidden", subject, tenant=tenant)
        if shown:
            self.renew_epoch()
        else:
            will_hide(self.id, tenant.id if tenant else None)

    def local_date(self) -> date:
        """Today in its zone, by the database's clock: nodes must not turn the day to and fro."""
        return database_time(db.session()).astimezone(ZoneInfo(self.timezone)).date()

    def turn_day(self) -> bool:
        """A new day in the organization's zone is an event: the page changes. True if it was one."""
        today = self.local_date()
        if today == self.today:
            return False
        self.today = today
        self.record("day", "started", self.id)
        return True

    def remove(self) -> None:
        """Delete the organization and everything in it. Every connection to it ends."""
        db.session.flush()
        for held in db.session.scalars(
            select(names.Name).where((names.Name.owner_id == self.id) | (names.Name.parent == self.id))
        ):
            db.session.delete(held)
        db.session.delete(self)
        db.session.info["recorded"].add(self.id)
        will_hide(self.id)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "slug": self.slug,
            "name": self.name,
            "visibility": self.visibility,
            "timezone": self.timezone,
        }


class Tenant(Model):
    """A customer or team inside an organization, with a page of its own; never more visible than it."""

    __tablename__ = "tenant"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(
        ForeignKey("organization.id", ondelete="CASCADE"), index=True
    )
    slug: Mapped[str]
    name: Mapped[str]
    visibility: Mapped[str] = mapped_column(default=Visibility.PUBLIC.value)
    seq: Mapped[int] = mapped_column(default=0)
    data_seq: Mapped[int] = mapped_column(default=0)
    shown_seq: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=now)

    organization: Mapped[Organization] = relationship(back_populates="tenants")
    services: Mapped[list["Service"]] = relationship(viewonly=True)
    incidents: Mapped[list["Incident"]] = relationship(viewonly=True)

    __table_args__ = (UniqueConstraint("organization_id", "slug"),)

    @classmethod
    def create(
        cls,
        organization: Organization,
        *,
        slug: str,
        name: str,
        id: str | None = None,
        visibility: Visibility = Visibility.PUBLIC,
    ) -> Self:
        """A new tenant. Invalid or Conflict (field `slug`) when its path cannot be had."""
        tenant = cls(id=id or new_id(), slug=slug, name=name, visibility=visibility.value)
        if db.session.get(cls, tenant.id):
            raise Conflict("This id is taken. Choose another.", "id")
        names.claim(tenant.id, tenant.id, parent=organization.id)
        names.claim(slug, tenant.id, parent=organization.id)
        tenant.organization_id = organization.id
        db.session.add(tenant)
        db.session.flush()
        organization.record("settings", "tenant-created", tenant.id, tenant=tenant)
        return tenant

    @property
    def scope(self) -> Scope:
        return Scope(self.organization_id, self.id)

    @property
    def public(self) -> bool:
        return self.visibility == Visibility.PUBLIC

    def update(
        self, *, name: str | None = None, slug: str | None = None, visibility: Visibility | None = None
    ) -> None:
        if slug and slug != self.slug:
            names.claim(slug, self.id, parent=self.organization_id)
            if self.slug != self.id:
                names.release(self.slug, parent=self.organization_id)
            self.slug = slug
            will_hide(self.organization_id, self.id)
        self.name = name or self.name
        self.organization.record("settings", "tenant-updated", self.id, tenant=self)
        if visibility and visibility != self.visibility:
            self.visibility = visibility.value
            self.organization._visibility_changed(self.id, self)

    def remove(self) -> None:
        """Delete the tenant with its services, incidents, memberships and tokens; its lines are blanked."""
        organization = self.organization
        db.session.flush()
        db.session.execute(
            update(Event)
            .where(Event.organization_id == organization.id, Event.tenant_id == self.id)
            .values(data={})
        )
        for incident in self.incidents:
            incident.remove()
        for service in self.services:
            service.remove()
        organization.record(ACCESS, "tenant-deleted", self.id, tenant=self)
        for held in db.session.scalars(select(names.Name).where(names.Name.owner_id == self.id)):
            db.session.delete(held)
        db.session.delete(self)
        will_hide(organization.id, self.id)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "organizationId": self.organization_id,
            "slug": self.slug,
            "name": self.name,
            "visibility": self.visibility,
        }


def check_timezone(name: str) -> str:
    """The name itself, if it is a zone of the IANA database; else Invalid (field `timezone`)."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise Invalid(f"“{name}” is no time zone. Write it like Europe/Berlin.", "timezone") from error
    return name
