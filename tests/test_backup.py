"""Backup and restore: everything, as of one moment, from either database into either; all or nothing."""

import gzip
import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from statuspage import backup, database
from statuspage.backup import elsewhere, file, rows
from statuspage.backup.file import Head, Table
from statuspage.clock import now
from statuspage.database import Busy, db, new_id, snapshot, transaction
from statuspage.models import node
from statuspage.models.errors import Conflict, Invalid
from statuspage.models.idempotency import remember
from statuspage.models.incident import Incident
from statuspage.models.organization import Organization
from statuspage.models.service import Service
from statuspage.models.session import UserSession
from statuspage.models.snapshot import Snapshot
from statuspage.models.status import IncidentStatus, ServiceStatus
from tests.conftest import DATABASES

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001"
    "e221bc330000000049454e44ae426082"
)


def contents() -> dict[str, list[tuple]]:
    """Every row of every table, but of those that tell what runs."""
    with snapshot() as session:
        return {
            table.name: [tuple(row) for row in session.execute(select(table).order_by(*table.primary_key))]
            for table in db.metadata.sorted_tables
            if table.name not in backup.OF_PROCESSES
        }


def written() -> bytes:
    stream = io.BytesIO()
    backup.write(stream)
    return stream.getvalue()


@pytest.fixture
def lived_in(cast):
    """The cast after a day's work: every kind of value is somewhere."""
    with transaction(cast.acme, by=cast.users["acme-editor"].id):
        cast.acme.set_look(accent="#0969da", logo=PIXEL)
        incident = Incident.open(
            cast.acme,
            None,
            title="Ünrest",
            message="☂",
            services={cast.acme_service.id: ServiceStatus.DEGRADED},
        )
        incident.post_update(status=IncidentStatus.MONITORING, message="Beter")
        incident.updates[-1].edit("Better")
        remember("somebody", "key", "print", 201, {"done": True})
        UserSession.begin(cast.users["acme-editor"])
    return cast


def test_everything_comes_back_and_nothing_of_later(app, lived_in):
    kept, before = written(), contents()
    epochs = {row.id: row.epoch for row in db.session.scalars(select(Organization))}
    with transaction(lived_in.acme, lived_in.globex):
        lived_in.acme_service.update(name="Renamed later")
        lived_in.globex.remove()
        Organization.create(slug="later", name="Later")
        node.beat("n1", "")
    backup.restore(io.BytesIO(kept))
    db.session.rollback()
    for row in db.session.scalars(select(Organization)):
        assert row.epoch not in epochs.values(), "no position from after the backup is good"
        assert row.pruned_through == row.seq
        with transaction(row):
            row.epoch, row.pruned_through, row.epoch_birth = epochs[row.id], 0, 0
    assert contents() == before | {name: [] for name in backup.PASSING}, "and nobody is signed in"
    assert [id for id, _ in node.living(db.session())] == ["n1"], "what runs, runs on"


@pytest.fixture
def another(app, make_database) -> str:
    """An empty database of the other kind."""
    other = DATABASES[db.engine.dialect.name == "sqlite"]
    return make_database(other, f"moved_{new_id()}")


def test_a_move_takes_everything_to_the_other_database_and_positions_stay_good(app, lived_in, another):
    with transaction():
        db.session.add(
            Snapshot(organization_id="org-456", tenant_id="", path="/acme", files={"acme.html": ""})
        )
    before = contents()
    assert before["snapshot"], "which files exist is known there too"
    db.session.rollback()
    said = app.test_cli_runner().invoke(args=["move", another])
    assert said.exit_code == 0, said.output
    with elsewhere.database(another) as other, other.app_context():
        assert contents() == before
    with pytest.raises(Conflict, match="Give an empty one"):
        backup.move(another)


def test_no_move_under_a_running_server(app, cast, another):
    with transaction():
        node.beat("n1", "")
    with pytest.raises(Conflict, match="Stop it first"):
        backup.move(another)


