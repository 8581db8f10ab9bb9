"""What a process knows it serves without a question to the database, and never for longer than it is true."""

from collections.abc import Callable

import pytest

from statuspage.database import db, transaction
from statuspage.live import entry, hub, parts, sockets, views
from statuspage.live.audience import Seat
from statuspage.models.errors import NotFound
from statuspage.models.incident import Incident
from statuspage.models.organization import Tenant
from statuspage.models.scope import Scope
from statuspage.models.status import Visibility
from tests.live.test_entry import Bystander
from tests.live.test_sockets import Wire


def take_seat(watched: hub.Hub, scope: Scope, view: str = "page", cursor: str | None = None) -> Seat:
    """As a visitor's join does."""
    channel = watched.channel(scope.organization_id)
    seat = Seat(Bystander(), scope, view)
    channel.register(seat)
    entry.prove_visitor(channel, seat)
    if view == "data":
        entry.enter_data(channel, seat, entry.data_rooms(scope), entry.wanted(cursor))
    else:
        entry.enter_board(channel, seat, entry.wanted(cursor))
    return seat


def unheard(watched: hub.Hub, monkeypatch, change: Callable[[], None], organization) -> None:
    """A change by another process: nothing rings in this one."""
    with monkeypatch.context() as deaf:
        deaf.setattr(watched, "ring", lambda _id: None)
        with transaction(organization):
            change()


@pytest.mark.parametrize("path", ["/acme", "/acme/north", "/embed/acme", "/acme/badge.svg", "/org-456"])
def test_a_second_look_at_a_page_asks_nothing(client, cast, watched, asked, path):
    client.get(path)
    asked.clear()
    assert client.get(path).status_code == 200
    assert asked == []


@pytest.mark.parametrize("view", ["page", "data"])
def test_a_visitor_who_joins_or_asks_for_news_asks_nothing(client, cast, watched, asked, view):
    client.get("/acme")
    at = watched.channel(cast.acme.id).state.cursor(cast.acme.scope)
    asked.clear()
    take_seat(watched, cast.acme.scope, view, at)
    assert client.get(f"/acme/changes?view={view}&cursor={at}").status_code == 204
    assert asked == []


def test_who_made_a_change_sees_it_on_the_next_page(client, cast, watched):
    for name in ("One", "Two"):
        client.get("/acme")
        with transaction(cast.acme):
            cast.acme_service.update(name=name)
        assert f"{name}</" in client.get("/acme").text


def shown(watched: hub.Hub, scope: Scope) -> str:
    return "".join(
        part.html for part in watched.channel(scope.organization_id).board(scope, "page").drawing.parts
    )


def rename(cast, name: str) -> None:
    with transaction(cast.acme):
        cast.acme_service.update(name=name)


def test_a_ring_while_it_is_read_is_not_lost(cast, watched, monkeypatch):
    """Committed after the look's snapshot, before the look has ended."""
    shown(watched, cast.acme.scope)
    channel = watched.channel(cast.acme.id)
    take = channel._take
    with monkeypatch.context() as slow:
        slow.setattr(channel, "_take", lambda *read: (rename(cast, "Late"), take(*read)))
        rename(cast, "Early")
        assert "Early" in shown(watched, cast.acme.scope)
    assert channel.stale
    assert "Late" in shown(watched, cast.acme.scope)
    assert not channel.stale


def test_a_ring_while_a_channel_opens_is_not_lost(cast, watched, monkeypatch):
    load = hub.loading.load
    watched.channels.clear()
    with monkeypatch.context() as slow:
        slow.setattr(hub.loading, "load", lambda *asked: (load(*asked), rename(cast, "Late"))[0])
        watched.channel(cast.acme.id)
    assert "Late" in shown(watched, cast.acme.scope)


def test_a_look_while_a_channel_opens_does_not_take_it_for_up_to_date(cast, watched, monkeypatch):
    """Another process committed after it was loaded, before it was there to be looked for."""
    load = hub.loading.load
    watched.channels.clear()
    watched.channel(cast.globex.id)

    def slowly(*asked):
        loaded = load(*asked)
        unheard(watched, monkeypatch, lambda: cast.acme_service.update(name="Elsewhere"), cast.acme)
        assert watched.behind() == []
        return loaded

    with monkeypatch.context() as slow:
        slow.setattr(hub.loading, "load", slowly)
        watched.channel(cast.acme.id)
    assert watched.behind() == [cast.acme.id]


