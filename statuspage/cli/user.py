"""Users: `flask user create`, and a new password for who forgot the old one."""

import click

from ..database import transaction
from ..models.membership import organizations_of
from ..models.session import change_password
from ..models.user import User, hash_password
from .noun import NAME, Noun, find_user

noun = Noun("user", help="Users, and service users that only hold tokens.")


@noun.command("create")
@click.option("--name", required=True, type=NAME)
@click.option("--email")
@click.option("--password", help="Asked for when an e-mail address is given without it.")
@click.option("--operator", is_flag=True, help="Runs this whole install.")
def create_user(name: str, email: str | None, password: str | None, operator: bool) -> None:
    """Create a user and print the id. Without an e-mail address it is a service user."""
    if email and not password:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    hash = hash_password(password) if password else None
    with transaction():
        user = User.create(name=name, email=email, operator=operator)
        if hash:
            user.set_password(hash)
    click.echo(user.id)


@noun.command("password")
@click.argument("user")
@click.option("--password", help="Asked for when it is not given.")
def set_password(user: str, password: str | None) -> None:
    """Give a user a new password, by id or e-mail address. Every browser of theirs is signed out."""
    found = find_user(user)
    if not found.email:
        raise click.ClickException("This is a service user: it has no e-mail address to sign in with.")
    hash = hash_password(password or click.prompt("New password", hide_input=True, confirmation_prompt=True))
    with transaction(*organizations_of(found)):
        change_password(found, hash)
