"""transaction(): the lock comes first, nothing is lost, numbers follow the order of commits."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from flask import request_finished
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from statuspage import database
from statuspage.config import ROOT
from statuspage.database import (
    Busy,
    Gone,
    alone,
    committed,
    db,
    is_away,
    let_go,
    may_take_long,
    postgres,
    snapshot,
    transaction,
)
from statuspage.jobs import Jobs
from statuspage.live.dispatcher import Dispatcher
from statuspage.models.errors import Invalid
from statuspage.models.event import Event
from statuspage.models.job import Job
from statuspage.models.node import Node
from statuspage.models.organization import Organization
from statuspage.models.service import Service


def numbers(organization: Organization) -> list[int]:
    rows = db.session.query(Event.seq).filter_by(organization_id=organization.id).order_by(Event.seq)
    return [seq for (seq,) in rows]


def start_writer(app, kind: str, threads: int, edits: int) -> subprocess.Popen:
    environ = {
        **os.environ,
        "DATABASE_URL": app.config["DATABASE_URL"],
        "SECRET_KEY": "test",
        "INSTANCE_PATH": app.config["INSTANCE_PATH"],
    }
    command = [sys.executable, "-m", "tests.writer", kind, str(threads), str(edits)]
    return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)


def is_at_work(process: subprocess.Popen) -> bool:
    """Asked again and again, it leaves the processor to the process."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(0.02)
    return process.returncode is None


def result_of(process: subprocess.Popen) -> dict:
    return json.loads(process.communicate(timeout=30)[0].splitlines()[-1])


def test_two_processes_of_writers_lose_no_update_and_leave_no_gap_at_any_moment(app, cast):
    before, position = cast.acme.seq, cast.acme_service.position
    processes = [start_writer(app, kind, 4, 25) for kind in ("gevent", "threads")]
    gaps = []
    while any(is_at_work(process) for process in processes):
        with snapshot() as session:
            count, highest = session.execute(
                text("SELECT count(*), max(seq) FROM event WHERE organization_id = 'org-456'")
            ).one()
        if count != highest:
            gaps.append((count, highest))
    done = sum(result_of(process)["edits"] for process in processes)
    db.session.expire_all()
    assert gaps == []
    assert [process.returncode for process in processes] == [0, 0]
    assert done == 200
    assert cast.acme_service.position == position + done
    assert numbers(cast.acme) == list(range(1, cast.acme.seq + 1))
    assert cast.acme.seq >= before + done


@pytest.mark.alone
def test_a_writer_that_waits_for_another_process_does_not_stop_the_other_greenlets(app, cast):
    with db.engine.connect().execution_options(sqlite_begin="IMMEDIATE") as holder:
        holder.execute(text("UPDATE organization SET name = name WHERE id = 'org-456'"))
        process = start_writer(app, "gevent", 2, 3)
        assert process.stdout.readline() == "often\n"
        holder.rollback()
        result = result_of(process)
    assert result["edits"] == 6
    assert result["longest_pause"] < 0.5


@pytest.mark.parametrize("beside", [0, 1])
def test_a_lock_that_is_not_to_be_had_in_time_is_told(app, cast, monkeypatch, beside):
    """By another process that holds it, or by a writer of this one; and nothing is left behind."""
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.2)
    monkeypatch.setattr(database, "_turns", threading.BoundedSemaphore(1))
    turn = database._turn if db.engine.dialect.name == "sqlite" else database._turns
    with contextlib.ExitStack() as held:
        if beside:
            turn.acquire()
            held.callback(turn.release)
        else:
            holder = held.enter_context(db.engine.connect().execution_options(sqlite_begin="IMMEDIATE"))
            holder.execute(text("UPDATE organization SET name = name WHERE id = 'org-456'"))
        before = time.monotonic()
        with pytest.raises(Busy), transaction(cast.acme):
            pytest.fail("It has the lock.")
        assert time.monotonic() - before < 2
    with transaction(cast.acme):
        cast.acme_service.update(name="Later")


WRITERS, READERS, SOON = 60, 30, 5.0  # more than there are connections; seconds


