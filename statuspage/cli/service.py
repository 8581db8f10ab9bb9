"""Services: `flask service status`."""

import click

from ..database import db, transaction
from ..models.service import Service
from ..models.status import ServiceStatus
from .noun import Noun

noun = Noun("service", help="Services of a page.")


@noun.command("status")
@click.argument("service")
@click.argument("status", type=click.Choice([status.value for status in ServiceStatus]))
def set_status(service: str, status: str) -> None:
    """Set the operator's own status of a service, by id."""
    found = db.session.get(Service, service)
    if found is None:
        raise click.ClickException(f"There is no service “{service}”.")
    with transaction(found.organization):
        found.update(own_status=status)
