"""The cast: two organizations that know nothing of each other, tenants, people and tokens."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table, insert, select

from statuspage.database import Model, db, let_go, transaction
from statuspage.models.log import new_epoch
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
    north-editor, north-admin, south-editor (one tenant), globex-owner, operator (the whole install).
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
        """Into an empty database. What was written there the first time is written again, at once."""
        database = str(db.engine.url)
        if script := _scripts.get(database):
            return script.play()
        cast = cls._rehearse()
        _scripts[database] = Script.of(cast)
        return cast

    @classmethod
    def _rehearse(cls) -> "Cast":
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
            cast.hire("north-admin", Role.ADMIN, acme, north)
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


PLAYERS = (Organization, Tenant, Service, User, ApiToken)


@dataclass
class Script:
    """All rows of a new cast, and who is who in them."""

    rows: dict[Table, list[dict[str, Any]]]
    roles: dict[str, Any]  # the fields of Cast; a row by its model and id

    @classmethod
    def of(cls, cast: Cast) -> "Script":
        with db.engine.connect() as connection:
            rows = {
                table: [dict(row) for row in connection.execute(select(table)).mappings()]
                for table in db.metadata.sorted_tables
            }
        return cls(rows, {name: _noted(part) for name, part in vars(cast).items()})

    def play(self) -> Cast:
        db.session.remove()
        with db.engine.begin() as connection:
            for table, rows in self.rows.items():
                if rows:
                    connection.execute(insert(table), _in_another_life(rows))
        loaded = [db.session.scalars(select(model)).all() for model in PLAYERS]  # at once, for what follows
        assert all(loaded)
        let_go()  # and the snapshot they were read from
        return Cast(**{name: _found(part) for name, part in self.roles.items()})


_scripts: dict[str, Script] = {}


def _in_another_life(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With an epoch of its own, so that nobody takes it for the one before."""
    return [{**row, "epoch": new_epoch()} if "epoch" in row else row for row in rows]


def _noted(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _noted(each) for name, each in part.items()}
    return (type(part), part.id) if isinstance(part, Model) else part


def _found(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _found(each) for name, each in part.items()}
    return db.session.get(*part) if isinstance(part, tuple) else part