def test_whoever_reads_finds_a_connection_however_many_wait_to_write(app, cast):
    """On PostgreSQL writers queue in the database, each with a connection; on SQLite before they have one."""

    def write():
        with app.app_context():
            service = db.session.get(Service, id)
            with transaction(service.organization):
                service.update(description=service.description + "x")

    def read(_):
        begun = time.monotonic()
        with app.app_context(), snapshot() as session:
            assert session.get(Organization, "org-456")
        return time.monotonic() - begun

    id = cast.acme_service.id
    with transaction(cast.acme):
        cast.acme_service.update(description="x")
    db.session.remove()
    writers = [threading.Thread(target=write) for _ in range(WRITERS)]
    with db.engine.connect().execution_options(sqlite_begin="IMMEDIATE") as holder:
        holder.execute(text("UPDATE organization SET name = name WHERE id = 'org-456'"))
        for writer in writers:
            writer.start()
        with ThreadPoolExecutor(READERS) as readers:
            assert max(readers.map(read, range(READERS))) < SOON
    for writer in writers:
        writer.join(30)
    assert db.session.get(Service, id).description == "x" * (1 + WRITERS)


@pytest.mark.one_database("postgresql")
def test_a_node_says_that_it_lives_however_many_wait_to_write(app, cast, monkeypatch):
    """The others would take it for dead before who froze with a lock loses that."""
    monkeypatch.setattr(database, "_turns", threading.BoundedSemaphore(1))
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.2)
    database._turns.acquire()
    with pytest.raises(Busy), transaction():
        pytest.fail("It has a turn.")
    jobs = Jobs(app)
    jobs.beat()
    with snapshot() as session:
        assert session.get(Node, jobs.node)


@pytest.mark.one_database("postgresql")
def test_a_connection_that_is_lost_takes_no_turn_along_and_hides_no_reason(app, cast, monkeypatch):
    """The server ended it, and nobody knows that until the rollback."""
    monkeypatch.setattr(database, "_turns", threading.BoundedSemaphore(1))

    def lose_it_and_refuse():
        pid = db.session.connection().exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with db.engine.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        raise Invalid("No")

    for _ in range(2):
        with pytest.raises(Invalid, match="No"), transaction(cast.acme):
            lose_it_and_refuse()
    with transaction(cast.acme):
        cast.acme_service.update(name="Later")


@pytest.fixture
def hasty(monkeypatch) -> None:
    monkeypatch.setattr(postgres, "IDLE_SECONDS", 0.5)


@pytest.mark.one_database("postgresql")
def test_who_freezes_while_it_writes_loses_its_lock(app, cast, hasty):
    """Another one writes, though it is never heard of again."""
    with db.engine.connect() as frozen:
        postgres.begin_turn(frozen, 1)
        frozen.execute(text("SELECT * FROM organization WHERE id = 'org-456' FOR UPDATE"))
        with transaction(cast.acme):
            cast.acme_service.update(name="Later")
        with pytest.raises(DBAPIError) as cut:
            frozen.execute(text("SELECT 1"))
        assert is_away(cut.value)


@pytest.mark.one_database("postgresql")
def test_who_reads_or_waits_for_files_has_more_time(app, cast, hasty):
    """A backup that goes to a slow disk, a snapshot that goes to a bucket."""
    idle = text("SHOW idle_in_transaction_session_timeout")
    with transaction():
        assert db.session.scalar(idle) == "500ms"
        may_take_long()
        assert db.session.scalar(idle) == "1min"
    with snapshot() as session:
        assert session.scalar(idle) == "0"


@pytest.mark.one_database("postgresql")
def test_the_server_looks_whether_its_clients_are_there(app):
    """By itself it would take two hours to find a machine gone."""
    with db.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT name, source FROM pg_settings WHERE source = 'session'")
        assert set(postgres.KEEPALIVES) <= {name for name, _ in rows}


@pytest.mark.one_database("postgresql")
def test_who_waits_for_another_lock_or_in_a_ring_is_told_that_it_is_busy(app, cast, monkeypatch):
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.2)
    with db.engine.connect() as holder:
        holder.execute(text("LOCK TABLE job IN EXCLUSIVE MODE"))
        with pytest.raises(Busy), transaction():
            alone(Job)
    with pytest.raises(Busy), transaction():
        db.session.execute(text("DO $$ BEGIN RAISE EXCEPTION 'ring' USING ERRCODE = '40P01'; END $$"))


