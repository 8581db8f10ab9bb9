"""Consumers over Socket.IO, in one process without a network: at least once, in order, nothing skipped."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from statuspage.database import Busy, db, snapshot, transaction
from statuspage.live import consuming, sockets
from statuspage.live.channel import UNKNOWN
from statuspage.live.consuming import Acknowledgements
from statuspage.live.message import Cursor
from statuspage.live.sockets import Sockets
from statuspage.models import consumer as consumers
from statuspage.models import retention
from statuspage.models.consumer import Consumer
from statuspage.models.errors import Refusal
from statuspage.models.event import Event
from statuspage.models.role import Role
from statuspage.models.scope import Scope
from statuspage.models.token import ApiToken
from tests.live.test_entry import cursor_of, ids_after, revoke, say
from tests.live.test_sockets import Wire

ORG = {"organizationId": "org-456"}
MINE = {**ORG, "consumerId": "billing"}


class Ear:
    """A session of the transport that keeps what it was sent."""

    transport = "test"
    wire = None
    backlog = 0

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.ended = False

    def send(self, packet: Any) -> None:
        name, payload = json.loads(packet.data[1:])
        self.heard.append((name, payload))

    def disconnect(self) -> None:
        self.ended = True


class Phone:
    """A client: what it asks, and what it hears."""

    def __init__(self, wire: Wire, sid: str, token: str | None) -> None:
        self.wire, self.sid = wire, sid
        wire.call(sid, "connect", {"token": token} if token else None)
        self.ear = wire.ears[sid]  # type: ignore[attr-defined]

    def ask(self, event: str, **data: Any) -> Any:
        return self.wire.call(self.sid, event, data)

    def ack(self, id: str, **data: Any) -> Any:
        return self.ask("ack", id=id, **data)

    @property
    def ids(self) -> list[str]:
        return [payload["id"] for _, payload in self.ear.heard if "id" in payload]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.ear.heard]


class Exchange(Wire):
    def __init__(self) -> None:
        super().__init__()
        self.ears: dict[str, Ear] = {}

    def session(self, _wire: Wire, sid: str) -> Ear:
        return self.ears.setdefault(sid, Ear())


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(consuming, "PACE", 0)


@pytest.fixture
def call(app, cast, hub, monkeypatch):
    """`call(who)`: a new connection of somebody's."""
    wire = Exchange()
    monkeypatch.setattr(sockets.transport, "session", wire.session)
    Sockets(app, wire, hub, 50)  # type: ignore[arg-type]
    calls = iter(range(1000))
    return lambda who=None: Phone(wire, f"sid{next(calls)}", cast.tokens[who] if who else None)


@pytest.fixture
def tell(cast, hub):
    """`tell(times, tenant)`: so many events, heard by everybody; the last one's id."""

    def tell(times: int = 1, tenant=None) -> str:
        id = say(cast.acme, times, tenant)
        hub.channel(cast.acme.id).advance()
        return id

    return tell


def age_everything(days: float) -> None:
    """All lines, and when consumers were heard of, are so many days older."""
    with transaction():
        for line in db.session.query(Event):
            line.created_at -= timedelta(days=days)
        for row in db.session.query(Consumer):
            row.seen_at -= timedelta(days=days)


def kept(user_id: str, name: str = "billing") -> str | None:
    with snapshot() as session:
        found = consumers.find(session, user_id, "org-456", name)
        return found.cursor if found else None


def test_it_goes_on_from_what_it_acknowledged(cast, call, tell):
    tell(2)
    start = cast.acme.seq
    first = call("acme-viewer")
    assert first.ask("authenticate", **MINE)["replayed"] == 0, "a new one begins now"
    tell(3)
    handled = first.ids[1]
    answer = first.ack(handled)
    assert (answer["consumerId"], answer["organizationId"], answer["cursor"]) == (
        "billing",
        "org-456",
        handled,
    )
    assert first.names[-1] == "acknowledged"
    first.wire.call(first.sid, "disconnect")
    tell(2)
    second = call("acme-viewer")
    assert second.ask("authenticate", **MINE)["replayed"] == 3
    tell()
    assert second.ids == ids_after(cast.acme, start)[2:]
    assert second.ids[0] > handled
    second.ack(second.ids[-1])
    third = call("acme-viewer")
    assert third.ask("authenticate", **MINE)["replayed"] == 0
    assert third.ids == []


