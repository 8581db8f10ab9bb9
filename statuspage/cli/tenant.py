"""Tenants: `flask tenant create`, `update` and `delete`."""

import click

from ..database import transaction
from ..models.organization import Tenant
from ..models.status import Visibility
from .noun import NAME, VISIBILITY, Noun, find_organization, find_tenant

noun = Noun("tenant", help="Tenants of an organization.")


@noun.command("create")
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


@noun.command("update")
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


@noun.command("delete")
@click.argument("organization")
@click.argument("tenant")
def delete_tenant(organization: str, tenant: str) -> None:
    """Delete a tenant with its services, incidents, memberships and tokens."""
    found = find_organization(organization)
    with transaction(found):
        find_tenant(found, tenant).remove()
