"""Commands: `flask token create …`, and so on. What was made stands alone on the last line."""

from datetime import timedelta
from typing import Any

import click
from flask import Flask
from flask.cli import AppGroup
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.exc import DBAPIError

from .clock import now
from .database import Busy, Gone, db, transaction
from .models.embedding import allow_embedding
from .models.errors import Refusal
from .models.membership import Membership
from .models.name import Name
from .models.organization import Organization, Tenant, check_timezone
from .models.role import MEMBER_ROLES, Role
from .models.service import Service
from .models.status import ServiceStatus, Visibility
from .models.token import ApiToken
from .models.user import User
from .schemas import text

ROLES = click.Choice([role.value for role in MEMBER_ROLES])
VISIBILITY = click.Choice([visibility.value for visibility in Visibility])


class Noun(AppGroup):
    """A group of verbs; a refusal is a sentence and exit code 1, not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Refusal as refusal:
            raise click.ClickException(refusal.message) from refusal
        except Gone as gone:
            raise click.ClickException("It was deleted in the meantime.") from gone
        except Busy as busy:
            raise click.ClickException("Too many changes at once. Please try again.") from busy
        except DBAPIError as error:
            reason = str(error.orig).strip().splitlines()[0]
            raise click.ClickException(
                f"The database says: {reason}. If it is new or of an older version: flask db upgrade"
            ) from error
        except UnicodeEncodeError as error:
            raise click.ClickException("Write what you give in UTF-8.") from error


class NameType(click.ParamType):
    """A name as the API takes it: see schemas/text.py."""

    name = "text"
    _shape: TypeAdapter[str] = TypeAdapter(text.Name)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return self._shape.validate_python(value.strip())
        except ValidationError as error:
            self.fail(error.errors()[0]["msg"].removeprefix("Value error, ") + ".", param, ctx)


NAME = NameType()

organization_noun = Noun("organization", help="Organizations: who has a page.")
tenant_noun = Noun("tenant", help="Tenants of an organization.")
user_noun = Noun("user", help="Users, and service users that only hold tokens.")
membership_noun = Noun("membership", help="Roles of users in an organization or tenant.")
token_noun = Noun("token", help="API tokens.")
service_noun = Noun("service", help="Services of a page.")


def register(app: Flask) -> None:
    for noun in (organization_noun, tenant_noun, user_noun, membership_noun, token_noun, service_noun):
        app.cli.add_command(noun)


# --- organization, tenant --------------------------------------------------------------------------


@organization_noun.command("create")
@click.option("--slug", required=True, help="Its path: /SLUG")
@click.option("--name", required=True, type=NAME)
@click.option("--timezone", default="UTC", show_default=True)
@click.option("--visibility", type=VISIBILITY, default="public", show_default=True)
def create_organization(slug: str, name: str, timezone: str, visibility: str) -> None:
    """Create an organization and print its id."""
    check_timezone(timezone)
    with transaction():
        organization = Organization.create(
            slug=slug, name=name, timezone=timezone, visibility=Visibility(visibility)
        )
    click.echo(organization.id)


@organization_noun.command("update")
@click.argument("organization")
@click.option("--slug")
@click.option("--name", type=NAME)
@click.option("--timezone")
@click.option("--visibility", type=VISIBILITY)
@click.option(
    "--embed-origin",
    multiple=True,
    help='A site that may embed it, as https://example.org; * is any, "" none. May be repeated.',
)
def update_organization(
    organization: str, visibility: str | None, embed_origin: tuple[str, ...], **changes: str | None
) -> None:
    """Change an organization. Private ends every visitor's connection within a second."""
    if changes["timezone"]:
        check_timezone(changes["timezone"])
    found = find_organization(organization)
    with transaction(found):
        found.update(**changes, visibility=Visibility(visibility) if visibility else None)
        if embed_origin:
            allow_embedding(found, filter(None, embed_origin))


@organization_noun.command("delete")
@click.argument("organization")
def delete_organization(organization: str) -> None:
    """Delete an organization and everything in it."""
    found = find_organization(organization)
    with transaction(found):
        found.remove()


@tenant_noun.command("create")
@click.option("--organization", required=True)
@click.option("--slug", required=True, help="Its path: /ORGANIZATION/SLUG")
@click.option("--name", required=True, type=NAME)
@click.option("--visibility", type=VISIBILITY, default="public", show_default=True)
def create_tenant(organization: str, slug: str, name: str, visibility: str) -> None:
    """Create a tenant and print its id."""
    found = find_organization(organization)
    with transaction(found):
        tenant = Tenant.create(found, slug=slug, name=name, visibility=Visibility(visibility))
    click.echo(tenant.id)


@tenant_noun.command("update")
@click.argument("organization")
@click.argument("tenant")
@click.option("--slug")
@click.option("--name", type=NAME)
@click.option("--visibility", type=VISIBILITY)
def update_tenant(organization: str, tenant: str, visibility: str | None, **changes: str | None) -> None:
    """Change a tenant."""
    found = find_organization(organization)
    with transaction(found):
        find_tenant(found, tenant).update(
            **changes, visibility=Visibility(visibility) if visibility else None
        )


@tenant_noun.command("delete")
@click.argument("organization")
@click.argument("tenant")
def delete_tenant(organization: str, tenant: str) -> None:
    """Delete a tenant with its services, incidents, memberships and tokens."""
    found = find_organization(organization)
    with transaction(found):
        find_tenant(found, tenant).remove()


