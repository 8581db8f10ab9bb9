"""A page that is public no more has no snapshot when that is acknowledged, and none comes back."""

import io
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from statuspage import backup
from statuspage.database import db, transaction
from statuspage.models import snapshot
from statuspage.models.errors import Conflict
from statuspage.models.incident import Incident
from statuspage.models.organization import Organization
from statuspage.models.status import ServiceStatus, Visibility
from statuspage.snapshots.store import Unreachable
from statuspage.snapshots.writer import Writer
from tests.proxies import eventually
from tests.snapshots.conftest import put, write

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


def test_an_incident_is_gone_with_its_deletion_and_its_pages_stay(app, cast, folder, writer):
    with transaction(cast.acme):
        own = Incident.open(cast.acme, None, title="Own", message="Told by mistake")
        norths = Incident.open(cast.acme, cast.north, title="North's", message="Stays")
    write(writer)
    for gone, stays, times in ((own, norths, 4), (norths, own, 3)):
        assert len(of(folder, gone.id)) in (times, 0)
        with transaction(cast.acme):
            gone.remove()
        assert of(folder, gone.id) == []
        assert of(folder, "acme.html")
        if stays is norths:
            assert len(of(folder, stays.id)) == 3
    write(writer)
    assert b"by mistake" not in b"".join(
        (folder.site / name).read_bytes() for name in of(folder, "acme", "org-456")
    )


def test_a_restore_takes_away_what_it_makes_private(app, cast, folder, writer):
    with transaction(cast.acme):
        cast.north.update(visibility=Visibility.PRIVATE)
    stream = io.BytesIO()
    backup.write(stream)
    with transaction(cast.acme):
        cast.north.update(visibility=Visibility.PUBLIC)
    with transaction():
        Organization.create(slug="initech", name="Initech")
    write(writer)
    assert of(folder, "initech.html")
    assert of(folder, "acme/north.html")
    stream.seek(0)
    backup.restore(stream)
    assert of(folder, "north", "tenant-789", "initech") == []
    assert of(folder, "acme.html")
    write(writer)
    assert of(folder, "north", "tenant-789", "initech") == []


@pytest.mark.one_database
def test_a_restore_is_refused_where_snapshots_are_not_known(app, cast, folder, writer, monkeypatch):
    stream = io.BytesIO()
    backup.write(stream)
    with transaction():
        Organization.create(slug="initech", name="Initech")
    write(writer)
    monkeypatch.setattr(app.extensions["snapshots"], "_store", None)
    stream.seek(0)
    with pytest.raises(Conflict, match="SNAPSHOTS"):
        backup.restore(stream)
    assert db.session.query(Organization).filter_by(slug="initech").one()


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


@pytest.mark.parametrize("answers", ["at once", "later"])
def test_what_is_not_hidden_in_the_end_is_written_again_by_whoever_draws(
    app, cast, folder, writer, monkeypatch, answers
):
    with transaction(cast.acme):
        incident = Incident.open(cast.acme, None, title="Over", message="It was so.")
        incident.resolve(message="Over.")
    write(writer)
    before, session = folder.names(), type(db.session())
    monkeypatch.setattr("statuspage.snapshots.reconcile.AGAIN_SECONDS", 0.01)

    def fail(self):
        assert of(folder, "acme") == []
        if answers == "at once":
            broken.undo()
        raise OSError("the database stops")

    with monkeypatch.context() as broken:
        broken.setattr(session, "commit", fail)
        with pytest.raises(OSError, match="stops"), transaction(cast.acme):
            cast.acme.update(visibility=Visibility.PRIVATE)
    another = Writer(app, folder)
    another._swept_at = time.monotonic()
    eventually(lambda: (write(another), folder.names() == before)[1])


def test_what_is_hidden_leaves_nothing_to_be_looked_for(app, cast, folder, writer, monkeypatch):
    write(writer)
    calls = []
    monkeypatch.setattr("statuspage.snapshots.removal.reconcile_in_any_case", lambda *_: calls.append(_))
    for visibility in (Visibility.PRIVATE, Visibility.PUBLIC):
        with transaction(cast.acme):
            cast.north.update(visibility=visibility)
    with suppress(ZeroDivisionError), transaction(cast.acme):
        cast.acme_service.update(name="Undone")
        raise ZeroDivisionError
    assert calls == []


