"""A node that stops: its clients leave a few at a time, and each hears everything until it goes."""

import itertools
import math
import threading
import time
from types import SimpleNamespace

import pytest

from statuspage.database import db, transaction
from statuspage.live import draining, entry, presence
from statuspage.live.audience import Seat
from statuspage.live.draining import DRAIN_SECONDS, STEP_SECONDS, drain
from statuspage.live.entry import data_rooms
from statuspage.live.hub import Hub
from statuspage.live.message import Message
from statuspage.live.stream import Poll, Stream
from statuspage.models import node
from statuspage.models.access import NOBODY
from statuspage.models.connection import Ending
from statuspage.server import NOTICE


class Client:
    """Over a transport without a wire. It leaves when it is let go."""

    transport = "test"
    outlet = wire = None
    numbers = itertools.count()

    def __init__(self, hub: Hub) -> None:
        self.id, self.outlet = str(next(self.numbers)), self
        self.hub, self.heard, self.seats = hub, [], []
        self.steps: int | None = None  # after how many steps it was let go
        hub.loners.add(self)

    def sit(self, channel, scope) -> "Client":
        seat = Seat(self, scope, "data")
        channel.register(seat)
        channel.enter(seat, data_rooms(scope))
        self.hub.loners.discard(self)
        self.seats.append((channel, seat))
        return self

    def deliver(self, message: Message) -> None:
        assert self.steps is None, "it is told nothing any more"
        self.heard.append((message.name, message.payload))

    def let_go(self) -> None:
        self.steps = len(self.hub.steps)
        self.hub.loners.discard(self)
        for channel, seat in self.seats:
            channel.leave(seat)


@pytest.fixture
def hub(app, cast, monkeypatch) -> Hub:
    """`steps`: how long each step took. With each, everybody is told something; `meanwhile` happens too."""
    hub = Hub(build="test", push_interval=0)
    hub.steps, hub.meanwhile = [], lambda: None

    def step(seconds: float) -> None:
        for client in hub.connections():
            client.deliver(Message("said", {"number": len(hub.steps)}))
        hub.meanwhile()
        hub.steps.append(seconds)

    monkeypatch.setattr(draining, "time", SimpleNamespace(sleep=step))
    return hub


def test_a_crowd_leaves_over_five_seconds_and_each_hears_everything_until_it_goes(hub, cast):
    channel = hub.channel(cast.acme.id)
    seated = [Client(hub).sit(channel, cast.acme.scope).sit(channel, cast.south.scope) for _ in range(150)]
    crowd = [*seated, *(Client(hub) for _ in range(50))]  # the last are in no room
    drain(hub, lambda: False)
    assert sum(hub.steps) == pytest.approx(DRAIN_SECONDS - STEP_SECONDS)
    assert sorted(client.steps for client in crowd) == [step for step in range(50) for _ in range(4)]
    assert [client.steps for client in crowd] != sorted(client.steps for client in crowd), "by chance"
    for client in crowd:
        said = [("said", {"number": number}) for number in range(client.steps)]
        assert client.heard == [*said, ("drain", {"delay": 0})]


def test_few_leave_sooner_and_for_nobody_nothing_waits(hub):
    drain(hub, lambda: False)
    assert (hub.steps, hub.draining) == ([], True)
    few = [Client(hub) for _ in range(3)]
    drain(hub, lambda: False)
    assert [client.steps is not None for client in few] == [True] * 3
    assert hub.steps == [STEP_SECONDS] * 2


def test_who_comes_meanwhile_leaves_with_the_rest(hub):
    crowd = [Client(hub) for _ in range(10)]
    hub.meanwhile = lambda: crowd.append(Client(hub))
    drain(hub, lambda: False)
    assert len(crowd) == 19
    assert all(client.steps is not None for client in crowd)
    assert max(sum(client.steps == step for client in crowd) for step in range(10)) <= math.ceil(19 / 10) + 1


def test_where_there_is_no_other_node_all_leave_at_once_to_come_back_each_at_its_own_moment(hub):
    crowd = [Client(hub) for _ in range(100)]
    drain(hub, lambda: True)
    assert hub.steps == []
    assert {str(client.heard) for client in crowd} == {str([("drain", {"delay": DRAIN_SECONDS})])}


def test_a_node_is_alone_as_long_as_no_other_one_beats(app):
    with transaction():
        node.beat("this", "a")
    assert presence.is_alone("this")
    with transaction():
        node.beat("other", "b")
    assert not presence.is_alone("this")
    with transaction():
        db.session.get(node.Node, "other").seen_at -= 4 * node.beat_seconds() * node.timedelta(seconds=1)
    assert presence.is_alone("this")


def test_a_node_whose_database_hangs_takes_itself_for_one_of_several_and_waits_for_no_answer(
    app, monkeypatch
):
    over, ended = threading.Event(), threading.Event()

    def hang(session) -> list:
        over.wait(10)
        ended.set()
        return []

    monkeypatch.setattr(node, "living", hang)
    begun = time.monotonic()
    try:
        assert not presence.is_alone("this")
        assert time.monotonic() - begun < NOTICE - DRAIN_SECONDS, "the clients still have their five seconds"
    finally:
        over.set()
        assert ended.wait(5)


def test_a_stream_that_is_still_at_the_door_is_not_refused(app, cast, hub, monkeypatch):
    prove = entry.prove_visitor

    def prove_slowly(channel, seat):
        drain(hub, lambda: False)
        return prove(channel, seat)

    monkeypatch.setattr(entry, "prove_visitor", prove_slowly)
    stream = Stream(hub.channel(cast.acme.id), cast.acme.scope, "page", NOBODY, None)
    drain(hub, lambda: False)
    assert b"event: change" in b"".join(stream)


def test_a_stream_ends_in_order_and_a_held_poll_is_answered(app, cast, hub):
    channel, endings = hub.channel(cast.acme.id), []
    channel.on_leave = lambda seat, ending: endings.append(ending)
    stream = Stream(channel, cast.acme.scope, "page", NOBODY, None)
    poll = Poll(channel, cast.acme.scope, "page", NOBODY)
    drain(hub, lambda: False)
    assert b"".join(stream).endswith(b'event: drain\ndata: {"delay":0}\n\n')
    assert endings == [Ending.STOPPED]
    assert poll.answer(channel.state.cursor(cast.acme.scope), 25) is None, "it waits for nothing now"
    late = Poll(channel, cast.acme.scope, "data", NOBODY)
    assert late.answer(channel.state.cursor(cast.acme.scope), 25) is None, "nor does who comes later"
