"""A writer that loses its hold of a page's row while it puts files in place: frozen for long, or cut off."""

import os
import time
from contextlib import suppress

import pytest
from sqlalchemy import text

from statuspage.database import db, postgres, transaction
from statuspage.models.incident import Incident
from statuspage.models.organization import Organization
from statuspage.models.status import IncidentStatus, ServiceStatus, Visibility
from statuspage.snapshots.store import Unreachable
from statuspage.snapshots.writer import Writer
from tests.proxies import eventually
from tests.snapshots.conftest import write

pytestmark = pytest.mark.one_database("postgresql")  # SQLite's lock is lost with the process only


def of_acme(folder):
    return [name for name in folder.names() if "acme" in name or "org-456" in name]


def give_up() -> None:
    """The server ends the session of who is writing here."""
    pid = db.session.connection().exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    with db.engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


@pytest.fixture
def lose(app, cast, folder, writer, monkeypatch):
    """`lose(meanwhile)`: the next time that Acme's page is put in place the hold is lost, and `meanwhile` is
    done elsewhere. What is put in place after that, by the same writer.
    """
    write(writer)
    with transaction(cast.acme):
        cast.acme_service.update(own_status=ServiceStatus.DEGRADED)
    replace, steps, after = os.replace, iter(range(1)), []

    def lose(meanwhile):
        def and_lose(source, target):
            replace(source, target)
            after.append(target)
            if str(target).endswith("/acme.html") and next(steps, None) is not None:
                give_up()
                with app.app_context():
                    meanwhile()
                after.clear()

        monkeypatch.setattr(os, "replace", and_lose)
        return after

    return lose


def hide() -> None:
    acme = db.session.get(Organization, "org-456")
    with transaction(acme):
        acme.update(visibility=Visibility.PRIVATE)


def ask_after(monkeypatch, seconds: float) -> None:
    monkeypatch.setattr("statuspage.snapshots.writer.ASK_SECONDS", seconds)


def test_it_puts_nothing_more_in_place(folder, writer, lose, monkeypatch):
    def look():
        hide()
        assert of_acme(folder) == []

    ask_after(monkeypatch, -1)
    after = lose(look)
    write(writer)
    assert not [target for target in after if "/acme" in str(target)]
    assert of_acme(folder) == []


def test_a_slow_store_is_not_taken_for_a_frozen_writer(cast, folder, writer, monkeypatch):
    write(writer)
    with transaction(cast.acme):
        cast.acme_service.update(own_status=ServiceStatus.DEGRADED)
    replace, done = os.replace, []

    def slowly(source, target):
        if "/site/acme" in str(target):
            time.sleep(0.4)
            done.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", slowly)
    monkeypatch.setattr(postgres, "PATIENT_SECONDS", 1.0)
    ask_after(monkeypatch, 0.1)
    write(writer)
    assert len(done) > 3
    assert not writer.failed


def test_what_it_put_in_place_without_knowing_is_taken_back(folder, writer, lose, monkeypatch):
    ask_after(monkeypatch, 3600)
    after = lose(hide)
    write(writer)
    assert [target for target in after if "/acme" in str(target)]
    assert of_acme(folder) == []


def test_what_cannot_be_taken_back_now_is_taken_back_later_whoever_draws(folder, writer, lose, monkeypatch):
    def fail(names):
        raise Unreachable("the disk is away")

    def hide_and_break():
        hide()
        broken.setattr(folder, "remove", fail)

    monkeypatch.setattr("statuspage.snapshots.reconcile.AGAIN_SECONDS", 0.01)
    ask_after(monkeypatch, 3600)
    with monkeypatch.context() as broken:
        lose(hide_and_break)
        with suppress(Unreachable):  # for the pages that are due then
            write(writer)
        assert of_acme(folder) != []
    eventually(lambda: of_acme(folder) == [])


def test_what_it_wrote_over_is_drawn_again(app, cast, folder, writer, lose, monkeypatch):
    """Another writer has been there meanwhile with what is newer."""
    with transaction(cast.acme):
        incident = Incident.open(cast.acme, None, title="Slow", message="First.")
    write(writer)
    id = incident.id
    with transaction(cast.acme):
        incident.post_update(status=IncidentStatus.MONITORING, message="Second.")

    def say_more():
        acme = db.session.get(Organization, "org-456")
        with transaction(acme):
            found = db.session.get(Incident, id)
            found.post_update(status=IncidentStatus.RESOLVED, message="Third.")
        write(Writer(app, folder))
        assert "Third." in told.read_text()

    told = folder.site / f"acme/incidents/{id}.html"
    ask_after(monkeypatch, 3600)
    after = lose(say_more)
    write(writer)
    assert told in after
    assert "Third." not in told.read_text()
    writer.failed.clear()  # the minute is over
    write(writer)
    assert "Third." in told.read_text()
