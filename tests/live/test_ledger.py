"""Who was connected is written down in batches; what a dead node held is nobody's presence."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from unittest.mock import Mock

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from statuspage.clock import now
from statuspage.database import database_time, db, snapshot, transaction
from statuspage.jobs import Jobs
from statuspage.live import ledger as ledger_module
from statuspage.live import tally
from statuspage.live.audience import Seat, ending_of
from statuspage.live.entry import data_rooms
from statuspage.live.ledger import BATCH, Ledger, Numbers
from statuspage.models import connection, figure, node, reach, retention
from statuspage.models.access import Proof
from statuspage.models.connection import Connection, Ending
from statuspage.models.reach import Reach
from statuspage.models.scope import Scope
from statuspage.models.service import Service
from tests.proxies import eventually
from tests.web.api.asking import Api


@dataclass
class Client:
    id: str
    transport: str = "websocket"
    address: str = "203.0.113.7"
    outlet: SimpleNamespace = field(init=False)

    def __post_init__(self) -> None:
        self.outlet = SimpleNamespace(address=self.address, wire=None, owes=lambda message: False)

    def deliver(self, message) -> None:
        pass


@pytest.fixture
def ledger(app):
    """Of a process that has just begun."""
    ledger = app.extensions["live"].ledger
    ledger.__init__(ledger._app, ledger._hub, ledger.node)
    yield ledger
    ledger._seats.clear()


@pytest.fixture
def sit(app, cast, ledger):
    channel = app.extensions["live"].hub.channel("org-456")

    def sit(id: str, scope: Scope = cast.acme.scope, proof: Proof | None = None, **client: str) -> Seat:
        seat = Seat(Client(id, **client), scope, "data")
        seat.proof = proof or seat.proof
        channel.register(seat)
        channel.enter(seat, data_rooms(scope))
        return seat

    sit.channel = channel
    return sit


def rows() -> dict[str, Connection]:
    with snapshot() as session:
        return {row.id: row for row in session.query(Connection)}


def test_who_came_and_went_is_written_down(cast, ledger, sit):
    member = Proof(user_id=cast.users["acme-admin"].id)
    stayed, left = sit("stayed", proof=member), sit("left")
    sit.channel.leave(left, ending=Ending.SLOW)
    ledger.write()
    sit("late", cast.north.scope, transport="sse")
    ledger.write()
    sit.channel.leave(stayed)
    sit.channel.leave(stayed)
    ledger.write()
    found = rows()
    assert {id: (row.ended, row.until is not None) for id, row in found.items()} == {
        "stayed": ("left", True),
        "left": ("too slow", True),
        "late": (None, False),
    }
    assert (found["stayed"].user_id, found["stayed"].visitor) == (member.user_id, None)
    late = found["late"]
    assert (late.tenant_id, late.transport, late.node) == (cast.north.id, "sse", ledger.node)


def test_thousands_who_come_at_once_are_a_few_statements(asked, ledger, sit):
    ledger.write()
    asked.clear()
    for number in range(5000):
        sit(f"client-{number}")
    assert asked == [], "to come costs the database nothing"
    ledger.write()
    inserts = [statement for statement in asked if statement.startswith("INSERT INTO connection")]
    assert len(inserts) == 5000 // BATCH
    assert len(asked) < 4 * len(inserts)
    assert len(rows()) == 5000


def test_who_comes_while_others_are_written_is_of_the_next_turn(ledger, sit, monkeypatch):
    """A crowd that is still coming would make a transaction of every few."""
    write, sizes = ledger._write_seats, []

    def and_one_more_comes(batch):
        sizes.append(len(batch))
        write(batch)
        sit(f"late-{len(sizes)}")

    monkeypatch.setattr(ledger, "_write_seats", and_one_more_comes)
    for number in range(BATCH + 1):
        sit(f"client-{number}")
    ledger.write()
    assert (sizes, ledger.waiting) == ([BATCH, 1], 2)
    ledger.write()
    assert (sizes[2:], ledger.waiting) == ([2], 1)


def test_an_address_is_a_hash_that_nobody_can_make_tomorrow(ledger, sit, monkeypatch):
    sit("one"), sit("two"), sit("other", address="203.0.113.8")
    ledger.write()
    ledger._salt = (ledger._salt[0] - timedelta(days=1), ledger._salt[1])
    sit("tomorrow")
    ledger.write()
    visitors = {id: row.visitor for id, row in rows().items()}
    assert visitors["one"] == visitors["two"]
    assert len(set(visitors.values())) == 3
    assert not any("203.0.113" in str(row.__dict__) for row in rows().values())


def test_a_held_poll_stands_there_only_while_it_waits(ledger, sit):
    poll, gone = sit("poll", transport="poll"), sit("gone", transport="poll")
    sit.channel.leave(gone)
    ledger.write()
    assert set(rows()) == {"poll"}
    sit.channel.leave(poll)
    ledger.write()
    assert rows() == {}


def test_an_audience_that_comes_within_a_minute_waits_for_the_next(ledger, sit, monkeypatch):
    moment = now()
    monkeypatch.setattr(ledger_module, "now", lambda: moment)
    ledger._minute -= timedelta(minutes=1)
    ledger.write()  # nobody is here as the minute begins
    sit("late")
    ledger.write()
    with snapshot() as session:
        assert session.query(figure.Figure).filter_by(name="watching").all() == []


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("draining", "reason", "ended"),
    [
        (False, (), "left"),
        (False, ("transport close",), "left"),
        (False, ("server disconnect",), "access ended"),  # for too many messages, or with another seat
        (False, ("ping timeout",), "lost"),
        (True, (), "server stopped"),  # a stream's wire says nothing
        (True, ("server disconnect",), "server stopped"),
        (True, ("too slow",), "too slow"),
    ],
)
def test_how_a_connection_ended(ledger, sit, monkeypatch, draining, reason, ended):
    monkeypatch.setattr(ledger._hub, "draining", draining)
    sit.channel.leave(sit("client"), ending=ending_of(*reason))
    ledger.write()
    assert rows()["client"].ended == ended


def test_the_transport_is_the_one_that_it_ended_with(ledger, sit):
    seat = sit("upgraded", transport="polling")
    ledger.write()
    seat.connection.transport = "websocket"
    sit.channel.leave(seat)
    ledger.write()
    assert rows()["upgraded"].transport == "websocket"


@pytest.mark.one_database
def test_a_queue_that_is_full_forgets_the_oldest_and_leaves_no_ghost(ledger, sit, monkeypatch):
    monkeypatch.setattr(ledger_module, "LONGEST", 3)
    ledger._seats = deque(maxlen=3)
    stays, ghost = sit("stays"), sit("ghost")
    ledger.write()
    with monkeypatch.context() as patch:
        patch.setattr(connection, "write", lambda *_: (sit("newest"), 1 / 0))
        sit.channel.leave(ghost)
        sit("second"), sit("third")
        ledger.write()
    ledger.write()
    assert {id: row.ended for id, row in rows().items()} == {
        "stays": None,
        "ghost": "lost",
        "second": None,
        "third": None,
        "newest": None,
    }
    assert stays.rooms


@pytest.mark.one_database
def test_a_database_that_is_away_is_a_line_of_the_log(ledger, sit, monkeypatch, caplog):
    error = psycopg.OperationalError("the connection is lost")
    monkeypatch.setattr(connection, "write", Mock(side_effect=OperationalError("INSERT", {}, error)))
    sit("patient")
    ledger.write()
    (said,) = [record for record in caplog.records if "ledger" in record.getMessage()]
    assert (said.levelname, said.exc_info) == ("WARNING", None)


def test_what_could_not_be_written_is_written_later(ledger, sit, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(connection, "write", lambda *_: 1 / 0)
        seat = sit("patient")
        ledger.write()
        sit.channel.leave(seat)
    ledger.write()
    assert rows()["patient"].ended == "left"


def written(node_id: str, id: str, **values) -> None:
    with transaction():
        since = database_time(db.session()) - timedelta(minutes=5)
        common = {"organization_id": "org-456", "view": "page", "transport": "sse", "role": "visitor"}
        db.session.add(Connection(id=id, since=since, node=node_id, whole=False, **common | values))


def beat(node_id: str, name: str, ago: timedelta = timedelta(0)) -> datetime:
    with transaction():
        node.beat(node_id, name)
        row = db.session.get(node.Node, node_id)
        row.seen_at -= ago
        return row.seen_at


def test_nodes_count_together_and_the_dead_count_for_nothing(app, cast, ledger, sit):
    sit("here")
    beat("east-1", "east"), beat("west-1", "west", ago=timedelta(minutes=4))
    written("east-1", "there"), written("west-1", "ghost"), written("killed-1", "older ghost")
    api = Api(app, cast)
    info = api.get("/websocket/info?organizationId=org-456", by="acme-admin").json
    assert info["nodes"] == {"east": 1, "this": 1}
    assert info["rooms"] == {"org:org-456": 1, "org:org-456:page": 1}
    assert [client["clientId"] for client in info["clients"]] == ["there", "here"]
    assert "clients" not in api.get("/websocket/info?organizationId=org-456").json
    other = api.get("/websocket/info?organizationId=org-456&tenantId=" + cast.north.id).json
    assert other["connections"] == 0, "nobody sits on this tenant's page"


def test_ghosts_are_closed_with_the_last_beat_and_come_back_with_their_node(app, ledger, cast):
    seen = beat("west-1", "west", ago=timedelta(minutes=4))
    written("west-1", "ghost"), written("killed-1", "unknown"), written("east-1", "alive")
    beat("east-1", "east")
    connection.end_of_the_dead(lambda: True)
    found = rows()
    assert {id: row.ended for id, row in found.items()} == {
        "ghost": "node lost",
        "unknown": "node lost",
        "alive": None,
    }
    assert found["ghost"].until == seen
    assert found["unknown"].until == found["unknown"].since, "it was never seen again"
    jobs = Jobs(app)
    jobs.node = "west-1"
    jobs.beat()
    assert rows()["ghost"].until is None


def test_connections_are_forgotten_after_their_days(app, ledger, cast):
    written("n", "old", until=database_time(db.session()) - timedelta(days=3), ended="left")
    written("n", "new", until=database_time(db.session()), ended="left")
    written("n", "stranger", organization_id="deleted", until=database_time(db.session()), ended="left")
    retention.pruning(app.config | {"CONNECTION_DAYS": 2})(lambda: True)
    assert set(rows()) == {"new"}


@pytest.mark.parametrize(("age", "counted"), [(0.3, (4, 4, 4)), (5, (0, 4, 4)), (30, (0, 0, 4))])
def test_the_reach_of_a_change_is_summed_over_its_listeners_and_nodes(
    cast, ledger, sit, monkeypatch, age, counted
):
    for number in range(3):
        sit(f"client-{number}")
    sit("of north", cast.north.scope)
    with transaction(cast.acme):
        Service.create(cast.acme, None, name="Shop")
    sit.channel.look()
    (young,) = sit.channel.tally._young.values()
    monkeypatch.setattr(tally, "now", lambda: young.line.created_at + timedelta(seconds=age))
    for _ in range(2):  # the second time nothing is new
        sit.channel.tally.look()
        ledger.write()
    with snapshot() as session:
        (row,) = session.query(Reach)
        assert (row.within_1, row.within_10, row.within_60) == counted
        values = {name: getattr(row, name) for name in Reach.__table__.columns.keys()}  # noqa: SIM118
    with transaction():
        reach.write([values])  # another node's
    with snapshot() as session:
        assert session.query(Reach).one().within_60 == 8


def test_a_line_wakes_who_looks_how_far_it_gets(cast, ledger, sit):
    sit("here")
    looking = threading.Thread(target=ledger._look, daemon=True)
    looking.start()
    for name in ("Shop", "Mail"):  # also when it went back to sleep
        with transaction(cast.acme):
            Service.create(cast.acme, None, name=name)
        sit.channel.look()
        assert eventually(lambda: [new for _, new in sit.channel.tally.take()[1]]) == [[1, 1, 1]]
        sit.channel.tally._young.clear()
    ledger.close()
    looking.join(timeout=10)
    assert not looking.is_alive()


def test_the_audience_is_counted_once_a_minute_and_each_connection_once(cast, ledger, sit, monkeypatch):
    moment = now()
    monkeypatch.setattr(ledger_module, "now", lambda: moment)
    sit("one"), sit("two", transport="sse"), sit("of north", cast.north.scope)
    ledger.write()
    ledger._minute -= timedelta(minutes=1)  # this one begins in its sight
    for process in (ledger, ledger, Ledger(ledger._app, ledger._hub, "in its place")):
        process.write()
    with snapshot() as session:
        found = session.query(figure.Figure).filter(figure.Figure.name.startswith("watching"))
        minutes = len({row.at for row in found})
        levels = {(row.tenant_id, row.name): row.value for row in found}
    assert levels == {
        ("", "watching"): 2,
        (cast.north.id, "watching"): 1,
        ("*", "watching"): 3,
        ("*", "watching.websocket"): 2,
        ("*", "watching.sse"): 1,
    }
    assert minutes == 1


def counted(name: str) -> int:
    with snapshot() as session:
        return sum(row.value for row in session.query(figure.Figure).filter_by(name=name))


def test_numbers_are_added_once_though_nobody_was_told_that_their_commit_was_done(
    cast, ledger, sit, monkeypatch
):
    """The connection is cut between a commit and its answer. What is counted meanwhile is another batch."""
    add = Numbers.add

    def cut_after_commit(numbers):
        add(numbers)
        session = db.session()
        patch.setattr(session, "commit", lambda: (type(session).commit(session), 1 / 0))

    with monkeypatch.context() as patch:
        patch.setattr(Numbers, "add", cut_after_commit)
        for _ in range(2):
            sit.channel.tally.replayed(cast.acme.scope, "memory")
        ledger.write()
    assert counted("replays.memory") == 2
    sit.channel.tally.replayed(cast.acme.scope, "memory")
    ledger.write()
    assert counted("replays.memory") == 3


def test_numbers_that_could_not_be_added_are_added_later(cast, ledger, sit, monkeypatch):
    for _ in range(2):
        sit.channel.tally.replayed(cast.acme.scope, "memory")
        with monkeypatch.context() as patch:
            patch.setattr(Numbers, "add", lambda _: 1 / 0)
            ledger.write()
    assert counted("replays.memory") == 0
    ledger.write()
    assert counted("replays.memory") == 2


def test_a_batch_that_waited_for_its_database_is_added_to_a_minute_that_is_not_rolled_up_yet(
    cast, ledger, sit, monkeypatch
):
    moment = now()
    monkeypatch.setattr(ledger_module, "now", lambda: moment)
    sit("here")
    ledger.write()
    ledger._minute -= timedelta(minutes=1)  # this one begins in its sight
    sit.channel.tally.replayed(cast.acme.scope, "memory")
    with monkeypatch.context() as patch:
        patch.setattr(Numbers, "add", lambda _: 1 / 0)
        ledger.write()
    moment += timedelta(minutes=30)
    ledger._minute = figure.floor(moment, "minute")
    ledger.write()
    with snapshot() as session:
        found = {row.name: row.at for row in session.query(figure.Figure)}
    assert found == {"replays.memory": figure.floor(moment, "minute")}, "and no level of a time that is over"


def test_who_stops_waits_as_long_as_it_gets_on(cast, ledger, sit, monkeypatch, caplog):
    monkeypatch.setattr(ledger_module, "LAST_SECONDS", 0.2)
    monkeypatch.setattr(ledger_module, "LAST_TIMES", 50)
    monkeypatch.setattr(ledger_module, "BATCH", 2)
    write = ledger._write_seats
    monkeypatch.setattr(ledger, "_write_seats", lambda batch: (time.sleep(0.1), write(batch)))
    for number in range(8):
        sit(f"client-{number}")
    ledger.close()
    assert len(rows()) == 8
    assert "too slow" not in caplog.text


def test_who_stops_does_not_wait_for_a_database_that_hangs(cast, ledger, sit, monkeypatch, caplog):
    monkeypatch.setattr(ledger_module, "LAST_SECONDS", 0.01)
    sit("here")
    with ledger._writing:
        ledger.close()
    assert "who was connected last is not written down" in caplog.text
    assert eventually(lambda: set(rows()) == {"here"}), "it is written if it answers after all"