def test_an_acknowledgement_only_moves_forward_and_only_within_the_log(cast, call, tell):
    one = call("acme-viewer")
    assert "no such consumer" in one.ack("x:1")["message"]
    one.ask("authenticate", **MINE)
    begun = cursor_of(cast.acme)
    tell(3)
    last = cast.acme.seq
    assert one.ack(cursor_of(cast.acme, last - 1))["cursor"] == cursor_of(cast.acme, last - 1)
    assert one.ack(begun)["cursor"] == cursor_of(cast.acme, last - 1)
    for wrong in ("", "nonsense", "other:1", f"other:{last}", cursor_of(cast.acme, last + 1)):
        assert one.ack(wrong)["message"].endswith("."), wrong
    for more in ({"consumerId": "other"}, {"organizationId": cast.globex.id}):
        assert "no such consumer" in one.ack(cursor_of(cast.acme), **more)["message"]
    assert kept(cast.users["acme-viewer"].id) == cursor_of(cast.acme, last - 1)


def test_of_one_consumer_on_two_connections_both_hear_all_and_the_further_one_counts(cast, call, tell):
    here, there = call("acme-viewer"), call("acme-viewer")
    for each in (here, there):
        each.ask("authenticate", **MINE)
    tell(3)
    assert here.ids == there.ids
    here.ack(here.ids[2])
    assert there.ack(there.ids[0])["cursor"] == here.ids[2]


def test_one_that_was_away_for_long_is_seen_and_goes_on(cast, call, tell):
    call("acme-viewer").ask("authenticate", **MINE)
    with transaction():
        row = db.session.query(Consumer).one()
        row.seen_at = long_ago = row.seen_at - 2 * consumers.SEEN
    id = tell()
    one = call("acme-viewer")
    assert one.ask("authenticate", **MINE)["replayed"] == 1
    assert one.ids == [id]
    consumers.last_seen.store()
    db.session.refresh(row)
    assert row.seen_at > long_ago
    assert not consumers.last_seen.noted


@pytest.mark.one_database
def test_two_users_may_use_one_name(cast, call, tell):
    for who in ("acme-viewer", "acme-editor"):
        call(who).ask("authenticate", **MINE)
    one = call("acme-viewer")
    one.ask("authenticate", **MINE)
    id = tell()
    one.ack(id)
    assert kept(cast.users["acme-viewer"].id) == id != kept(cast.users["acme-editor"].id)


def test_one_that_is_too_far_behind_is_reset_until_it_acknowledges_that(cast, call, hub, tell):
    call("acme-viewer").ask("authenticate", **MINE)
    tell(3)
    with transaction(cast.acme):
        cast.acme.prune(cast.acme.seq - 1)
    hub.channels.clear()  # what a process remembers, it still has
    for end in ("pruned", "renewed"):
        for _ in range(2):
            one = call("acme-viewer")
            told = one.ask("authenticate", **MINE)
            assert (told["reset"], told["replayed"], one.ids) == (True, 0, []), end
            assert dict(one.ear.heard)["reset"]["cursor"] == told["cursor"]
        assert one.ack(told["cursor"])["cursor"] == told["cursor"]
        id = tell()
        again = call("acme-viewer")
        assert again.ask("authenticate", **MINE)["reset"] is False
        assert again.ids == [id]
        with transaction(cast.acme):
            cast.acme.renew_epoch()


def test_one_that_was_away_until_its_lines_were_forgotten_is_told_so(cast, call, hub, tell):
    call("acme-viewer").ask("authenticate", **MINE)
    tell(3)
    age_everything(days=400)
    tell()
    retention.pruning({"EVENT_DAYS": 365})(lambda: True)
    hub.channels.clear()
    one = call("acme-viewer")
    told = one.ask("authenticate", **MINE)
    assert (told["reset"], told["replayed"], "reset" in one.names) == (True, 0, True)


@pytest.mark.one_database
def test_a_cursor_of_its_own_wins_over_the_kept_one(cast, call, tell):
    start = cursor_of(cast.acme)
    tell(2)
    one = call("acme-viewer")
    assert one.ask("authenticate", **MINE, cursor=start)["replayed"] == 2
    assert kept(cast.users["acme-viewer"].id) == start, "and a new one begins there"
    one.ack(one.ids[-1])
    assert call("acme-viewer").ask("authenticate", **MINE, cursor=start)["replayed"] == 2
    told = call("acme-editor").ask("authenticate", **MINE, cursor="other:1")
    assert (told["reset"], kept(cast.users["acme-editor"].id)) == (True, cursor_of(cast.acme))


