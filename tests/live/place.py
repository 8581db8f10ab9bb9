"""A place of one test's own on a shared server: an organization with two tenants, people and tokens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self

import requests
from sqlalchemy import select

from statuspage.clock import now
from statuspage.database import db, new_id, transaction
from statuspage.live.message import Cursor
from statuspage.models.event import DATA_NAMES, Event
from statuspage.models.membership import Membership
from statuspage.models.organization import Organization, Tenant
from statuspage.models.role import Role
from statuspage.models.scope import Scope
from statuspage.models.service import Service
from statuspage.models.status import ServiceStatus, Visibility
from statuspage.models.token import ApiToken
from statuspage.models.user import User
from tests.server import Server


@dataclass
class Place:
    """Tenants `north`, public, and `south`, private; a service in each, and one of the organization's own.

    All changes are made by this process: for the server they come from another one. Tokens by name:
    viewer, editor, admin (organization-wide), north-editor, south-editor (one tenant).
    """

    server: Server
    id: str = field(default_factory=new_id)
    north: str = field(default_factory=new_id)
    south: str = field(default_factory=new_id)
    tokens: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    services: dict[str | None, str] = field(default_factory=dict)

    @classmethod
    def found(cls, server: Server, visibility: Visibility = Visibility.PUBLIC) -> Self:
        place = cls(server)
        with server.app.app_context(), transaction():
            organization = Organization.create(
                id=place.id, slug=f"o-{place.id}", name="Place", visibility=visibility
            )
            north = Tenant.create(organization, id=place.north, slug="north", name="North")
            south = Tenant.create(
                organization, id=place.south, slug="south", name="South", visibility=Visibility.PRIVATE
            )
            for tenant in (None, north, south):
                service = Service.create(organization, tenant, name=tenant.name if tenant else "Own")
                place.services[tenant.id if tenant else None] = service.id
            for role in ("viewer", "editor", "admin"):
                place._hire(role, Role(role), organization)
            place._hire("north-editor", Role.EDITOR, organization, north)
            place._hire("south-editor", Role.EDITOR, organization, south)
        return place

    def _hire(self, name: str, role: Role, organization: Organization, tenant: Tenant | None = None) -> None:
        user = User.create(name=name)
        Membership.grant(user, role, organization, tenant)
        _, self.tokens[name] = ApiToken.create(user, role, organization, tenant, name=name)
        self.users[name] = user.id

    # --- changing it -------------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[Organization]:
        """The organization inside a transaction."""
        with self.server.app.app_context():
            organization = db.session.get(Organization, self.id)
            with transaction(organization):
                yield organization

    def flip(self, tenant: str | None = None) -> str:
        """Let the service of this tenant (None: the own one) show something else; the event's id."""
        with self.writing() as organization:
            service = db.session.get(Service, self.services[tenant])
            fine = service.own_status == ServiceStatus.OPERATIONAL
            service.update(own_status=(ServiceStatus.DEGRADED if fine else ServiceStatus.OPERATIONAL).value)
            return self._head(organization)

    def say(self, text: str = "", *, tenant: str | None = None, times: int = 1) -> str:
        """Record so many broadcasts in one transaction; the last one's id."""
        with self.writing() as organization:
            found = db.session.get(Tenant, tenant) if tenant else None
            for number in range(times):
                data = {"text": text, "number": number}
                organization.record("incident-update", "broadcast", new_id(), data, tenant=found)
            return self._head(organization)

    def update(self, **changes: Any) -> None:
        with self.writing() as organization:
            organization.update(**changes)

    def update_tenant(self, tenant: str, **changes: Any) -> None:
        with self.writing():
            db.session.get(Tenant, tenant).update(**changes)

    def update_service(self, tenant: str | None = None, **changes: Any) -> None:
        with self.writing():
            db.session.get(Service, self.services[tenant]).update(**changes)

    def hire(self, name: str, role: Role) -> str:
        """Somebody new, with a role in the whole organization; the token."""
        with self.writing() as organization:
            self._hire(name, role, organization)
        return self.tokens[name]

    def revoke(self, name: str) -> None:
        with self.writing() as organization:
            self._token(organization, name).revoke()

    def dismiss(self, name: str) -> None:
        """Take the membership away; the token stays."""
        with self.writing() as organization:
            query = select(Membership).filter_by(organization_id=organization.id, user_id=self.users[name])
            db.session.scalars(query).one().remove()

    def lend(self, seconds: float, role: Role = Role.VIEWER, name: str = "viewer") -> str:
        """One more token for somebody, which expires in so many seconds."""
        with self.writing() as organization:
            user = db.session.get(User, self.users[name])
            expires_at = now() + timedelta(seconds=seconds)
            return ApiToken.create(user, role, organization, expires_at=expires_at)[1]

    def prune(self, through: int) -> None:
        with self.writing() as organization:
            organization.prune(through)

    def delete_tenant(self, tenant: str) -> None:
        with self.writing():
            db.session.get(Tenant, tenant).remove()

    def delete(self) -> None:
        with self.writing() as organization:
            organization.remove()

    # --- asking about it ---------------------------------------------------------------------------

    @property
    def head(self) -> str:
        """The position of the log's last line."""
        with self.server.app.app_context():
            return self._head(db.session.get(Organization, self.id))

    def be_seen(self) -> None:
        """Return when the server knows all that was written: a client has heard of it at another node."""
        asked = {"view": "data", "scope": "all", "cursor": self.head}
        bearer = {"Authorization": f"Bearer {self.tokens['admin']}"}
        url = f"{self.server.url}/{self.id}/changes"
        assert requests.get(url, params=asked, headers=bearer, timeout=30).status_code == 204

    @property
    def epoch(self) -> str:
        return Cursor.parse(self.head).epoch

    def log(self, scope: Scope | None = None, after: str | None = None) -> list[str]:
        """The ids of the scope's data lines, in order."""
        scope = scope or Scope(self.id)
        with self.server.app.app_context():
            organization = db.session.get(Organization, self.id)
            query = (
                select(Event.seq)
                .where(Event.organization_id == self.id, Event.name.in_(DATA_NAMES))
                .where(scope.where(Event.tenant_id), Event.seq > (Cursor.parse(after).seq if after else 0))
                .order_by(Event.seq)
            )
            return [str(Cursor(organization.epoch, seq)) for seq in db.session.scalars(query)]

    def _token(self, organization: Organization, name: str) -> ApiToken:
        query = select(ApiToken).filter_by(organization_id=organization.id, name=name)
        return db.session.scalars(query).one()

    def _head(self, organization: Organization) -> str:
        return str(Cursor(organization.epoch, organization.seq))
