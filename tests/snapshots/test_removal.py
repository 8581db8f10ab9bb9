"""A page that is public no more has no snapshot when that is acknowledged, and none comes back."""

import threading

import pytest

from statuspage.database import db, transaction
from statuspage.models.errors import Conflict
from statuspage.models.organization import Organization
from statuspage.models.status import ServiceStatus, Visibility
from statuspage.snapshots.store import Unreachable
from tests.snapshots.conftest import write

ENDS = {
    "organization private": lambda cast: cast.acme.update(visibility=Visibility.PRIVATE),
    "organization deleted": lambda cast: cast.acme.remove(),
    "organization moved": lambda cast: cast.acme.update(slug="acme-corp"),
    "tenant private": lambda cast: cast.north.update(visibility=Visibility.PRIVATE),
    "tenant deleted": lambda cast: cast.north.remove(),
    "tenant moved": lambda cast: cast.north.update(slug="northern"),
}


def of(folder, *words):
    return [name for name in folder.names() if any(word in name for word in words)]


@pytest.mark.parametrize("end", ENDS)
def test_its_files_are_gone_with_the_commit(app, cast, folder, writer, end):
    write(writer)
    assert of(folder, "acme")
    with transaction(cast.acme):
        ENDS[end](cast)
    gone = ("acme", "org-456", "index") if "organization" in end else ("north", "tenant-789")
    assert of(folder, *gone) == []
    assert bool(of(folder, "acme")) == ("tenant" in end)
    write(writer)
    if "moved" in end:
        assert of(folder, "acme-corp.html", "northern.html")
    else:
        assert of(folder, *gone) in ([], ["index.html"])
        said = b"".join((folder.site / name).read_bytes() for name in of(folder, ".html"))
        assert (b"North" if "tenant" in end else b"Acme") not in said


@pytest.mark.one_database
def test_a_store_that_cannot_be_reached_refuses_it(app, cast, folder, writer, monkeypatch):
    write(writer)

    def fail(names):
        raise Unreachable("the disk is away")

    monkeypatch.setattr(folder, "remove", fail)
    said = app.test_cli_runner().invoke(args=["organization", "update", "acme", "--visibility", "private"])
    assert said.exit_code == 1
    assert "could not be removed (the disk is away). Nothing was changed" in said.output
    db.session.rollback()
    assert db.session.get(Organization, "org-456", populate_existing=True).public


@pytest.mark.one_database
def test_where_snapshots_are_not_known_nothing_is_hidden_behind_them(app, cast, folder, writer, monkeypatch):
    write(writer)
    monkeypatch.setattr(app.extensions["snapshots"], "_store", None)
    with pytest.raises(Conflict, match="SNAPSHOTS"), transaction(cast.acme):
        cast.acme.remove()
    run = app.test_cli_runner()
    assert run.invoke(args=["snapshot", "forget"]).exit_code == 0
    assert run.invoke(args=["organization", "delete", "acme"]).exit_code == 0


@pytest.mark.parametrize("step", ["_begin", "_draw", "prepare"])
def test_who_was_drawing_it_puts_nothing_back(app, cast, folder, writer, monkeypatch, step):
    owner = folder if step == "prepare" else writer
    done = getattr(owner, step)

    def and_then_hide(*words):
        answer = done(*words)
        if not cast.acme.public:
            return answer
        with transaction(cast.acme):
            cast.acme.update(visibility=Visibility.PRIVATE)
        assert of(folder, "acme") == []
        return answer

    monkeypatch.setattr(writer, "_site_written", True)
    monkeypatch.setattr(owner, step, and_then_hide)
    write(writer)
    monkeypatch.undo()
    assert of(folder, "acme", "org-456") == []


def test_who_hides_it_waits_for_who_is_putting_files_in_place(app, cast, folder, writer, monkeypatch):
    write(writer)
    with transaction(cast.acme):
        cast.acme_service.update(own_status=ServiceStatus.DEGRADED)
    publish, publishing, hidden = folder.publish, threading.Event(), threading.Event()
    was_hidden = []

    def hide():
        with app.app_context():
            publishing.wait(10)
            organization = db.session.get(Organization, "org-456")
            with transaction(organization):
                organization.update(visibility=Visibility.PRIVATE)
            hidden.set()
            db.session.remove()

    def slowly(prepared):
        publishing.set()
        was_hidden.append(hidden.wait(0.3))
        publish(prepared)

    monkeypatch.setattr(folder, "publish", slowly)
    hider = threading.Thread(target=hide)
    hider.start()
    write(writer)
    hider.join(10)
    assert was_hidden[0] is False
    assert hidden.is_set()
    assert of(folder, "acme", "org-456") == []
