"""The Socket.IO events in one process, without a network, so that a test decides when a client vanishes."""

from collections.abc import Callable
from contextvars import Context

import pytest

from statuspage import logs
from statuspage.database import transaction
from statuspage.live import sockets
from statuspage.live.hub import Hub
from statuspage.live.sockets import Sockets


class Wire:
    """Stands for the transport and for Socket.IO: what each session was sent, and who calls which handler."""

    def __init__(self) -> None:
        self.server = self
        self.handlers: dict[str, Callable] = {}
        self.while_sending: Callable[[], object] = list

    def on(self, name: str, handler: Callable) -> None:
        self.handlers[name] = handler

    def call(self, sid: str, event: str, *data: object) -> dict | None:
        """As if this client's packet had come."""
        return self.handlers[event](sid, *(({}, *data) if event == "connect" else data))

    def session(self, _wire: "Wire", _sid: str) -> "Session":
        return Session(self)


class Session:
    """What sockets.py asks of a session of the transport."""

    transport = "test"

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def send(self, packet: object) -> None:
        """Nobody reads it."""

    @property
    def backlog(self) -> int:
        self.wire.while_sending()
        return 0


@pytest.fixture
def wire(app, hub, monkeypatch) -> Wire:
    wire = Wire()
    monkeypatch.setattr(sockets.transport, "session", wire.session)
    wire.sockets = Sockets(app, wire, hub, 1000)  # type: ignore[attr-defined, arg-type]
    return wire


def assert_empty(wire: Wire, hub: Hub) -> None:
    assert hub.loners == set()
    assert wire.sockets._clients == {}  # type: ignore[attr-defined]
    for channel in hub.channels.values():
        assert (channel.seats, channel.rooms, channel.expiring) == (set(), {}, set())


def test_a_client_in_no_room_is_a_loner_and_one_that_left_is_again(wire, hub, cast):
    wire.call("one", "connect")
    assert len(hub.loners) == 1
    wire.call("one", "join-organization", {"organizationId": cast.acme.id})
    assert hub.loners == set()
    wire.call("one", "join-organization", {"organizationId": cast.acme.id, "tenantId": cast.south.id})
    assert hub.loners == set()
    wire.call("one", "leave-organization", {"organizationId": cast.acme.id})
    assert len(hub.loners) == 1
    wire.call("one", "disconnect")
    assert_empty(wire, hub)


def test_who_leaves_a_tenant_is_written_down_as_a_listener_of_the_organization(wire, hub, cast):
    told = []
    hub.on_enter = lambda seat: told.append(("came", seat, seat.scope))
    hub.on_leave = lambda seat, ending: told.append(("went", seat, seat.scope))
    tenant = {"organizationId": cast.acme.id, "tenantId": cast.north.id}
    wire.call("one", "connect")
    wire.call("one", "join-organization", tenant)
    assert "timestamp" in wire.call("one", "leave-organization", tenant)
    (_, first, _), (_, second, _), _ = told
    assert [(what, scope) for what, _, scope in told] == [
        ("came", cast.north.scope),
        ("came", cast.acme.scope),
        ("went", cast.north.scope),
    ]
    assert (told[2][1], first is second) == (first, False)
    assert hub.channels[cast.acme.id].seats == {second}
    assert second.rooms == (cast.acme.scope.room,)
    wire.call("one", "disconnect")
    assert_empty(wire, hub)


def test_what_is_logged_of_an_event_names_its_connection(wire, cast, monkeypatch):
    monkeypatch.setattr(sockets, "proved", lambda *_: 1 / 0)
    noted = []
    monkeypatch.setattr(sockets, "note_failure", lambda *_: noted.append(logs.request_id.get()))
    wire.call("one", "connect", {"token": cast.tokens["acme-viewer"]})
    Context().run(wire.call, "one", "join-organization", {"organizationId": cast.acme.id})
    assert noted == [wire.sockets._clients["one"].id]


def test_a_client_that_vanishes_while_it_is_proved_leaves_nothing(wire, hub, cast, monkeypatch):
    prove = sockets.proved

    def prove_slowly(*arguments):
        wire.call("one", "disconnect")
        return prove(*arguments)

    monkeypatch.setattr(sockets, "proved", prove_slowly)
    for view, who in (("data", "acme-viewer"), ("page", "acme-editor")):  # who is known is not proved
        wire.call("one", "connect", {"token": cast.tokens[who]})
        wire.call("one", "join-organization", {"organizationId": cast.acme.id, "view": view})
        assert_empty(wire, hub)


def test_a_client_that_vanishes_while_it_is_sent_what_it_missed_leaves_nothing(wire, hub, cast):
    cursor = f"{cast.acme.epoch}:{cast.acme.seq}"
    with transaction(cast.acme):
        cast.acme_service.update(name="Renamed")
    wire.call("one", "connect")
    wire.while_sending = lambda: wire.call("one", "disconnect")
    wire.call("one", "join-organization", {"organizationId": cast.acme.id, "cursor": cursor})
    assert_empty(wire, hub)


def test_a_refused_client_keeps_what_it_had_and_no_more(wire, hub, cast):
    wire.call("one", "connect")
    wire.call("one", "join-organization", {"organizationId": cast.acme.id})
    seats = set(hub.channels[cast.acme.id].seats)
    for wish in (
        {"organizationId": cast.acme.id, "tenantId": cast.south.id},
        {"organizationId": cast.globex.id},
        {"organizationId": cast.acme.id, "scope": "all"},
        {"organizationId": cast.acme.id, "view": "incident/none"},
    ):
        assert "message" in wire.call("one", "join-organization", wish)
    assert hub.channels[cast.acme.id].seats == seats
    wire.call("one", "disconnect")
    assert_empty(wire, hub)


def test_joining_again_keeps_one_seat_for_each_scope(wire, hub, cast):
    wire.call("one", "connect", {"token": cast.tokens["acme-viewer"]})
    for _ in range(5):
        for more in ({}, {"tenantId": cast.north.id}, {"view": "page"}, {"scope": "all"}):
            wire.call("one", "join-organization", {"organizationId": cast.acme.id, **more})
    assert len(hub.channels[cast.acme.id].seats) <= 4
    wire.call("one", "disconnect")
    assert_empty(wire, hub)


def test_a_failure_inside_is_said_to_be_ours_and_the_connection_lives_on(
    wire, hub, cast, monkeypatch, caplog
):
    wire.call("one", "connect", {"token": cast.tokens["acme-viewer"]})
    with monkeypatch.context() as broken:
        broken.setattr(sockets, "proved", lambda *_: 1 / 0)
        answer = wire.call("one", "join-organization", {"organizationId": cast.acme.id})
    assert answer == {"message": "Something failed on our side. Please try again."}
    assert "ZeroDivisionError" in caplog.text
    assert "cursor" in wire.call("one", "join-organization", {"organizationId": cast.acme.id})
