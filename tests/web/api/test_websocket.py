"""Who is connected, and broadcasts by hand."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from statuspage.database import snapshot, transaction
from statuspage.live import presence
from statuspage.live.audience import Seat
from statuspage.live.channel import board_room
from statuspage.live.entry import data_rooms
from statuspage.live.ledger import Ledger
from statuspage.live.views import DATA
from statuspage.models import node
from statuspage.models.access import Proof
from statuspage.models.event import Event as Line
from statuspage.models.role import Role
from statuspage.models.scope import Scope
from tests.web.api.asking import lines

INFO = "/websocket/info"
ACME = f"{INFO}?organizationId=org-456"
HELLO = {"type": "service-update", "data": {"note": "Hello"}}


@dataclass
class Somebody:
    id: str
    transport: str = "websocket"
    outlet: None = None


@pytest.fixture
def seat(app, cast):
    """`seat(id, scope, by, view)`: somebody listens."""
    hub = app.extensions["live"].hub

    def take(id: str, scope: Scope, by: str | None = None, view: str = DATA, room: bool = True) -> Seat:
        seat = Seat(Somebody(id), scope, view)
        if by:
            seat.proof = Proof(cast.token_rows[by].id, cast.users[by].id)
        channel = hub.channel(scope.organization_id)
        channel.register(seat)
        if room:
            channel.enter(seat, data_rooms(scope) if view == DATA else [board_room(scope, view)])
        return seat

    return take


@pytest.fixture
def audience(cast, seat):
    """A visitor and a viewer of Acme's page, an editor on South's, an admin who sees all; one at the door."""
    seat("visitor", cast.acme.scope)
    seat("viewer", cast.acme.scope, "acme-viewer", view="page")
    seat("south", cast.south.scope, "south-editor")
    seat("admin", Scope("org-456", whole=True), "acme-admin")
    seat("at-the-door", cast.acme.scope, room=False)
    seat("globex", cast.globex.scope, "globex-owner")


def test_a_visitor_counts_those_on_the_same_page(api, audience):
    assert api.get(ACME).json == {
        "organizationId": "org-456",
        "tenantId": None,
        "connections": 2,
        "rooms": {"org:org-456": 1, "org:org-456:page": 1},
        "views": {"data": 1, "page": 1},
        "transports": {"websocket": 2},
        "nodes": {"this": 2},
    }
    assert api.get(ACME, by="north-editor").json["connections"] == 2


def test_a_member_counts_everybody_and_an_admin_sees_who(api, cast, audience):
    counts = api.get(ACME, by="acme-viewer").json
    assert (counts["connections"], "clients" in counts) == (4, False)
    assert counts["rooms"] == {
        "org:org-456": 2,
        "org:org-456:members": 1,
        "org:org-456:page": 1,
        f"tenant:{cast.south.id}": 1,
    }
    clients = {client["clientId"]: client for client in api.get(ACME, by="acme-admin").json["clients"]}
    assert set(clients) == {"visitor", "viewer", "south", "admin"}
    assert (clients["visitor"]["userId"], clients["visitor"]["role"]) == (None, "visitor")
    assert (clients["south"]["userId"], clients["south"]["role"]) == (cast.users["south-editor"].id, "editor")
    assert clients["south"]["tenantId"] == cast.south.id


def test_a_tenants_listeners_are_counted_for_those_who_may_see_it(api, cast, audience):
    south = f"{ACME}&tenantId={cast.south.id}"
    assert api.get(south).status_code == 404
    counts = api.get(south, by="south-editor").json
    assert (counts["connections"], "clients" in counts) == (1, False)
    assert [client["clientId"] for client in api.get(south, by="acme-admin").json["clients"]] == ["south"]


def test_a_connection_with_two_seats_is_once_in_each_room_wherever_it_is(app, api, cast):
    live, somebody = app.extensions["live"], Somebody("both")
    channel, other = live.hub.channel("org-456"), Ledger(app, live.hub, "other")
    for scope in (cast.acme.scope, cast.north.scope):
        channel.register(mine := Seat(somebody, scope, DATA))
        channel.enter(mine, {scope.room})  # the tenant's seat too: it sits in the organization's room already
        mine.role = Role.VISITOR
        other.came(mine)
    here = api.get(ACME, by="acme-viewer").json["rooms"]
    with transaction():
        node.beat("other", "b")
    other.write()
    channel.seats.clear()
    live.elsewhere.forget()
    there = api.get(ACME, by="acme-viewer").json
    assert there["nodes"] == {"b": 1}
    assert there["rooms"] == here == {"org:org-456": 1, f"tenant:{cast.north.id}": 1}


def test_many_visitors_are_one_question(api, cast, asked, seat):
    api.get(ACME, by="acme-admin")
    asked.clear()
    api.get(ACME, by="acme-admin")
    few = len(asked)
    for number in range(300):
        seat(f"visitor-{number}", cast.acme.scope)
    asked.clear()
    assert len(api.get(ACME, by="acme-admin").json["clients"]) == 300
    assert len(asked) <= few + 2, "what a visitor may is asked once"


def test_however_many_ask_the_other_nodes_are_looked_at_once_a_second(app, api, cast, asked, monkeypatch):
    def looks() -> int:
        return sum("FROM node" in statement for statement in asked)

    for by in (None, "acme-viewer", "acme-admin", None):
        assert api.get(ACME, by=by).status_code == 200
    assert looks() == 1
    assert api.get(f"{INFO}?organizationId={cast.globex.id}", by="globex-owner").status_code == 200
    assert looks() == 2
    later = time.monotonic() + presence.KEPT_SECONDS
    monkeypatch.setattr(presence, "time", SimpleNamespace(monotonic=lambda: later))
    api.get(ACME)
    assert looks() == 3
    assert set(app.extensions["live"].elsewhere._found) == {"org-456"}, "what is old is forgotten"


def test_of_those_who_ask_at_once_one_reads(app, monkeypatch):
    elsewhere, begun, go_on, reads = presence.Elsewhere("this"), Event(), Event(), []

    def read(_session: object, organization_id: str | None) -> list[presence.Present]:
        reads.append(organization_id)
        begun.set()
        go_on.wait(5)
        return []

    monkeypatch.setattr(elsewhere, "_read", read)
    with ThreadPoolExecutor(4) as hands:
        answers = [hands.submit(elsewhere.present, None, "org-456") for _ in range(4)]
        begun.wait(5)
        go_on.set()
        assert [answer.result() for answer in answers] == [[]] * 4
    assert reads == ["org-456"]


def test_totals_over_all_are_for_operators(api, cast, audience):
    counts = api.get(INFO, by="operator").json
    assert (counts["connections"], counts["organizationId"]) == (5, None)
    for by in (None, "acme-owner"):
        answer = api.get(INFO, by=by)
        assert answer.status_code == 422
        assert answer.json["errors"][0]["pointer"] == "/organizationId"


# --- broadcasts ------------------------------------------------------------------------------------


def events(broadcast: dict) -> list[Line]:
    with snapshot() as session:
        rows = select(Line).where(Line.subject == broadcast["broadcastId"]).order_by(Line.organization_id)
        return list(session.scalars(rows))


def test_a_broadcast_is_a_line_of_the_log(api, cast):
    answer = api.post("/websocket/broadcast", {**HELLO, "organizationId": "org-456"}, by="acme-admin")
    assert answer.status_code == 202
    assert answer.json["success"] is True
    (event,) = events(answer.json)
    assert (event.name, event.type, event.data) == ("service-update", "broadcast", {"note": "Hello"})
    assert (event.organization_id, event.tenant_id, event.broadcast_id) == ("org-456", None, None)
    assert answer.json["ids"] == [f"{cast.acme.epoch}:{event.seq}"]


def test_a_tenants_broadcast_stays_with_the_tenant(api, cast):
    body = {**HELLO, "organizationId": "org-456", "tenantId": cast.south.id}
    (event,) = events(api.post("/websocket/broadcast", body, by="acme-admin").json)
    assert event.tenant_id == cast.south.id
    body["organizationId"] = cast.globex.id
    assert api.post("/websocket/broadcast", body, by="operator").status_code == 404


def test_a_broadcast_to_everybody_is_one_line_in_every_log(api, cast):
    before = len(lines(cast.acme)), len(lines(cast.globex))
    answer = api.post("/websocket/broadcast", HELLO, by="operator", Idempotency_Key="once")
    again = api.post("/websocket/broadcast", HELLO, by="operator", Idempotency_Key="once")
    assert (answer.status_code, again.data) == (202, answer.data)
    assert (len(lines(cast.acme)), len(lines(cast.globex))) == (before[0] + 1, before[1] + 1)
    found = events(answer.json)
    assert {event.organization_id for event in found} == {"org-456", cast.globex.id}
    assert {event.broadcast_id for event in found} == {answer.json["broadcastId"]}
    epochs = {"org-456": cast.acme.epoch, cast.globex.id: cast.globex.epoch}
    assert sorted(answer.json["ids"]) == sorted(f"{epochs[e.organization_id]}:{e.seq}" for e in found)


def test_a_broadcast_to_everybody_is_for_operators(api, cast):
    before = lines(cast.acme)
    assert api.post("/websocket/broadcast", HELLO, by="acme-owner").status_code == 403
    assert api.post("/websocket/broadcast", HELLO).status_code == 401
    answer = api.post("/websocket/broadcast", {**HELLO, "tenantId": cast.north.id}, by="operator")
    assert answer.status_code == 422
    assert lines(cast.acme) == before


def test_an_operator_who_is_one_no_longer_reaches_nobody(api, cast):
    with transaction():
        cast.users["operator"].operator = False
    assert api.post("/websocket/broadcast", HELLO, by="operator").status_code == 403
    assert api.get(INFO, by="operator").status_code == 422


def test_16_kilobytes_are_the_most(api):
    body = {**HELLO, "organizationId": "org-456", "data": {"x": "é" * (8 * 1024 - 4)}}
    assert api.post("/websocket/broadcast", body, by="acme-admin").status_code == 202
    body["data"]["x"] += "é"
    assert api.post("/websocket/broadcast", body, by="acme-admin").status_code == 422
