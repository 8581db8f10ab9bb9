"""To whom a line was written, and when: read from what their wires still hold."""

import socket
from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace

import pytest

from statuspage.database import transaction
from statuspage.live import counts, entry, tally
from statuspage.live.audience import Seat
from statuspage.live.message import Cursor, Message
from statuspage.live.reach import Reach
from statuspage.live.stream import Poll
from statuspage.live.transport.wire import Wire
from statuspage.models.access import NOBODY
from statuspage.models.incident import Incident
from statuspage.models.role import Role
from statuspage.models.scope import Scope
from statuspage.models.service import Service
from statuspage.models.status import IncidentStatus


class Peer:
    """A client on a real wire; what it is told is written when the test says so."""

    form, transport, address = "frame", "websocket", "203.0.113.7"

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        nothing = lambda *_: None  # noqa: E731
        poller = SimpleNamespace(is_ready=nothing, are_ready=nothing, watch=nothing, forget=nothing)
        poller.clock, poller.patience = SimpleNamespace(after=nothing), 20
        self.wire = Wire(poller, ours.detach(), None, 100)
        self.outlet, self.id = self, str(id(self))

    def deliver(self, message: Message) -> None:
        self.wire.send(message.frame)

    def wait_until_drained(self) -> None:
        pass

    def owes(self, message: Message) -> bool | None:
        return self.wire.owes(message.frame)

    def read(self) -> None:
        """As much as there is."""
        self.theirs.setblocking(False)
        while self.wire.unsent is not None:
            self.wire.flush()
            with suppress(BlockingIOError):
                self.theirs.recv(1 << 20)


@pytest.fixture
def peers():
    made = [Peer() for _ in range(3)]
    yield made
    for peer in made:
        peer.theirs.close()
        peer.wire.cut()


def long(text: str) -> Message:
    return Message("change", {"html": text * 300_000})


def test_a_wire_owes_what_it_has_not_written_to_the_last_byte(peers):
    peer, first, second = peers[0], long("a"), long("b")
    peer.deliver(first), peer.deliver(second)
    assert (peer.owes(first), peer.owes(second)) == (True, True)
    peer.wire.flush()
    assert type(peer.wire.unsent) is list
    assert (peer.owes(first), peer.owes(second)) == (True, True), "a part of it is on its way"
    while len(peer.wire.unsent) == 2:
        peer.theirs.recv(1 << 20), peer.wire.flush()
    assert (peer.owes(first), peer.owes(second)) == (False, True)
    peer.read()
    assert (peer.owes(first), peer.owes(second)) == (False, False)
    peer.wire.cut()
    assert peer.owes(first) is None


def test_only_what_was_written_counts_and_only_from_then_on(peers):
    prompt, slow, gone = peers
    reach, message = Reach(SimpleNamespace(seq=1)), long("a")
    for peer in peers:
        peer.deliver(message)
    reach.tell(message, list(peers))
    prompt.read(), gone.wire.cut()
    reach.look(0.3)
    assert reach.take() == [1, 1, 1]
    reach.look(0.96), reach.look(2.5)
    assert reach.take() == [0, 0, 0], "it is counted once; who waits is not"
    slow.read()
    reach.look(5.5), reach.look(9.9)
    assert reach.take() == [0, 1, 1]


@pytest.mark.parametrize(
    ("age", "counted"), [(0.3, [1, 1, 1]), (5, [0, 1, 1]), (30, [0, 0, 1]), (70, [0, 0, 0])]
)
def test_a_line_that_came_late_counts_for_less(age, counted):
    reach = Reach(SimpleNamespace(seq=1))
    reach.add(1, age)
    assert reach.take() == counted


# --- in a channel ----------------------------------------------------------------------------------


@pytest.fixture
def channel(app, cast):
    return app.extensions["live"].hub.channel("org-456")


@pytest.fixture
def sit(channel, cast, peers):
    """A peer joins: `view` of Acme, from a position, and whether it says that it was here before."""
    left = list(peers)

    def sit(
        view: str = "data", cursor: str | None = None, *, again: bool = False, scope: Scope | None = None
    ):
        seat = Seat(left.pop(), scope or cast.acme.scope, view)
        channel.register(seat)
        seat.role = Role.VISITOR
        if view == "data":
            entry.enter_data(channel, seat, entry.data_rooms(seat.scope), entry.wanted(cursor))
        else:
            entry.enter_board(channel, seat, Cursor.parse(cursor), again=again)
        seat.connection.read()
        return seat.connection

    return sit