# --- user, membership, token -----------------------------------------------------------------------


@user_noun.command("create")
@click.option("--name", required=True, type=NAME)
@click.option("--email")
@click.option("--password", help="Asked for when an e-mail address is given without it.")
@click.option("--operator", is_flag=True, help="Runs this whole install.")
def create_user(name: str, email: str | None, password: str | None, operator: bool) -> None:
    """Create a user and print the id. Without an e-mail address it is a service user."""
    if email and not password:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    with transaction():
        user = User.create(name=name, email=email, password=password, operator=operator)
    click.echo(user.id)


@membership_noun.command("grant")
@click.option("--user", required=True)
@click.option("--organization", required=True)
@click.option("--tenant")
@click.option("--role", type=ROLES, required=True)
def grant_membership(user: str, organization: str, tenant: str | None, role: str) -> None:
    """Give a user a role in an organization or tenant."""
    found = find_organization(organization)
    with transaction(found):
        Membership.grant(find_user(user), Role(role), found, find_tenant(found, tenant) if tenant else None)


@membership_noun.command("remove")
@click.option("--user", required=True)
@click.option("--organization", required=True)
@click.option("--tenant")
def remove_membership(user: str, organization: str, tenant: str | None) -> None:
    """Take a role away. The user's connections that lived on it end within a second."""
    found = find_organization(organization)
    with transaction(found):
        tenant_id = find_tenant(found, tenant).id if tenant else None
        membership = (
            db.session.query(Membership)
            .filter_by(user_id=find_user(user).id, organization_id=found.id, tenant_id=tenant_id)
            .one_or_none()
        )
        if membership is None:
            raise click.ClickException("This user has no role there.")
        membership.remove()


@token_noun.command("create")
@click.option("--organization", help="Leave away for an instance operator's token.")
@click.option("--tenant")
@click.option("--role", type=click.Choice([*ROLES.choices, "operator"]), required=True)
@click.option("--user", help="Whose token it is. Without it a service user is made.")
@click.option("--name", type=NAME, default="Token", show_default=True)
@click.option("--days", type=click.IntRange(1, 36_500), help="Expires after so many days.")
def create_token(
    organization: str | None, tenant: str | None, role: str, user: str | None, name: str, days: int | None
) -> None:
    """Create an API token and print it. It is shown this once."""
    expires_at = now() + timedelta(days=days) if days else None
    if organization is None:
        if tenant or not user:
            raise click.ClickException(
                "A token for the whole install takes --user, an operator, and no --tenant."
            )
        with transaction():
            _, secret = ApiToken.create(find_user(user), Role(role), None, name=name, expires_at=expires_at)
    else:
        secret = _organization_token(organization, tenant, Role(role), user, name, expires_at)
    click.echo(secret)


def _organization_token(
    organization: str, tenant: str | None, role: Role, user: str | None, name: str, expires_at: Any
) -> str:
    found = find_organization(organization)
    with transaction(found):
        place = find_tenant(found, tenant) if tenant else None
        if user:
            holder = find_user(user)
        else:
            holder = User.create(name=name)
            Membership.grant(holder, role, found, place)
        _, secret = ApiToken.create(holder, role, found, place, name=name, expires_at=expires_at)
    return secret


@token_noun.command("list")
@click.option("--organization", required=True)
def list_tokens(organization: str) -> None:
    """List the tokens of an organization, without their secrets."""
    found = find_organization(organization)
    for token in db.session.query(ApiToken).filter_by(organization_id=found.id):
        state = "usable" if token.usable else "ended"
        click.echo(f"{token.id}  {token.role:7}  {token.user.name}  {token.name}  {state}")


@token_noun.command("revoke")
@click.argument("token")
def revoke_token(token: str) -> None:
    """End a token, by id. Every connection that it opened ends within a second."""
    found = db.session.get(ApiToken, token)
    if found is None:
        raise click.ClickException(f"There is no token “{token}”.")
    places = [found.organization] if found.organization else db.session.query(Organization).all()
    with transaction(*places):
        found.revoke()


# --- service ---------------------------------------------------------------------------------------


@service_noun.command("status")
@click.argument("service")
@click.argument("status", type=click.Choice([status.value for status in ServiceStatus]))
def set_status(service: str, status: str) -> None:
    """Set the operator's own status of a service, by id."""
    found = db.session.get(Service, service)
    if found is None:
        raise click.ClickException(f"There is no service “{service}”.")
    with transaction(found.organization):
        found.update(own_status=status)


# --- finding ---------------------------------------------------------------------------------------


def find_organization(name: str) -> Organization:
    """By slug or id."""
    held = db.session.get(Name, ("", name))
    found = db.session.get(Organization, held.owner_id) if held else None
    if found is None:
        raise click.ClickException(f"There is no organization “{name}”.")
    return found


def find_tenant(organization: Organization, name: str) -> Tenant:
    held = db.session.get(Name, (organization.id, name))
    found = db.session.get(Tenant, held.owner_id) if held else None
    if found is None:
        raise click.ClickException(f"{organization.name} has no tenant “{name}”.")
    return found


def find_user(name: str) -> User:
    """By id or e-mail address."""
    found = db.session.get(User, name) or db.session.query(User).filter_by(email=name.lower()).one_or_none()
    if found is None:
        raise click.ClickException(f"There is no user “{name}”.")
    return found
