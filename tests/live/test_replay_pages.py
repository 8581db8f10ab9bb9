"""Where a replay comes from, how much of it at a time, and what it costs when many ask at once."""

import threading

import pytest

from statuspage.database import transaction
from statuspage.live import counts, entry, feed, replay
from statuspage.live.hub import Hub
from statuspage.live.memory import Memory
from statuspage.live.message import Cursor, Message
from statuspage.models.organization import Organization
from statuspage.models.scope import Scope
from tests.live.test_entry import (
    Bystander,
    cursor_of,
    ids_after,
    join,
    proof_of,
    say,
)

TEXT = "x" * 1000


def prune(organization: Organization, through: int) -> None:
    with transaction(organization):
        organization.prune(through)


# --- a scope that was quiet for longer than the log is kept ----------------------------------------


@pytest.mark.parametrize("left", [True, False], ids=["heard since", "silent still"])
@pytest.mark.parametrize("who", ["own", "north", "whole"])
def test_whoever_missed_nothing_goes_on_however_much_is_forgotten(cast, who, left):
    """Only others wrote, and what they wrote is forgotten; then the scope hears something again."""
    tenant, quiet, loud = {
        "own": (None, cast.acme.scope, cast.south),
        "north": (cast.north, cast.north.scope, cast.south),
        "whole": (None, Scope(cast.acme.id, whole=True), None),
    }[who]
    heard = say(cast.acme, 3, tenant)
    with transaction(cast.acme):
        for _ in range(5):  # lines of no data room
            cast.acme.record("settings", "updated", cast.acme.id)
    if who != "whole":
        say(cast.acme, 5, loud)
    prune(cast.acme, cast.acme.seq - 1)
    news = [say(cast.acme, 1, tenant)] if left else []
    channel = Hub(build="test", push_interval=1).channel(cast.acme.id)
    seat = join(channel, quiet, heard, proof_of(cast, "acme-viewer"))
    assert "reset" not in seat.connection.names
    assert seat.connection.ids == news
    later = say(cast.acme, 1, tenant)
    channel.advance()
    assert seat.connection.ids == [*news, later]


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("by", ["own", "north"])
def test_whoever_missed_one_line_of_either_chain_starts_over(cast, left, by):
    """A tenant's listener hears the organization's lines too."""
    heard = say(cast.acme, 3, cast.north)
    say(cast.acme, 1, cast.north if by == "north" else None)
    say(cast.acme, 5, cast.south)
    prune(cast.acme, cast.acme.seq)
    if left:
        say(cast.acme, 1, cast.north)
        say(cast.acme, 1)
    channel = Hub(build="test", push_interval=1).channel(cast.acme.id)
    seat = join(channel, cast.north.scope, heard)
    assert seat.connection.names[0] == "reset"
    assert seat.connection.ids == []


# --- large lines -----------------------------------------------------------------------------------


def test_memory_is_bounded_by_what_its_lines_carry(cast, acme):
    acme.memory = Memory(acme.state.seq, largest=5500)
    start = cast.acme.seq
    say(cast.acme, 20, text=TEXT)
    acme.advance()
    assert acme.memory.floor == cast.acme.seq - 5
    say(cast.acme, 10, text="short")
    acme.advance()
    assert acme.memory.floor == cast.acme.seq - 15
    assert join(acme, cast.acme.scope, cursor_of(cast.acme, start)).connection.ids == ids_after(
        cast.acme, start
    )
    say(cast.acme, 1, text=10 * TEXT)
    acme.advance()
    assert acme.memory.floor == cast.acme.seq, "one that is larger than all is not kept"


def test_no_more_is_recalled_than_there_is_room_for(cast):
    start = cast.acme.seq
    say(cast.acme, 20, text=TEXT)
    channel = Hub(build="test", push_interval=1).channel(cast.acme.id)
    channel.memory = Memory(channel.state.seq, largest=5500)
    seat = join(channel, cast.acme.scope, cursor_of(cast.acme, start))
    assert seat.connection.ids == ids_after(cast.acme, start)
    assert channel.memory.floor == cast.acme.seq - 5