@pytest.mark.one_database
def test_only_members_have_consumers_and_only_of_events(cast, call):
    needs = consuming.NEEDS_TOKEN
    assert call().ask("authenticate", **MINE)["error"] == needs
    assert call("globex-owner").ask("authenticate", **MINE)["error"] == needs, "a stranger on a public page"
    one = call("acme-viewer")
    assert "leave view" in one.ask("authenticate", **MINE, view="page")["error"]
    assert "consumerId" in one.ask("authenticate", **ORG, consumerId="a b")["error"]
    assert call("north-editor").ask("authenticate", **MINE, scope="all")["error"] == UNKNOWN
    assert db.session.query(Consumer).count() == 0
    assert one.ask("authenticate", **MINE, scope="all")["success"]
    assert "another page" in one.ask("authenticate", **MINE)["error"]


@pytest.mark.one_database
def test_an_organization_has_so_many_consumers(call, monkeypatch):
    monkeypatch.setattr(consumers, "MOST", 2)
    one = call("acme-viewer")
    for name in ("a", "b"):
        assert one.ask("authenticate", **ORG, consumerId=name)["success"]
        one.ask("leave-organization", **ORG)
    assert "at most 2 consumers" in one.ask("authenticate", **ORG, consumerId="c")["error"]


@pytest.mark.one_database
def test_a_user_takes_not_all_of_them(call, monkeypatch):
    monkeypatch.setattr(consumers, "MOST_OF_ONE", 1)
    mine, other = call("acme-viewer"), call("acme-editor")
    assert mine.ask("authenticate", **MINE)["success"]
    mine.ask("leave-organization", **ORG)
    assert "at most 1 consumers" in mine.ask("authenticate", **ORG, consumerId="b")["error"]
    assert other.ask("authenticate", **ORG, consumerId="b")["success"]


def test_to_read_takes_no_write(cast, call, tell, monkeypatch):
    """The disk is full, or somebody writes for long: who has a consumer goes on with it."""
    call("acme-viewer").ask("authenticate", **MINE)
    with transaction():
        db.session.query(Consumer).one().seen_at -= 2 * consumers.SEEN
    id, one = tell(), call("acme-viewer")

    def fail(self):
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(type(db.session()), "commit", fail)
        assert one.ask("authenticate", **MINE)["replayed"] == 1
    assert one.ids == [id]


@pytest.mark.one_database
def test_it_misses_nothing_that_its_connection_had_joined_without_it(cast, call, tell):
    call("acme-viewer").ask("authenticate", **MINE)
    tell(2)
    one = call("acme-viewer")
    one.ask("join-organization", **ORG)
    tell(1)
    assert one.ask("authenticate", **MINE)["replayed"] == 3
    assert one.ids[-3:] == ids_after(cast.acme, 0)[-3:]


@pytest.mark.one_database
def test_a_join_after_it_keeps_it(cast, call, tell):
    one = call("acme-viewer")
    one.ask("authenticate", **MINE)
    one.ask("join-organization", **ORG)
    one.ask("join-organization", **ORG, scope="all")
    id = tell()
    assert one.ids == [id]
    assert one.ack(id)["cursor"] == id
    one.ask("leave-organization", **ORG)
    assert "no such consumer" in one.ack(id)["message"]


@pytest.mark.one_database
def test_a_connection_has_one_consumer_of_an_organization(cast, call):
    one = call("operator")
    assert one.ask("authenticate", **MINE)["success"]
    assert "another consumer" in one.ask("authenticate", **ORG, consumerId="other")["error"]
    assert kept(cast.users["operator"].id, "other") is None
    assert one.ask("authenticate", organizationId=cast.globex.id, consumerId="billing")["success"]
    both = one.ack(cursor_of(cast.acme))
    assert "several consumers" in both["message"]
    assert one.ack(cursor_of(cast.acme), **ORG)["cursor"] == cursor_of(cast.acme)


@pytest.mark.one_database
def test_it_ends_with_its_token_and_lives_on_with_another_one_of_its_user(cast, call, hub, tell):
    one = call("acme-viewer")
    one.ask("authenticate", **MINE)
    id = tell()
    revoke(cast, "acme-viewer")
    hub.channel("org-456").advance()
    assert one.ear.ended
    assert "no such consumer" in one.ack(id)["message"]
    with transaction(cast.acme):
        user = db.session.merge(cast.users["acme-viewer"])
        _, cast.tokens["acme-viewer"] = ApiToken.create(user, Role.VIEWER, cast.acme)
    again = call("acme-viewer")
    again.ask("authenticate", **MINE)
    assert again.ids == [id]


