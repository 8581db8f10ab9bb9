"""Snapshots: the public pages as plain files, for the time when no node can be reached.

One node writes them, as a job, off every request; a proxy serves them (deploy/). SNAPSHOTS says where.
"""

from pathlib import Path

from flask import Flask

from ..config import WrongSetting
from .removal import Removal
from .store import Bucket, Folder, Store, Unreachable
from .writer import Writer

EVERY_SECONDS = 2.0


def register(app: Flask) -> None:
    """Make this application write snapshots, and remove those of whatever is public no more."""
    store = make_store(app)
    app.extensions["snapshots"] = removal = Removal(app, store)
    removal.listen()
    if store:
        writer = app.extensions["snapshot_writer"] = Writer(app, store)
        app.extensions["jobs"].add("snapshots", EVERY_SECONDS, writer.run)


def make_store(app: Flask) -> Store | None:
    """What SNAPSHOTS names; None when it is empty."""
    config = app.config
    where = config["SNAPSHOTS"]
    if not where:
        return None
    if not config["PUBLIC_URL"]:
        raise WrongSetting(
            "SNAPSHOTS needs PUBLIC_URL: write where visitors reach this site, like https://status.example.org."
        )
    if not where.startswith("s3://"):
        try:
            return Folder(Path(where))
        except Unreachable as error:
            raise WrongSetting(f"The setting SNAPSHOTS is wrong: {error}.") from error
    return Bucket(
        where, config["S3_ENDPOINT"], config["S3_REGION"], config["S3_ACCESS_KEY"], config["S3_SECRET_KEY"]
    )