@pytest.fixture
def after(channel, monkeypatch):
    """`after(seconds)`: what was counted since the last time, looked at so long after the last commit."""

    def after(seconds: float, by: str = "type") -> dict[str, list[int]]:
        last = max((reach.line.created_at for reach in channel.tally._young.values()), default=tally.now())
        with monkeypatch.context() as patch:
            patch.setattr(tally, "now", lambda: last + timedelta(seconds=seconds))
            channel.tally.look()
        return {getattr(line, by): new for line, new in channel.tally.take()[1]}

    return after


def create(cast, name: str) -> Service:
    with transaction(cast.acme):
        return Service.create(cast.acme, None, name=name)


def incident(cast, title: str) -> Incident:
    with transaction(cast.acme):
        return Incident.open(cast.acme, None, title=title, message="We look.")


@pytest.mark.one_database
def test_a_client_that_reads_nothing_was_not_reached(cast, channel, sit, after):
    reader, _deaf = sit(), sit()
    create(cast, "Shop")
    channel.look()
    reader.read()
    assert after(0.3) == {"created": [1, 1, 1]}
    assert after(59.6) == {}
    assert after(61) == {}
    assert not channel.tally._young, "nothing is kept of a line that is over"


@pytest.mark.one_database
@pytest.mark.parametrize("view", ["data", "page"])
def test_who_comes_back_for_a_line_was_reached_though_nobody_heard_it_here(cast, channel, sit, after, view):
    channel.board(cast.acme.scope, "page")
    before = channel.state.cursor(cast.acme.scope)
    create(cast, "Shop")
    channel.look()
    sit(view, before)
    assert after(5) == {"created": [0, 1, 1]}
    sit(view, before)
    assert after(61) == {}, "who comes for what is old adds no row"


@pytest.mark.one_database
def test_the_readers_of_one_incident_are_no_measure_of_another(cast, channel, sit, after):
    mine, other = incident(cast, "Mine"), incident(cast, "Other")
    channel.look()
    reader = sit(f"incident/{mine.id}")
    channel.push_interval = 0
    for one in (other, mine):
        with transaction(cast.acme):
            one.post_update(status=IncidentStatus.MONITORING, message="Still.")
        channel.look()
        channel.push_due()
    reader.read()
    assert after(5, by="subject") == {mine.id: [0, 1, 1]}


@pytest.mark.one_database
def test_who_comes_back_is_counted_and_who_comes_is_not(cast, channel, sit):
    create(cast, "Shop")
    channel.board(cast.acme.scope, "page")
    before = channel.state.cursor(cast.acme.scope)
    create(cast, "Bank")
    channel.look()
    sit("page", before)  # from a cache
    assert dict(channel.tally.take()[0]) == {("", "joins"): 1}
    sit("page", before, again=True)
    assert channel.tally.take()[0] == {("", "joins"): 1, ("", "returns"): 1, ("", "replays.board"): 1}
    sit("data", before)
    assert channel.tally.take()[0] == {("", "joins"): 1, ("", "returns"): 1, ("", "replays.memory"): 1}


@pytest.mark.one_database
def test_who_hears_everything_is_on_no_page(cast, channel, sit):
    sit(scope=Scope("org-456", whole=True)), sit(scope=cast.north.scope)
    assert channel.tally.take()[0] == {("*", "joins"): 1, (cast.north.id, "joins"): 1}


@pytest.mark.one_database
def test_a_poll_that_is_answered_at_once_was_reached(cast, channel, after):
    channel.board(cast.acme.scope, "page")
    before = channel.state.cursor(cast.acme.scope)
    create(cast, "Shop")
    channel.look()
    poll = Poll(channel, cast.acme.scope, "data", NOBODY)
    assert poll.answer(before, 0)["events"]
    assert after(0.3) == {"created": [1, 1, 1]}
    assert poll.owes(Message("head", {})) is False


@pytest.mark.one_database
def test_the_lag_of_a_line_is_in_its_bucket(cast, channel, sit, monkeypatch):
    lag = counts.Lag()
    monkeypatch.setattr(counts, "lag", lag)
    for seconds in (-3, 0.3, 100):
        counts.lagged(seconds)
    assert [bucket for bucket, number in enumerate(lag.buckets) if number] == [0, 6, len(counts.LAGS)]
    assert (lag.count, lag.total) == (3, 100.3)