@pytest.mark.parametrize("remembered", [True, False])
def test_a_replay_waits_for_its_client_after_so_many_bytes(cast, acme, monkeypatch, remembered):
    monkeypatch.setattr(replay, "PAGE_BYTES", 3000)
    start = cast.acme.seq
    if not remembered:
        acme.memory = Memory(acme.state.seq, 1)
    say(cast.acme, 20, text=TEXT)
    acme.advance()
    connection, bursts = Bystander(), []

    def count() -> None:
        bursts.append(len(connection.ids) - sum(bursts))

    connection.on_drain = count
    join(acme, cast.acme.scope, cursor_of(cast.acme, start), connection=connection)
    assert connection.ids == ids_after(cast.acme, start)
    assert max(bursts) == 3


# --- many at once ----------------------------------------------------------------------------------


def come_back(app, channel, scope, cursors, threads: int = 8) -> list[list[str]]:
    """What each of these clients hears, who all come at once."""
    heard: list[list[str]] = []
    begin = threading.Barrier(threads)

    def come(number: int) -> None:
        begin.wait(10)
        with app.app_context():
            for cursor in cursors[number::threads]:
                seat = admit_visitor(channel, scope)
                entry.enter_data(channel, seat, entry.data_rooms(scope), cursor)
                heard.append(seat.connection.ids)

    crowd = [threading.Thread(target=come, args=(number,)) for number in range(threads)]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join(60)
    return heard


def admit_visitor(channel, scope):
    seat = entry.Seat(Bystander(), scope, "data")
    channel.register(seat)
    entry.prove_visitor(channel, seat)
    return seat


def test_a_crowd_from_before_what_is_remembered_reads_each_page_of_the_log_once(app, cast, acme, asked):
    acme.memory = Memory(acme.state.seq, 100)
    start = cast.acme.seq
    say(cast.acme, 130)
    say(cast.acme, 70, cast.south)
    acme.advance()
    acme.watched = lambda: True
    expected = ids_after(cast.acme, start)
    asked.clear()
    before = counts.replays[counts.DATABASE]
    heard = come_back(app, acme, cast.acme.scope, [Cursor(cast.acme.epoch, start)] * 60)
    assert heard == [expected] * 60
    assert counts.replays[counts.DATABASE] - before == 60
    assert len(asked) < 20, asked


def test_what_is_edited_is_read_again_for_who_asks_then(cast, acme, monkeypatch):
    """Also when it was edited while somebody read the page."""
    acme.memory = Memory(acme.state.seq, 1)
    start = cursor_of(cast.acme)
    with transaction(cast.acme):
        cast.acme_service.update(name="Old name")
    say(cast.acme, 3)
    acme.advance()
    assert "Old name" in str([m.payload for m in join(acme, cast.acme.scope, start).connection.heard])
    read, edited = feed.stream, []

    def edit_meanwhile(*arguments, **more):
        lines = list(read(*arguments, **more))
        if not edited:
            edited.append(True)
            with transaction(cast.acme):
                cast.acme_service.update(name="New name")
            acme.advance()
        return lines

    acme.pages.clear()
    with monkeypatch.context() as patch:
        patch.setattr(feed, "stream", edit_meanwhile)
        join(acme, cast.acme.scope, start)
    for _ in range(2):
        heard = str([message.payload for message in join(acme, cast.acme.scope, start).connection.heard])
        assert "Old name" not in heard
        assert "New name" in heard


