"""Snapshots in a folder, written when a test says so."""

import pytest

from statuspage.snapshots import visitor
from statuspage.snapshots.store import Folder
from statuspage.snapshots.writer import Writer


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "snapshots")


@pytest.fixture
def writer(app, folder, monkeypatch) -> Writer:
    """The application's own, as if SNAPSHOTS were the folder."""
    monkeypatch.setattr(visitor, "REST", 0.0)
    monkeypatch.setitem(app.config, "PUBLIC_URL", "https://status.example")
    monkeypatch.setattr(app.extensions["snapshots"], "_store", folder)
    made = Writer(app, folder)
    monkeypatch.setitem(app.extensions, "snapshot_writer", made)
    return made


def write(writer: Writer) -> None:
    """One turn of the job."""
    writer.run(lambda: True)


def put(folder: Folder, files: dict[str, bytes]) -> None:
    """As a writer does it, which no row knows of."""
    folder.publish(folder.prepare(files), still=lambda: None)
