"""Snapshots: `flask snapshot write` and `forget`."""

import click
from flask import current_app

from ..database import transaction
from ..snapshots.store import Unreachable
from ..snapshots.writer import Writer
from .noun import Noun

noun = Noun("snapshot", help="The public pages as plain files.")


@noun.command("write")
def write() -> None:
    """Write now what is not of now, as the nodes do by themselves."""
    writer: Writer | None = current_app.extensions.get("snapshot_writer")
    if writer is None:
        raise click.ClickException("The setting SNAPSHOTS is empty: there is nowhere to write to.")
    current_app.extensions["live"].hub.on_first_use = lambda: None  # it asks, but is no node that serves
    try:
        writer.run(lambda: True)
    except Unreachable as error:
        raise click.ClickException(f"The snapshots cannot be written: {error}.") from error
    if writer.failed:
        paths = ", ".join(sorted(place.path or "/" for place in writer.failed))
        raise click.ClickException(f"These pages cannot be drawn: {paths}. The log says why.")


@noun.command("forget")
def forget() -> None:
    """Remove all snapshots. With SNAPSHOTS empty: forget that there were any, they are gone."""
    removal = current_app.extensions["snapshots"]
    try:
        with transaction():
            removal.remove_all()
    except Unreachable as error:
        raise click.ClickException(
            f"The snapshots cannot be removed: {error}. Nothing was forgotten."
        ) from error
