"""Entering an organization, in one process, with a connection whose timing the test decides."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from statuspage.database import db, snapshot, transaction
from statuspage.live import entry, feed, views
from statuspage.live.audience import Seat
from statuspage.live.channel import board_room
from statuspage.live.hub import Hub
from statuspage.live.memory import Memory
from statuspage.live.message import Cursor, Message
from statuspage.models.access import NOBODY, Proof, role_in
from statuspage.models.errors import NotFound
from statuspage.models.incident import Incident
from statuspage.models.membership import Membership
from statuspage.models.organization import Organization
from statuspage.models.role import Role
from statuspage.models.scope import Scope
from statuspage.models.status import ServiceStatus, Visibility


class Bystander:
    """A connection in memory. `on_drain` is what happens while a replay waits for it."""

    transport = "test"
    outlet = SimpleNamespace(wire=None)

    def __init__(self, on_drain: Callable[[], object] = list) -> None:
        self.id = str(id(self))
        self.heard: list[Message] = []
        self.ended = ""
        self.on_drain = on_drain

    def deliver(self, message: Message) -> None:
        self.heard.append(message)

    def wait_until_drained(self) -> None:
        self.on_drain()

    def end(self, reason: str) -> None:
        self.ended = reason

    @property
    def ids(self) -> list[str]:
        return [message.payload["id"] for message in self.heard if "id" in message.payload]

    @property
    def names(self) -> list[str]:
        return [message.name for message in self.heard]


def proof_of(cast, name: str | None) -> Proof:
    if name is None:
        return NOBODY
    row = cast.token_rows[name]
    return Proof(row.id, row.user_id, row.expires_at)


def admit(channel, scope: Scope, proof: Proof = NOBODY, view: str = "data", connection=None) -> Seat:
    """Register and prove, as every door does."""
    seat = Seat(connection or Bystander(), scope, view)
    channel.register(seat)
    entry.prove(channel, seat, lambda session: (proof, role_in(session, proof, scope)))
    return seat


def join(channel, scope: Scope, cursor: str | None = None, proof: Proof = NOBODY, connection=None) -> Seat:
    seat = admit(channel, scope, proof, connection=connection)
    entry.enter_data(channel, seat, entry.data_rooms(scope), entry.wanted(cursor))
    return seat


def say(organization: Organization, times: int = 1, tenant=None, text: str = "") -> str:
    with transaction(organization):
        for number in range(times):
            organization.record("incident-update", "broadcast", f"b{number}", {"text": text}, tenant=tenant)
        return cursor_of(organization)


def cursor_of(organization: Organization, seq: int | None = None) -> str:
    return str(Cursor(organization.epoch, organization.seq if seq is None else seq))


def ids_after(organization: Organization, seq: int, scope: Scope | None = None) -> list[str]:
    with snapshot() as session:
        news = feed.news(session, organization.id, organization.epoch, seq)
    assert news
    shown = (scope or organization.scope).shows
    return [
        str(Cursor(organization.epoch, line.seq))
        for line in news.lines
        if line.is_data and shown(line.tenant_id)
    ]


def test_news_are_of_one_epoch_and_without_a_gap(cast):
    say(cast.acme, 3)
    end = cast.acme.seq

    def news(epoch: str, after: int) -> tuple[bool, list[int]]:
        with snapshot() as session:
            found = feed.news(session, cast.acme.id, epoch, after)
        assert found
        assert (found.epoch, found.seq) == (cast.acme.epoch, end)
        return found.missed, [line.seq for line in found.lines]

    assert news(cast.acme.epoch, end - 2) == (False, [end - 1, end])
    assert news(cast.acme.epoch, end) == (False, [])
    assert news("another", end - 2) == (True, [])
    with transaction(cast.acme):
        cast.acme.prune(end - 1)
    assert news(cast.acme.epoch, end - 2) == (True, [])
    assert news(cast.acme.epoch, end - 1) == (False, [end])


# --- exactly once ----------------------------------------------------------------------------------


def test_what_is_written_while_a_replay_is_sent_is_heard_once_and_in_order(cast, acme):
    start = cast.acme.seq
    say(cast.acme, 3)
    writes = iter([2, 1, 0])

    def write_more() -> None:
        if times := next(writes, 0):
            say(cast.acme, times)
            acme.advance()

    seat = join(acme, cast.acme.scope, cursor_of(cast.acme, start), connection=Bystander(write_more))
    say(cast.acme)
    acme.advance()
    assert seat.connection.ids == ids_after(cast.acme, start)


def test_a_replay_goes_on_from_the_log_when_memory_moved_on_while_it_was_sent(cast, acme, monkeypatch):
    """A slow reader, and a writer who fills the memory again each time that the reader has caught up."""
    monkeypatch.setattr(feed, "PAGE", 7)
    acme.memory = Memory(acme.state.seq, 10)
    start = cast.acme.seq
    say(cast.acme, 40)
    acme.advance()
    writes = iter([25, 11, 30, 3])
    connection = Bystander()

    def write_more() -> None:
        if connection.ids[-1] == cursor_of(cast.acme) and (times := next(writes, 0)):
            say(cast.acme, times)
            acme.advance()

    connection.on_drain = write_more
    join(acme, cast.acme.scope, cursor_of(cast.acme, start), connection=connection)
    say(cast.acme, 2)
    acme.advance()
    assert len(connection.ids) == 40 + 25 + 11 + 30 + 3 + 2
    assert connection.ids == ids_after(cast.acme, start)


@pytest.mark.parametrize("remembered", [True, False])
def test_a_replay_is_of_its_scope_alone(cast, hub, acme, remembered):
    start = cast.acme.seq
    for tenant in (None, cast.north, cast.south, None, cast.north):
        say(cast.acme, tenant=tenant)
    if remembered:
        acme.advance()
    else:
        acme = Hub(build="test", push_interval=1).channel(cast.acme.id)
    for scope in (cast.acme.scope, cast.north.scope, Scope(cast.acme.id, whole=True)):
        proof = proof_of(cast, "acme-viewer")
        seat = join(acme, scope, cursor_of(cast.acme, start), proof)
        assert seat.connection.ids == ids_after(cast.acme, start, scope)


def test_positions_that_mean_nothing_here_start_over(cast, acme):
    for cursor in ("nonsense", "0:0", "otherone:3", cursor_of(cast.acme, cast.acme.seq + 1), "none"):
        seat = admit(acme, cast.acme.scope)
        joined = entry.enter_data(acme, seat, entry.data_rooms(cast.acme.scope), entry.wanted(cursor))
        assert joined.reset, cursor
        assert joined.cursor == acme.state.cursor(cast.acme.scope)
        assert seat.connection.names == ["reset", "status-update"]


def test_a_client_of_a_node_that_is_ahead_is_met_there(cast, acme):
    """It comes from another process, which has seen more of the log than this one."""
    ahead = say(cast.acme, 3)
    seat = join(acme, cast.acme.scope, ahead)
    assert seat.connection.names == ["status-update"]
    later = say(cast.acme)
    acme.advance()
    assert seat.connection.ids == [later]


def test_a_log_pruned_in_the_middle_of_a_replay_ends_in_a_reset(cast, acme, monkeypatch):
    monkeypatch.setattr(feed, "PAGE", 10)
    acme.memory = Memory(acme.state.seq, 5)
    start = cast.acme.seq
    say(cast.acme, 50)
    acme.advance()

    def prune() -> None:
        with transaction(cast.acme):
            cast.acme.prune(start + 30)

    seat = admit(acme, cast.acme.scope, connection=Bystander(prune))
    cursor = entry.wanted(cursor_of(cast.acme, start))
    joined = entry.enter_data(acme, seat, entry.data_rooms(cast.acme.scope), cursor)
    assert joined.reset
    assert joined.replayed == 10
    assert seat.connection.names[-2:] == ["reset", "status-update"]


# --- changes of access -----------------------------------------------------------------------------


def test_someone_still_at_the_door_is_not_thrown_out_by_somebody_elses_change(hub, cast):
    """Registered, not yet proved: of a private organization, where nobody may read without proof."""
    globex = hub.channel(cast.globex.id)
    connection = Bystander()
    seat = Seat(connection, cast.globex.scope, "data")
    globex.register(seat)
    with transaction(cast.globex):
        Membership.grant(cast.users["acme-viewer"], Role.VIEWER, cast.globex)
    globex.advance()
    assert not connection.ended
    proof = proof_of(cast, "globex-owner")
    assert entry.prove(globex, seat, lambda session: (proof, role_in(session, proof, seat.scope))) == "owner"


def test_a_refused_visitor_stays_connected_when_access_changes_meanwhile(hub, cast):
    globex = hub.channel(cast.globex.id)
    seat = Seat(Bystander(), cast.globex.scope, "data")
    globex.register(seat)

    def change(session):
        role = role_in(session, NOBODY, seat.scope)
        with transaction(cast.globex):
            Membership.grant(cast.users["acme-viewer"], Role.VIEWER, cast.globex)
        globex.advance()
        return NOBODY, role

    with pytest.raises(NotFound):
        entry.prove(globex, seat, change)
    assert not seat.connection.ended


@pytest.mark.parametrize("applied", [True, False])
def test_a_right_that_ends_while_it_is_proved_is_not_proved(cast, acme, applied):
    """Revoked after the proof's look at the database; seen by this process before or after the proof ends."""
    proof = proof_of(cast, "acme-viewer")
    scope = Scope(cast.acme.id, whole=True)
    seat = Seat(Bystander(), scope, "data")
    acme.register(seat)
    looks = []

    def prove_slowly(session):
        role = role_in(session, proof, scope)
        looks.append(role)
        if len(looks) == 1:
            session.close()
            revoke(cast, "acme-viewer")
            if applied:
                acme.advance()
        return proof, role

    try:
        entry.prove(acme, seat, prove_slowly)
        entry.enter_data(acme, seat, entry.data_rooms(scope), None)
    except NotFound:
        assert looks == ["viewer", None]
    say(cast.acme, text="secret")
    acme.advance()
    assert seat.connection.ids == []