@pytest.mark.parametrize(
    ("code", "away"),
    [(None, True), ("08006", True), ("57P01", True), ("57P03", True)]
    + [(code, False) for code in ("53100", "40P01", "55P03", "57014", "53300")],
)
def test_only_a_database_that_cannot_be_reached_is_away(code, away):
    """Not a full disk, nor a lock, nor a question that took too long."""
    error = psycopg.errors.lookup(code)() if code else psycopg.OperationalError()
    assert is_away(OperationalError("UPDATE", {}, error)) is away
    assert not is_away(OperationalError("UPDATE", {}, sqlite3.OperationalError("disk is full")))


def test_an_error_rolls_everything_back_and_rings_nobody(app, cast):
    heard: list[str] = []
    before = cast.acme.seq
    with committed.connected_to(heard.append), contextlib.suppress(Invalid), transaction(cast.acme):
        Service.create(cast.acme, None, name="Half")
        raise Invalid("no")
    assert heard == []
    assert cast.acme.seq == before
    assert db.session.query(Service).filter_by(name="Half").count() == 0


def test_a_commit_rings_once_for_each_organization_that_recorded(app, cast):
    heard: list[str] = []
    with committed.connected_to(heard.append), transaction(cast.acme, cast.globex):
        Service.create(cast.acme, None, name="One")
        Service.create(cast.acme, None, name="Two")
    assert heard == [cast.acme.id]


def test_what_was_loaded_before_the_lock_is_read_again(app, cast):
    assert cast.acme_service.name == "API"
    with db.engine.begin() as other:
        other.execute(text("UPDATE service SET name = 'Newer' WHERE id = :id"), {"id": cast.acme_service.id})
    with transaction(cast.acme):
        assert cast.acme_service.name == "Newer"


@pytest.mark.one_database("sqlite")
def test_sqlite_is_as_durable_as_it_can_be(app):
    with db.engine.connect() as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}, "2 is FULL"


def test_a_deleted_organization_cannot_be_locked(app, cast):
    with transaction(cast.globex):
        cast.globex.remove()
    with pytest.raises(Gone), transaction(cast.globex):
        pass


def test_a_transaction_in_a_transaction_is_refused(app, cast):
    with transaction(cast.acme), pytest.raises(RuntimeError), transaction(cast.globex):
        pass


def test_recording_outside_a_transaction_is_refused(app, cast):
    with pytest.raises(RuntimeError):
        cast.acme.record("settings", "updated", cast.acme.id)


def test_a_snapshot_sees_one_moment(app, cast):
    with snapshot() as session:
        first = session.scalar(text("SELECT seq FROM organization WHERE id = 'org-456'"))
        with transaction(cast.acme):
            Service.create(cast.acme, None, name="Later")
        assert session.scalar(text("SELECT count(*) FROM service WHERE name = 'Later'")) == 0
        assert session.scalar(text("SELECT seq FROM organization WHERE id = 'org-456'")) == first


@pytest.mark.one_database
def test_what_was_read_outlives_its_connection_and_what_is_not_written_yet_is_not_let_go(app, cast):
    service = db.session.get(Service, cast.acme_service.id, populate_existing=True)
    assert db.session().in_transaction()
    let_go()
    assert service.name == "API"
    assert not db.session().in_transaction()  # nothing was asked again
    service.name = "Not like this"
    with pytest.raises(RuntimeError):
        let_go()
    db.session.rollback()


def lose_the_connection(*_: object, **__: object) -> None:
    """The server ends the connection of this session, between two questions."""
    pid = db.session.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with db.engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


@pytest.mark.one_database("postgresql")
def test_a_server_that_goes_away_after_the_answer_takes_nothing_back(app, cast, client):
    with request_finished.connected_to(lose_the_connection, app):
        answer = client.get("/api/status?organizationId=org-456")
    assert answer.status_code == 200
    Dispatcher(app, app.extensions["live"].hub, 15)._attempt(lose_the_connection)  # its thread goes on
    assert db.session.execute(text("SELECT 1")).scalar_one() == 1