@pytest.mark.one_database
def test_where_snapshots_are_not_known_nothing_is_hidden_behind_them(app, cast, folder, writer, monkeypatch):
    write(writer)
    monkeypatch.setattr(app.extensions["snapshots"], "_store", None)
    with pytest.raises(Conflict, match="SNAPSHOTS"), transaction(cast.acme):
        cast.acme.remove()
    run = app.test_cli_runner()
    assert run.invoke(args=["snapshot", "forget"]).exit_code == 0
    assert run.invoke(args=["organization", "delete", "acme"]).exit_code == 0


@pytest.mark.parametrize("step", ["_begin", "_draw", "_announce", "prepare", "discard"])
def test_who_was_drawing_it_puts_nothing_back(app, cast, folder, writer, monkeypatch, step):
    monkeypatch.setattr("statuspage.snapshots.writer.AT_ONCE", 4)  # so that there is a between
    owner = writer if step.startswith("_") else folder
    done = getattr(owner, step)

    def and_then_hide(*words):
        answer = done(*words)
        if cast.acme.public and snapshot.find("org-456", ""):  # it is this page's turn
            with transaction(cast.acme):
                cast.acme.update(visibility=Visibility.PRIVATE)
            assert of(folder, "acme") == []
        return answer

    monkeypatch.setattr(owner, step, and_then_hide)
    write(writer)
    monkeypatch.undo()
    assert not cast.acme.public
    assert of(folder, "acme", "org-456") == []


@pytest.mark.parametrize("step", ["_draw", "prepare"])
def test_who_was_drawing_a_deleted_incident_puts_nothing_back(app, cast, folder, writer, monkeypatch, step):
    write(writer)
    with transaction(cast.acme):
        incident = Incident.open(cast.acme, None, title="Slow", message="Told by mistake")
    write(writer)
    with transaction(cast.acme):
        cast.acme_service.update(own_status=ServiceStatus.DEGRADED)
    owner = folder if step == "prepare" else writer
    done, deleted = getattr(owner, step), []

    def and_then_delete(*words):
        answer = done(*words)
        if not deleted:
            deleted.append(incident.id)
            with transaction(cast.acme):
                db.session.get(Incident, incident.id).remove()
        return answer

    monkeypatch.setattr(owner, step, and_then_delete)
    write(writer)
    assert deleted
    assert of(folder, incident.id) == []


def test_a_sweep_forgets_nothing_that_was_put_in_place_after_it_looked(
    app, cast, folder, writer, monkeypatch
):
    names, steps = folder.names, iter(range(1))

    def and_then_write():
        found = names()
        if next(steps, None) is not None:
            with app.app_context():
                write(writer)
            assert of(folder, "acme", "org-456")
        return found

    writer._swept_at = time.monotonic()
    monkeypatch.setattr(folder, "names", and_then_write)
    Writer(app, folder)._sweep_if_due()  # of another process
    with transaction(cast.acme):
        cast.acme.update(visibility=Visibility.PRIVATE)
    assert of(folder, "acme", "org-456") == []


def test_a_sweep_removes_nothing_that_a_page_has_got_meanwhile(app, cast, folder, writer, monkeypatch):
    put(folder, {"acme.html": b"of a database from before", "initech.html": b"so is this"})
    steps = iter(range(1))

    @contextmanager
    def and_then_write():
        with transaction():
            yield
        if next(steps, None) is not None:
            with app.app_context():
                write(writer)

    writer._swept_at = time.monotonic()
    monkeypatch.setattr("statuspage.snapshots.writer.transaction", and_then_write)
    Writer(app, folder)._sweep_if_due()
    assert "initech.html" not in folder.names()
    assert b"Acme" in (folder.site / "acme.html").read_bytes()


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

    def slowly(*words):
        publishing.set()
        was_hidden.append(hidden.wait(0.3))
        publish(*words)

    monkeypatch.setattr(folder, "publish", slowly)
    hider = threading.Thread(target=hide)
    hider.start()
    write(writer)
    hider.join(10)
    assert was_hidden[0] is False
    assert hidden.is_set()
    assert of(folder, "acme", "org-456") == []