def test_a_right_that_ends_while_a_replay_is_sent_ends_the_replay(cast, acme, monkeypatch):
    monkeypatch.setattr(feed, "PAGE", 10)
    acme.memory = Memory(acme.state.seq, 5)
    start = cast.acme.seq
    say(cast.acme, 30, cast.south)
    acme.advance()

    def revoke_and_write() -> None:
        if not cast.token_rows["south-editor"].revoked_at:
            revoke(cast, "south-editor")
            say(cast.acme, 30, cast.south, "secret")
            acme.advance()

    connection = Bystander(revoke_and_write)
    with pytest.raises(NotFound):
        join(
            acme,
            cast.south.scope,
            cursor_of(cast.acme, start),
            proof_of(cast, "south-editor"),
            connection,
        )
    assert connection.ended
    assert len(connection.ids) == 10
    assert acme.rooms == {}


def test_a_token_that_is_revoked_ends_what_it_opened_even_where_visitors_may_stay(cast, acme):
    visitor = join(acme, cast.acme.scope)
    member = join(acme, cast.acme.scope, proof=proof_of(cast, "acme-viewer"))
    revoke(cast, "acme-viewer")
    acme.advance()
    assert member.connection.ended
    assert not visitor.connection.ended


def test_a_membership_that_is_lowered_ends_nothing_that_the_lower_role_may_see(cast, acme):
    member = join(acme, Scope(cast.acme.id, whole=True), proof=proof_of(cast, "acme-admin"))
    with transaction(cast.acme):
        Membership.grant(cast.users["acme-admin"], Role.VIEWER, cast.acme)
    acme.advance()
    assert not member.connection.ended