def test_a_change_of_another_process_is_seen_with_the_next_look(client, cast, watched, monkeypatch):
    client.get("/acme")
    unheard(watched, monkeypatch, lambda: cast.acme_service.update(name="Elsewhere"), cast.acme)
    assert "Elsewhere" not in client.get("/acme").text
    assert watched.behind() == [cast.acme.id]
    assert "Elsewhere" in client.get("/acme").text


def test_where_nothing_is_committed_a_look_asks_nothing(cast, watched, monkeypatch, asked):
    """Four times a second, for weeks. PostgreSQL has no cheaper way than to ask."""
    watched.channel(cast.acme.id)
    watched.behind()
    asked.clear()
    assert watched.behind() == []
    assert len(asked) == (0 if db.engine.dialect.name == "sqlite" else 2)
    unheard(watched, monkeypatch, lambda: cast.acme_service.update(name="Elsewhere"), cast.acme)
    assert watched.behind() == [cast.acme.id]
    assert watched.behind() == [cast.acme.id], "until somebody has brought it forward"
    watched.advance(cast.acme.id)
    assert watched.behind() == []


def test_where_nobody_looks_any_more_every_reader_asks(client, cast, watched, monkeypatch):
    """A dispatcher that hangs, or a database that was away, leaves no old page for ever."""
    client.get("/acme")
    unheard(watched, monkeypatch, lambda: cast.acme_service.update(name="Elsewhere"), cast.acme)
    monkeypatch.setattr(hub, "BLIND_SECONDS", 0)
    assert "Elsewhere" in client.get("/acme").text


def test_a_client_that_is_ahead_brings_the_process_forward(client, cast, watched, monkeypatch):
    client.get("/acme")
    unheard(watched, monkeypatch, lambda: cast.acme_service.update(name="Elsewhere"), cast.acme)
    ahead = f"{cast.acme.epoch}:{cast.acme.seq}"
    assert client.get(f"/acme/changes?cursor={ahead}").status_code == 204
    unheard(watched, monkeypatch, lambda: cast.acme_service.update(name="Again"), cast.acme)
    seat = take_seat(watched, cast.acme.scope, cursor=f"{cast.acme.epoch}:{cast.acme.seq}")
    assert seat.connection.heard == []


def test_what_another_process_made_is_found(client, cast, watched, monkeypatch):
    client.get("/acme")
    unheard(
        watched,
        monkeypatch,
        lambda: Tenant.create(cast.acme, id="new-one", slug="new", name="New"),
        cast.acme,
    )
    assert take_seat(watched, Scope(cast.acme.id, "new-one")).role == "visitor"
    assert client.get("/acme/new").status_code == 200


def test_who_may_read_no_more_is_not_let_in(client, cast, watched):
    client.get("/acme/north")
    with transaction(cast.acme):
        cast.north.update(visibility=Visibility.PRIVATE)
    for path in ("/acme/north", "/acme/north/changes", "/embed/acme/north", "/acme/north/badge.svg"):
        assert client.get(path).status_code == 404
    with pytest.raises(NotFound):
        take_seat(watched, cast.north.scope)
    assert client.get("/acme").status_code == 200


@pytest.mark.parametrize("scope", ["globex", "south", "whole", "foreign"])
def test_memory_lets_no_visitor_in_where_the_database_would_not(cast, watched, scope):
    scopes = {
        "globex": cast.globex.scope,
        "south": cast.south.scope,
        "whole": Scope(cast.acme.id, whole=True),
        "foreign": Scope(cast.acme.id, cast.east.id),
    }
    with pytest.raises(NotFound):
        take_seat(watched, scopes[scope])


def test_a_page_that_becomes_private_while_a_visitor_sits_down_ends_the_visit(cast, watched):
    channel = watched.channel(cast.acme.id)
    seat = Seat(Bystander(), cast.acme.scope, "page")
    channel.register(seat)
    entry.prove_visitor(channel, seat)
    with transaction(cast.acme):
        cast.acme.update(visibility=Visibility.PRIVATE)
    with pytest.raises(NotFound):
        entry.enter_board(channel, seat, None)
    assert seat.connection.ended
    assert seat.connection.heard == []


def test_a_path_leads_where_it_leads_now(client, cast, watched):
    client.get("/acme")
    with transaction(cast.acme):
        cast.acme.update(slug="apex")
    assert client.get("/acme").status_code == 404
    assert client.get("/apex").status_code == 200
    assert client.get("/org-456").status_code == 200