@pytest.mark.one_database
def test_whoever_waited_for_a_page_while_something_was_edited_reads_it_anew(cast):
    """The first reader's snapshot is from before the edit, the other's question may be from after it."""
    pages, key = replay.Pages(), (cast.acme.scope, Cursor("e", 1))
    reading, go_on = threading.Event(), threading.Event()
    old, new = (replay.Page([], Cursor("e", number)) for number in (2, 3))
    got = {}

    def read_slowly() -> replay.Page:
        reading.set()
        go_on.wait(10)
        return old

    first = threading.Thread(target=lambda: got.update(first=pages.page(key, read_slowly)))
    first.start()
    assert reading.wait(10)
    shared, taken = pages._pages[key], threading.Event()
    shared.lock = Watched(shared.lock, taken)
    second = threading.Thread(target=lambda: got.update(second=pages.page(key, lambda: new)))
    second.start()
    assert taken.wait(10), "it waits for the same page"
    pages.clear()
    go_on.set()
    for thread in (first, second):
        thread.join(10)
    assert got == {"first": old, "second": new}


class Watched:
    """A lock that tells that somebody asks for it."""

    def __init__(self, lock, asked: threading.Event) -> None:
        self._lock, self._asked = lock, asked

    def __enter__(self) -> None:
        self._asked.set()
        self._lock.acquire()

    def __exit__(self, *_error) -> None:
        self._lock.release()


def test_pages_are_few_and_go_when_nobody_asks(cast, acme):
    acme.memory = Memory(acme.state.seq, 1)
    start = cast.acme.seq
    say(cast.acme, 30)
    acme.advance()
    for number in range(20):
        replay.after(acme, cast.acme.scope, Cursor(cast.acme.epoch, start + number))
    assert len(acme.pages._pages) == replay.KEPT
    acme.pages.drop(float("inf"))
    assert acme.pages._pages == {}


@pytest.mark.parametrize("view", ["data", "page"])
def test_a_crowd_of_another_epoch_is_looked_for_once(app, cast, acme, asked, view):
    """After a restore everybody comes back with the same old position."""
    acme.watched = lambda: True
    acme.advance()
    acme.board(cast.acme.scope, "page")
    asked.clear()
    for number in range(30):
        seat = entry.Seat(Bystander(), cast.acme.scope, view)
        acme.register(seat)
        entry.prove_visitor(acme, seat)
        cursor = Cursor("0therone", number)
        if view == "data":
            assert entry.enter_data(acme, seat, entry.data_rooms(cast.acme.scope), cursor).reset
        else:
            assert entry.enter_board(acme, seat, cursor).reset
    assert len(asked) == 1, asked


def test_an_epoch_that_is_new_elsewhere_is_met_although_others_were_not(cast, acme):
    for number in range(40):
        assert replay.after(acme, cast.acme.scope, Cursor(f"guess{number}", 1)).reset
    with transaction(cast.acme):
        cast.acme.renew_epoch()
    assert not replay.after(acme, cast.acme.scope, Cursor(cast.acme.epoch, cast.acme.seq)).reset
    assert acme.state.epoch == cast.acme.epoch


# --- what cannot be told ---------------------------------------------------------------------------


def test_a_line_that_cannot_be_told_keeps_nobody_from_the_others(cast, acme, monkeypatch, caplog):
    """The second of five cannot be delivered; who comes back after the first gets all of them."""
    seat = join(acme, cast.acme.scope)
    start = cast.acme.seq
    deliver = Bystander.deliver

    def fail(self, message: Message) -> None:
        if message.payload.get("id") == cursor_of(cast.acme, start + 2):
            raise OSError("no")
        deliver(self, message)

    say(cast.acme, 5, text="private words")
    expected = ids_after(cast.acme, start)
    with monkeypatch.context() as patch:
        patch.setattr(Bystander, "deliver", fail)
        acme.advance()
    assert seat.connection.ids == [expected[0], *expected[2:]]
    assert "could not be told" in caplog.text
    assert "private words" not in caplog.text
    assert join(acme, cast.acme.scope, expected[0]).connection.ids == expected[1:]