# --- leaving ---------------------------------------------------------------------------------------


def test_a_client_that_vanishes_in_the_middle_of_a_replay_leaves_nothing_behind(cast, acme):
    start = cast.acme.seq
    say(cast.acme, 3)
    seat = admit(acme, cast.acme.scope, connection=Bystander(lambda: acme.leave(seat)))
    with pytest.raises(NotFound):
        entry.enter_data(
            acme, seat, entry.data_rooms(cast.acme.scope), entry.wanted(cursor_of(cast.acme, start))
        )
    assert acme.seats == set()
    assert acme.rooms == {}


def test_a_seat_that_was_left_is_entered_no_more(cast, acme):
    for view in ("data", "page"):
        seat = admit(acme, cast.acme.scope, view=view)
        acme.leave(seat)
        enter = {
            "data": lambda seat=seat: entry.enter_data(acme, seat, {cast.acme.scope.room}, None),
            "page": lambda seat=seat: entry.enter_board(acme, seat, None),
        }
        with pytest.raises(NotFound):
            enter[view]()
    assert acme.rooms == {}


def test_a_channel_that_somebody_was_just_given_is_not_forgotten(cast, hub, monkeypatch):
    """Idle for long, asked for again: it must be there when the asker sits down."""
    channel = hub.channel(cast.acme.id)
    channel.used_at = -1e9
    assert hub.channel(cast.acme.id) is channel
    hub.upkeep()
    assert hub.channels.get(cast.acme.id) is channel


# --- nothing that was taken back -------------------------------------------------------------------


def texts(seat: Seat) -> str:
    return str([message.payload for message in seat.connection.heard])


@pytest.mark.parametrize("remembered", [True, False])
def test_a_replay_shows_no_text_that_was_edited_or_deleted(cast, hub, acme, remembered):
    start = cast.acme.seq
    with transaction(cast.acme):
        cast.acme_service.update(name="Old name")
    with transaction(cast.acme):
        incident = Incident.open(
            cast.acme,
            None,
            title="Old title",
            message="Old message",
            services={cast.acme_service.id: ServiceStatus.DEGRADED},
        )
    acme.advance()
    with transaction(cast.acme):
        cast.acme_service.update(name="New name")
    with transaction(cast.acme):
        incident.remove()
    if remembered:
        acme.advance()
    else:
        acme = Hub(build="test", push_interval=1).channel(cast.acme.id)
    seat = join(acme, cast.acme.scope, cursor_of(cast.acme, start))
    assert "Old" not in texts(seat)
    assert "New name" in texts(seat)
    assert seat.connection.ids == ids_after(cast.acme, start)


