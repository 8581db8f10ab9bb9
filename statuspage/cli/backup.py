"""The whole install: `flask backup FILE`, `flask restore FILE`, and `flask move URL` to another database."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import click
from flask.cli import with_appcontext

from .. import backup, config
from ..clock import iso
from .noun import Verb

STANDARD = "-"  # a file so called is standard output, or input


@click.command("backup", cls=Verb)
@click.argument("file")
@with_appcontext
def write_backup(file: str) -> None:
    """Write everything to a file (-: standard output), as the server runs. Keep it safe: it has secrets."""
    if file == STANDARD:
        backup.write(sys.stdout.buffer)
    else:
        with _new_file(Path(file)) as stream:
            backup.write(stream)


@click.command("restore", cls=Verb)
@click.argument("file")
@with_appcontext
def restore_backup(file: str) -> None:
    """Put a backup (-: from standard input) in the place of everything, while the server runs."""
    if file == STANDARD:
        head = backup.restore(sys.stdin.buffer)
    else:
        with _old_file(Path(file)) as stream:
            head = backup.restore(stream)
    click.echo(f"All is as it was at {iso(head.made_at)}.")


@click.command("move", cls=Verb)
@click.argument("url")
@with_appcontext
def move_database(url: str) -> None:
    """Copy everything to the empty database at this URL, to be its DATABASE_URL; with the server stopped."""
    backup.move(config.parse("DATABASE_URL", url))


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """For its owner's eyes only; under its name when it is whole and on the disk, not before."""
    try:
        handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
        try:
            with os.fdopen(handle, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(unfinished, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(unfinished)
            raise
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}.") from error


@contextmanager
def _old_file(path: Path) -> Iterator[BinaryIO]:
    try:
        stream = path.open("rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no file name"
        raise click.ClickException(f"{path} cannot be read: {reason}.") from error
    with stream:
        yield stream
