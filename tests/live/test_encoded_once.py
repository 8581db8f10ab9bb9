"""A message to a crowd is encoded once for each way it travels, however many there are."""

import json
import queue
import threading
from collections import Counter
from types import SimpleNamespace

import pytest

from statuspage.live import transport
from statuspage.live.audience import Seat
from statuspage.live.connection import SocketConnection
from statuspage.live.entry import data_rooms
from statuspage.live.message import Message
from statuspage.live.stream import Poll, Stream
from statuspage.live.transport import frames
from statuspage.live.transport.session import Session
from statuspage.live.transport.websocket import WebSocket
from statuspage.live.transport.wire import Wire
from statuspage.models.access import NOBODY

pytestmark = pytest.mark.one_database

EACH = 30
ENGINE = SimpleNamespace(
    create_queue=queue.Queue, log_traffic=False, max_backlog=100, moving=threading.RLock()
)


def wire() -> Wire:
    """To nobody: what it is given stays with it."""
    nothing = lambda *_: None  # noqa: E731
    return Wire(SimpleNamespace(is_ready=nothing, are_ready=nothing), 0, None, 100)  # type: ignore[arg-type]


def connect(channel, scope, *, polls: bool = False, deflate: bool = False) -> Session:
    """A client of Socket.IO, in the scope's room."""
    session = Session(ENGINE, "sid", None, polls=polls)
    if not polls:
        session.adopt(WebSocket(wire(), 1000, frames.WHOLE if deflate else 0))
    seat = Seat(SocketConnection(session, None), scope, "data")
    channel.register(seat)
    channel.enter(seat, data_rooms(scope))
    return session


def stream(channel, scope) -> Wire:
    """One that has caught up, and what it began with has left."""
    found = Stream(channel, scope, "data", NOBODY, None)
    found.serve(wire())
    found.wire.unsent = None
    return found.wire


def test_a_message_to_a_crowd_is_encoded_once_for_each_way_it_travels(acme, cast, monkeypatch):
    scope, made = cast.acme.scope, Counter()
    plain, packed = ([connect(acme, scope, deflate=way) for _ in range(EACH)] for way in (False, True))
    streams = [stream(acme, scope) for _ in range(EACH)]
    polling = [connect(acme, scope, polls=True) for _ in range(EACH)]
    polls = [Poll(acme, scope, "data", NOBODY) for _ in range(EACH)]
    for poll in polls:
        poll._listen(None)

    def count(owner, name: str) -> None:
        function = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *a, **more: made.update([name]) or function(*a, **more))

    for owner, name in ((json, "dumps"), (transport, "encode"), (frames, "frame"), (frames, "block")):
        count(owner, name)
    message = Message("incident-update", {"id": "e:1", "data": {"text": "x" * 1000}}, "e:1")
    acme.deliver(scope.room, message)
    assert {id(one.socket.wire.unsent) for one in plain} == {id(message.frame)}
    assert {id(one.socket.wire.unsent) for one in packed} == {id(message.deflated)}
    assert {id(one.unsent) for one in streams} == {id(message.sse)}
    assert {id(one.queue.get(block=False)) for one in polling} == {id(message.packet)}
    assert all(poll._news.is_set() for poll in polls)
    assert made == {"dumps": 2, "encode": 1, "frame": 1, "block": 1}, (
        "as a packet, and as an event of a stream"
    )