def test_what_was_deleted_acknowledges_in_vain(cast, call, tell):
    one, north = call("acme-viewer"), call("north-editor")
    one.ask("authenticate", **MINE)
    north.ask("authenticate", **MINE, tenantId="tenant-789")
    with transaction(cast.acme):
        found = consumers.find(db.session(), cast.users["acme-viewer"].id, "org-456", "billing")
        found.remove()
    assert "no such consumer" in one.ack(tell())["message"]
    with transaction(cast.acme):
        cast.north.remove()
    assert db.session.query(Consumer).count() == 0, "a tenant's go with it"


@pytest.mark.one_database
def test_whoever_acknowledges_each_event_is_not_refused_and_whoever_repeats_one_is(cast, call, tell):
    one = call("acme-viewer")
    one.ask("authenticate", **MINE)
    tell(70)
    assert {one.ack(id).get("cursor") for id in one.ids} == set(one.ids)
    assert "Too many messages" in [one.ack(one.ids[0]) for _ in range(50)][-1]["message"]


# --- written together ------------------------------------------------------------------------------


def register(cast, count: int) -> list[str]:
    with transaction(cast.acme):
        user_id = cast.users["acme-viewer"].id
        return [
            Consumer.register(cast.acme, None, user_id=user_id, consumer_id=str(number)).id
            for number in range(count)
        ]


def test_those_who_acknowledge_during_a_write_go_together_with_the_next(app, cast, asked, monkeypatch):
    ids = register(cast, 12)
    end = Cursor.parse(say(cast.acme))
    acknowledgements, began, go_on = Acknowledgements(), threading.Event(), threading.Event()
    locked, kept = consumers.locked, []

    def slowly(ids):
        began.set()
        go_on.wait(10)
        return locked(ids)

    def keep(id: str) -> None:
        with app.app_context():
            kept.append(acknowledgements.keep(id, end).kept)

    monkeypatch.setattr(consumers, "locked", slowly)
    threads = [threading.Thread(target=keep, args=(id,)) for id in ids]
    threads[0].start()
    assert began.wait(10)
    asked.clear()
    for thread in threads[1:]:
        thread.start()
    while len(acknowledgements._waiting) < 11:
        began.wait(0.001)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert kept == [str(end)] * 12
    assert len([statement for statement in asked if "FROM consumer" in statement]) == 2


@pytest.mark.parametrize("error", [OSError("disk full"), Busy()], ids=["failed", "busy"])
def test_nobody_is_told_that_something_is_kept_when_the_commit_failed(app, cast, monkeypatch, error):
    (id,) = register(cast, 1)
    end = Cursor.parse(say(cast.acme))
    acknowledgements = Acknowledgements()

    def fail(self):
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(type(db.session()), "commit", fail)
        with pytest.raises(Refusal if isinstance(error, Busy) else OSError):
            acknowledgements.keep(id, end)
    assert kept(cast.users["acme-viewer"].id, "0") != str(end)
    assert acknowledgements.keep(id, end).kept == str(end), "and it may be sent again"


def test_wherever_a_write_ends_the_position_is_the_old_or_the_new_one(app, cast):
    """And only the new one is told of. Statement by statement; that a commit is whole, the database says."""
    (id,) = register(cast, 1)
    user_id, acknowledgements = cast.users["acme-viewer"].id, Acknowledgements()
    for fatal in range(20):
        before, end = kept(user_id, "0"), Cursor.parse(say(cast.acme))
        left = iter(range(fatal))

        def die(*_: Any, left=left) -> None:
            if next(left, None) is None:
                raise OSError("killed")

        event.listen(db.engine, "before_cursor_execute", die)
        try:
            told = acknowledgements.keep(id, end).kept
        except (Refusal, OSError):
            told = None
        finally:
            event.remove(db.engine, "before_cursor_execute", die)
            db.session.rollback()
        assert kept(user_id, "0") == (told or before)
        if told:
            break
    assert told == str(end)
    assert fatal >= 2


@pytest.mark.one_database
def test_its_scope_is_its_own(cast, call, tell):
    """A tenant's consumer hears both chains; what is another tenant's passes it by."""
    one = call("south-editor")
    assert one.ask("authenticate", **MINE, tenantId=cast.south.id)["success"]
    start = cast.acme.seq
    for tenant in (None, cast.north, cast.south):
        tell(1, tenant)
    assert one.ids == ids_after(cast.acme, start, Scope("org-456", cast.south.id))
