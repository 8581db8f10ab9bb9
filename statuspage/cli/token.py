"""API tokens: `flask token create`, `list` and `revoke`."""

from datetime import timedelta
from typing import Any

import click

from ..clock import now
from ..database import db, transaction
from ..models.membership import Membership
from ..models.organization import Organization
from ..models.role import Role
from ..models.token import ApiToken
from ..models.user import User
from .noun import NAME, ROLES, Noun, find_organization, find_tenant, find_user

noun = Noun("token", help="API tokens.")


@noun.command("create")
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


@noun.command("list")
@click.option("--organization", required=True)
def list_tokens(organization: str) -> None:
    """List the tokens of an organization, without their secrets."""
    found = find_organization(organization)
    for token in db.session.query(ApiToken).filter_by(organization_id=found.id):
        state = "usable" if token.usable else "ended"
        click.echo(f"{token.id}  {token.role:7}  {token.user.name}  {token.name}  {state}")


@noun.command("revoke")
@click.argument("token")
def revoke_token(token: str) -> None:
    """End a token, by id. Every connection that it opened ends within a second."""
    found = db.session.get(ApiToken, token)
    if found is None:
        raise click.ClickException(f"There is no token “{token}”.")
    places = [found.organization] if found.organization else db.session.query(Organization).all()
    with transaction(*places):
        found.revoke()
