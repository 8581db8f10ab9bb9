"""Roles: `flask membership grant` and `remove`."""

import click

from ..database import db, transaction
from ..models.membership import Membership
from ..models.role import Role
from .noun import ROLES, Noun, find_organization, find_tenant, find_user

noun = Noun("membership", help="Roles of users in an organization or tenant.")


@noun.command("grant")
@click.option("--user", required=True)
@click.option("--organization", required=True)
@click.option("--tenant")
@click.option("--role", type=ROLES, required=True)
def grant_membership(user: str, organization: str, tenant: str | None, role: str) -> None:
    """Give a user a role in an organization or tenant."""
    found = find_organization(organization)
    with transaction(found):
        Membership.grant(find_user(user), Role(role), found, find_tenant(found, tenant) if tenant else None)


@noun.command("remove")
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
