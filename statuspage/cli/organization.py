"""Organizations: `flask organization create`, `update`, `look`, `restored` and `delete`."""

from pathlib import Path

import click
from sqlalchemy import select

from ..database import db, transaction
from ..models.embedding import allow_embedding
from ..models.look import MOST_BYTES
from ..models.organization import Organization, check_timezone
from ..models.status import Visibility
from .noun import NAME, VISIBILITY, Noun, find_organization

noun = Noun("organization", help="Organizations: who has a page.")


@noun.command("create")
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


@noun.command("update")
@click.argument("organization")
@click.option("--slug")
@click.option("--name", type=NAME)
@click.option("--timezone")
@click.option("--visibility", type=VISIBILITY)
@click.option("--robots", type=click.Choice(["welcome", "unwelcome"]), help="Search engines.")
@click.option(
    "--embed-origin",
    multiple=True,
    help='A site that may embed it, as https://example.org; * is any, "" none. May be repeated.',
)
def update_organization(
    organization: str,
    visibility: str | None,
    robots: str | None,
    embed_origin: tuple[str, ...],
    **changes: str | None,
) -> None:
    """Change an organization. Private ends every visitor's connection within a second."""
    if changes["timezone"]:
        check_timezone(changes["timezone"])
    found = find_organization(organization)
    with transaction(found):
        found.update(
            name=changes["name"],
            slug=changes["slug"],
            timezone=changes["timezone"],
            visibility=Visibility(visibility) if visibility else None,
            indexed=robots == "welcome" if robots else None,
        )
        if embed_origin:
            allow_embedding(found, filter(None, embed_origin))


@noun.command("look")
@click.argument("organization")
@click.option("--accent", help="The colour of links and buttons, like #0969da. Empty: ours.")
@click.option("--logo", help="A PNG, JPEG, WebP or SVG file of at most 256 KB. Empty: the name in words.")
def set_look(organization: str, accent: str | None, logo: str | None) -> None:
    """Give an organization's pages a colour and a logo."""
    found = find_organization(organization)
    picture = _read(Path(logo)) if logo else b""
    with transaction(found):
        found.set_look(accent=accent, logo=None if logo is None else picture)


def _read(file: Path) -> bytes:
    """At most a byte more than a logo may have: the rule says how many that are."""
    try:
        with file.open("rb") as opened:
            return opened.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no file name"
        raise click.ClickException(f"{file} cannot be read: {reason}.") from error


@noun.command("restored")
def say_restored() -> None:
    """Say that a backup was put back: whoever comes with a position from after it reads the state again."""
    organizations = db.session.scalars(select(Organization)).all()
    with transaction(*organizations):
        for organization in organizations:
            organization.renew_epoch()


@noun.command("delete")
@click.argument("organization")
def delete_organization(organization: str) -> None:
    """Delete an organization and everything in it."""
    found = find_organization(organization)
    with transaction(found):
        found.remove()