@pytest.mark.parametrize("remembered", [True, False])
def test_a_replay_shows_nothing_of_a_deleted_tenant(cast, hub, acme, remembered):
    start = cast.acme.seq
    say(cast.acme, tenant=cast.north, text="Old words")
    acme.advance()
    with transaction(cast.acme):
        cast.north.remove()
    if remembered:
        acme.advance()
    else:
        acme = Hub(build="test", push_interval=1).channel(cast.acme.id)
    seat = join(
        acme, Scope(cast.acme.id, whole=True), cursor_of(cast.acme, start), proof_of(cast, "acme-viewer")
    )
    assert "Old" not in texts(seat)
    assert "North gateway" not in texts(seat)


def test_what_becomes_public_shows_nothing_of_its_past(cast, hub):
    globex = hub.channel(cast.globex.id)
    old = [cursor_of(cast.globex, seq) for seq in range(cast.globex.seq + 3)]
    say(cast.globex, text="Secret")
    globex.advance()
    with transaction(cast.globex):
        cast.globex.update(visibility=Visibility.PUBLIC)
    new = [cursor_of(cast.globex, seq) for seq in range(cast.globex.seq)]
    for cursor in old + new:
        seat = join(globex, cast.globex.scope, cursor)
        assert "Secret" not in texts(seat)
        assert seat.connection.names == ["reset", "status-update"], cursor


# --- boards ----------------------------------------------------------------------------------------


def test_a_board_that_cannot_be_drawn_spoils_no_other(cast, acme, monkeypatch):
    page = admit(acme, cast.acme.scope, view="page")
    north = admit(acme, cast.north.scope, view="page")
    for seat in (page, north):
        entry.enter_board(acme, seat, None)
        seat.connection.heard.clear()
    draw = views.draw
    broken = lambda view, state, scope: 1 / 0 if scope.tenant_id else draw(view, state, scope)  # noqa: E731
    monkeypatch.setattr(views, "draw", broken)
    with transaction(cast.acme):
        cast.acme_service.update(own_status=ServiceStatus.MAJOR_OUTAGE.value)
    acme.advance()
    acme.push_due()
    assert page.connection.names == ["change"]
    assert north.connection.names == ["head"]  # it is behind now, and asks
    monkeypatch.setattr(views, "draw", draw)
    assert "Major outage" in str(acme.board(cast.north.scope, "page").change(None))
    assert board_room(cast.north.scope, "page") in acme.rooms


def test_a_broadcast_to_everybody_reaches_the_roomless_whoever_brings_the_log_forward(cast, hub, acme):
    """A page that is asked for may be first to see the line, before the dispatcher looks."""
    loner = Bystander()
    hub.loners.add(loner)
    with transaction(cast.acme, cast.globex):
        for organization in (cast.acme, cast.globex):
            organization.record("status-update", "broadcast", "b", {"say": "hello"}, broadcast_id="b")
    acme.board(cast.acme.scope, "page")
    hub.channel(cast.globex.id)
    hub.advance(cast.acme.id)
    hub.advance(cast.globex.id)
    assert loner.names == ["status-update"]
    assert "id" not in loner.heard[0].payload


def revoke(cast, name: str) -> None:
    """From another session, as another request would."""
    token = db.session.merge(cast.token_rows[name])
    with transaction(cast.acme):
        token.revoke()
    cast.token_rows[name] = token


@pytest.mark.parametrize(
    "view", ["incident/\x00", "incident/" + "x" * 5000, "incident/\ud800", "incident/", ""]
)
def test_a_view_that_cannot_be_is_not_found(cast, acme, view):
    """Also where the database would not even take the id."""
    with pytest.raises(NotFound):
        acme.board(cast.acme.scope, view)
    assert acme.boards == {}


def test_a_burst_is_one_change_at_once_and_one_for_all_the_rest_when_the_interval_is_over(cast, acme):
    """However many ring meanwhile. Data clients get every event."""
    acme.push_interval = 3600.0
    page, data = admit(acme, cast.acme.scope, view="page"), admit(acme, cast.acme.scope)
    entry.enter_board(acme, page, None)
    entry.enter_data(acme, data, entry.data_rooms(cast.acme.scope), None)
    page.connection.heard.clear(), data.connection.heard.clear()

    def edit(number: int) -> None:
        with transaction(cast.acme):
            cast.acme_service.update(name=f"Name {number}")
        acme.advance()
        acme.push_due()

    for number in range(30):
        edit(number)
    assert page.connection.names == ["change"]
    assert "Name 0" in page.connection.heard[0].payload["html"]
    assert data.connection.names.count("service-update") == 30
    acme.push_interval = 0.0
    acme.push_due()
    acme.push_due()
    assert page.connection.names == ["change"] * 2
    assert "Name 29" in page.connection.heard[1].payload["html"]