def test_a_backup_is_of_one_moment_whatever_is_written_meanwhile(app, cast):
    read: dict[str, list[dict[str, Any]]] = {}
    with snapshot() as session:
        for item in rows.read_all(session):
            if isinstance(item, Table):
                table = item
                with transaction(cast.acme):  # between any two tables
                    Service.create(cast.acme, None, name=f"Beside {table.name}")
            else:
                read.setdefault(table.name, []).append(dict(zip(table.columns, item, strict=True)))
    (acme,) = (row for row in read["organization"] if row["id"] == "org-456")
    log = [row["seq"] for row in read["event"] if row["organization_id"] == "org-456"]
    assert log == list(range(1, acme["seq"] + 1))
    assert not [row for row in read["service"] if row["name"].startswith("Beside")][1:]


class SlowPipe(io.BytesIO):
    """Takes as long for the first piece as `wait` does."""

    def __init__(self, wait: Callable[[], Any]) -> None:
        super().__init__()
        self._waits = [wait]

    def write(self, piece: Any) -> int:
        for wait in self._waits:
            wait()
        self._waits = []
        return super().write(piece)


@pytest.fixture
def impatient(app) -> Iterator[None]:
    """A server that ends whoever idles in a transaction; for the connections of this test only."""

    def after_half_a_second(connection: Any, _record: Any) -> None:
        connection.autocommit = True  # else it would end with a rollback
        connection.execute("SET idle_in_transaction_session_timeout = 500")
        connection.autocommit = False

    db.session.remove()
    db.engine.dispose()
    event.listen(db.engine, "connect", after_half_a_second)
    yield
    event.remove(db.engine, "connect", after_half_a_second)
    db.session.remove()
    db.engine.dispose()


@pytest.mark.one_database("postgresql")
def test_a_slow_pipe_costs_no_backup(app, cast, impatient):
    """Even where the server ends whoever idles in a transaction."""
    pipe = SlowPipe(lambda: threading.Event().wait(1.0))
    backup.write(pipe)
    assert lines_of(pipe.getvalue())[-1]["rows"] > 10


def test_an_older_backup_is_brought_up_to_date(app, cast):
    """One of the very first tables: what later ones added has its default."""
    head = Head("0001", now())
    organization = {
        "id": "old", "slug": "old", "name": "Old", "visibility": "public", "timezone": "UTC",
        "today": now().date(), "epoch": "e", "seq": 7, "own_seq": 7, "data_seq": 3, "own_data_seq": 3,
        "pruned_through": 0, "created_at": now(),
    }  # fmt: skip
    stream = io.BytesIO()
    file.write(stream, head, [Table("organization", list(organization)), list(organization.values())])
    backup.restore(io.BytesIO(stream.getvalue()))
    db.session.rollback()
    (old,) = db.session.scalars(select(Organization))
    assert (old.id, old.seq, old.indexed, old.created_at) == ("old", 7, True, organization["created_at"])


def lines_of(kept: bytes) -> list[Any]:
    return [json.loads(line) for line in gzip.decompress(kept).splitlines()]


def remade(head: Head, items: list[Any]) -> bytes:
    """Another file of these rows, with a right digest."""
    stream = io.BytesIO()
    file.write(
        stream, head, [Table(i["table"], i["columns"]) if isinstance(i, dict) else i for i in items[1:-1]]
    )
    return stream.getvalue()


def doubled(kept: bytes) -> bytes:
    items = lines_of(kept)
    row = next(at for at, item in enumerate(items) if isinstance(item, list))
    return remade(Head(items[0]["revision"], now()), [*items[:row], items[row], *items[row:]])


def orphaned(kept: bytes) -> bytes:
    items = lines_of(kept)
    without = [item for item in items if not (isinstance(item, list) and item[0] == "org-456")]
    return remade(Head(items[0]["revision"], now()), without)


def one_row_less(kept: bytes) -> bytes:
    lines = gzip.decompress(kept).splitlines(keepends=True)
    return gzip.compress(b"".join(lines[:-2] + lines[-1:]))


