"""The cast: two organizations that know nothing of each other, tenants, people and tokens."""

from dataclasses import dataclass, field

from statuspage.database import transaction
from statuspage.models.membership import Membership
from statuspage.models.organization import Organization, Tenant
from statuspage.models.role import Role
from statuspage.models.service import Service
from statuspage.models.status import Visibility
from statuspage.models.token import ApiToken
from statuspage.models.user import User


@dataclass
class Cast:
    """Acme (public; tenants North, public, and South, private) and Globex (private; tenant East).

    `tokens` by name: acme-viewer, acme-editor, acme-admin, acme-owner (organization-wide),
    north-editor, south-editor (one tenant), globex-owner, operator (the whole install).
    """

    acme: Organization
    north: Tenant
    south: Tenant
    globex: Organization
    east: Tenant
    acme_service: Service
    north_service: Service
    south_service: Service
    globex_service: Service
    tokens: dict[str, str] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    token_rows: dict[str, ApiToken] = field(default_factory=dict)

    @classmethod
    def assemble(cls) -> "Cast":
        with transaction():
            acme = Organization.create(id="org-456", slug="acme", name="Acme")
            globex = Organization.create(slug="globex", name="Globex", visibility=Visibility.PRIVATE)
            north = Tenant.create(acme, id="tenant-789", slug="north", name="North")
            south = Tenant.create(acme, slug="south", name="South", visibility=Visibility.PRIVATE)
            east = Tenant.create(globex, slug="east", name="East")
            cast = cls(
                acme=acme,
                north=north,
                south=south,
                globex=globex,
                east=east,
                acme_service=Service.create(acme, None, name="API"),
                north_service=Service.create(acme, north, name="North gateway"),
                south_service=Service.create(acme, south, name="South gateway"),
                globex_service=Service.create(globex, None, name="Secret project"),
            )
            for role in ("viewer", "editor", "admin", "owner"):
                cast.hire(f"acme-{role}", Role(role), acme)
            cast.hire("north-editor", Role.EDITOR, acme, north)
            cast.hire("south-editor", Role.EDITOR, acme, south)
            cast.hire("globex-owner", Role.OWNER, globex)
            operator = cast.users["operator"] = User.create(name="operator", operator=True)
            row, cast.tokens["operator"] = ApiToken.create(operator, Role.OPERATOR, None)
            cast.token_rows["operator"] = row
        return cast

    def hire(self, name: str, role: Role, organization: Organization, tenant: Tenant | None = None) -> None:
        """A user with this role there and a token for it, under `name`. Inside transaction()."""
        user = self.users[name] = User.create(name=name)
        Membership.grant(user, role, organization, tenant)
        self.token_rows[name], self.tokens[name] = ApiToken.create(user, role, organization, tenant)

    def bearer(self, name: str | None) -> dict[str, str]:
        """Request headers of somebody; of a visitor for None."""
        return {"Authorization": f"Bearer {self.tokens[name]}"} if name else {}