def test_all_who_come_from_one_position_are_sent_the_same_bytes(cast, watched):
    seats = [take_seat(watched, cast.acme.scope) for _ in range(3)]
    assert len({id(seat.connection.heard[0]) for seat in seats}) == 1


def test_a_visitor_who_joins_over_a_socket_asks_nothing(app, cast, watched, asked, monkeypatch):
    wire = Wire()
    monkeypatch.setattr(sockets.transport, "session", wire.session)
    sockets.Sockets(app, wire, watched, 1000)  # type: ignore[arg-type]
    shown(watched, cast.acme.scope)
    asked.clear()
    wire.call("one", "connect")
    for view in ("page", "data"):
        wish = {"organizationId": cast.acme.id, "view": view}
        assert wire.call("one", "join-organization", wish)["replayed"] == (view == "page")
        assert wire.call("one", "authenticate", wish)["role"] == "visitor"
    assert asked == []


@pytest.mark.parametrize(("noun", "most"), [("broadcast", 9), ("service", 15)])
def test_a_write_until_it_is_pushed_asks_little(client, cast, watched, asked, noun, most):
    """One proof, one role, one lock, what is changed and its line; then the lines and what they are about."""
    seat = take_seat(watched, cast.acme.scope, "data")
    calls = {
        "broadcast": (
            "POST",
            "/api/websocket/broadcast",
            {"type": "service-update", "data": {"x": 1}, "organizationId": cast.acme.id},
        ),
        "service": ("PATCH", f"/api/services/{cast.acme_service.id}", {"status": "degraded"}),
    }
    method, path, body = calls[noun]
    asked.clear()
    answer = client.open(path, method=method, json=body, headers=cast.bearer("acme-owner"))
    watched.advance(cast.acme.id)
    assert answer.status_code in (200, 202)
    assert seat.connection.heard
    assert len(asked) <= most, "\n".join(asked)


def test_what_a_thousand_pages_show_alike_is_rendered_once(cast, watched, monkeypatch):
    """Rows, and what differs in the page's path alone; a page that did not move is not drawn at all."""
    with transaction(cast.acme):
        scopes = [Tenant.create(cast.acme, slug=f"t{n}", name="Alike").scope for n in range(20)]
    seats = [take_seat(watched, scope) for scope in scopes]
    get, rendered = parts.current_app.jinja_env.get_template, []
    monkeypatch.setattr(
        parts.current_app.jinja_env,
        "get_template",
        lambda name, *more: rendered.append(name) or get(name, *more),
    )
    with transaction(cast.acme):
        Incident.open(cast.acme, None, title="For all", message="We look.")
    watched.advance(cast.acme.id)
    assert [len(seat.connection.heard) for seat in seats] == [2] * 20
    for n, seat in enumerate(seats):
        assert f'href="/acme/t{n}/incidents/' in seat.connection.heard[1].payload["html"]
    assert rendered.count("incidents/_card.html") == 1
    rendered.clear()
    drawn, draw = [], views.draw
    monkeypatch.setattr(views, "draw", lambda *asked: drawn.append(asked) or draw(*asked))
    with transaction(cast.acme):
        Incident.open(cast.acme, cast.north, title="For one", message="We look.")
    watched.advance(cast.acme.id)
    assert drawn == []


def test_a_board_that_nobody_watched_and_that_looks_as_before_sends_nobody_to_ask(cast, watched, asked):
    """Its status was set to and fro: who comes from before is up to date, and no `head` says otherwise."""
    channel = watched.channel(cast.acme.id)
    before = channel.board(cast.acme.scope, "page").cursor
    for status in ("degraded", "operational"):
        with transaction(cast.acme):
            cast.acme_service.update(own_status=status)
    board = channel.board(cast.acme.scope, "page")
    assert board.change(before) is None
    assert (board.pushed_cursor, board.cursor > before) == (before, True)


def test_after_a_restart_the_past_is_read_once_for_all_who_come_back(cast, watched, asked):
    at = f"{cast.acme.epoch}:{cast.acme.seq}"
    for name in ("One", "Two"):
        rename(cast, name)
    watched.channels.clear()  # as a process that begins
    watched.channel(cast.acme.id)
    watched.behind()
    heard = [take_seat(watched, cast.acme.scope, "data", at).connection.heard]
    asked.clear()
    heard.append(take_seat(watched, cast.acme.scope, "data", at).connection.heard)
    assert asked == []
    names = [message.payload["data"].get("name") for message in heard[0] if message.name == "service-update"]
    assert names[-1] == "Two"
    assert len(heard[0]) == len(heard[1]) > 2