WRONG: list[tuple[Callable[[bytes], bytes], str]] = [
    (lambda kept: b"", "cut short"),
    (lambda kept: b"SQLite format 3", "no backup"),
    (lambda kept: gzip.compress(b'{"another": "kind"}\n'), "no backup"),
    (lambda kept: kept[: len(kept) // 2], "cut short"),
    (lambda kept: kept[:-1], "cut short"),
    (lambda kept: kept[:400] + bytes([kept[400] ^ 1]) + kept[401:], "damaged|contradicts itself"),
    (one_row_less, "damaged"),
    (
        lambda kept: gzip.compress(gzip.decompress(kept).replace(b'"version":1', b'"version":2')),
        "newer version",
    ),
    (lambda kept: remade(Head("9999", now()), lines_of(kept)), "newer version"),
    (lambda kept: remade(Head("0001", now()), lines_of(kept)), "its version did not have"),
    (doubled, "contradicts itself"),
    (orphaned, "contradicts itself"),
]


@pytest.mark.one_database
@pytest.mark.parametrize("number", range(len(WRONG)))
def test_a_file_that_is_not_right_changes_nothing(app, cast, number):
    spoil, words = WRONG[number]
    kept, before = written(), contents()
    with pytest.raises(Invalid, match=words):
        backup.restore(io.BytesIO(spoil(kept)))
    assert contents() == before


@pytest.mark.one_database
def test_a_restore_that_fails_in_the_middle_changes_nothing(app, cast, monkeypatch):
    kept, before = written(), contents()
    monkeypatch.setattr(backup, "_begin_anew", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        backup.restore(io.BytesIO(kept))
    assert contents() == before


@pytest.mark.one_database
def test_what_a_killed_restore_left_goes_with_the_next_and_others_are_let_alone(
    app, cast, tmp_path, monkeypatch
):
    monkeypatch.setitem(app.config, "INSTANCE_PATH", str(tmp_path))
    kinds = (f"{backup.ASIDE}killed", f"{backup.ASIDE}running", f"{backup.ASIDE}new", "of-another-program")
    killed, running, new, foreign = (tmp_path / name for name in kinds)
    for folder in (killed, running, new, foreign):
        folder.mkdir()
        (folder / "aside.db").write_text("who was there")
        if folder != new:
            os.utime(folder, (0, 0))
    stream = io.BytesIO()
    backup.write(stream)
    stream.seek(0)
    with backup._held(running):
        backup.restore(stream)
    assert {*tmp_path.iterdir()} == {running, new, foreign}


def test_a_restore_waits_for_writers_and_gives_up_in_the_end(app, cast, monkeypatch):
    kept, before = written(), contents()
    monkeypatch.setattr(rows, "PATIENCE", 0.1)
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.2)
    with db.engine.connect().execution_options(sqlite_begin="IMMEDIATE") as writer:
        writer.execute(select(Organization.__table__).with_for_update())
        with pytest.raises(Busy):
            backup.restore(io.BytesIO(kept))
    assert contents() == before
    backup.restore(io.BytesIO(kept))


@pytest.mark.one_database
def test_the_file_is_its_owners_alone_and_is_there_whole_or_not_at_all(app, cast, tmp_path, monkeypatch):
    run = app.test_cli_runner().invoke
    path = tmp_path / "kept"
    assert run(args=["backup", str(path)]).exit_code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    monkeypatch.setattr(file, "_plain", lambda value: 1 / 0)
    assert run(args=["backup", str(path)]).exit_code == 1
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.one_database
def test_the_commands_refuse_with_a_sentence(app, cast, tmp_path):
    run = app.test_cli_runner().invoke
    (tmp_path / "other").write_text("something else")
    for words, sentence in {
        ("backup", str(tmp_path / "nowhere" / "kept")): "cannot be written",
        ("restore", str(tmp_path / "nowhere")): "cannot be read",
        ("restore", str(tmp_path / "other")): "This is no backup",
        ("move", "mysql://somewhere"): "DATABASE_URL is wrong",
        ("move", app.config["DATABASE_URL"]): "Give an empty one",
    }.items():
        db.session.rollback()
        result = run(args=list(words))
        assert result.exit_code == 1, words
        assert sentence in result.output + str(result.exception), words
        assert "Traceback" not in result.output


def test_time_stays_time(app, lived_in):
    """To the microsecond, over the file and back: what was so long ago stays so."""
    moment = now() - timedelta(days=1, microseconds=7)
    with transaction():
        lived_in.acme_service.created_at = moment
    kept = written()
    backup.restore(io.BytesIO(kept))
    db.session.rollback()
    assert db.session.get(Service, lived_in.acme_service.id, populate_existing=True).created_at == moment
