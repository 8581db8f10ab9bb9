"""Users: `flask user create`."""

import click

from ..database import transaction
from ..models.user import User
from .noun import NAME, Noun

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
    with transaction():
        user = User.create(name=name, email=email, password=password, operator=operator)
    click.echo(user.id)
