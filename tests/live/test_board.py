"""A board by itself: what differs between two drawings, and to whom it is told."""

import pytest

from statuspage.database import snapshot, transaction
from statuspage.live import loading
from statuspage.live.board import Board, Drawing, Part
from statuspage.live.message import Cursor
from statuspage.live.state import State
from statuspage.models.event import BROADCAST
from statuspage.models.scope import Scope


def drawn(**lists: str) -> Drawing:
    """A list for each name, with a row for each letter."""
    parts = [
        Part(
            name, (f"<ul id={name}>", "</ul>"), tuple(Part(row, (f"<li id={row}>", "</li>")) for row in rows)
        )
        for name, rows in lists.items()
    ]
    return Drawing("title", "headline", tuple(parts))


def told(board: Board, after: int) -> list[str]:
    change = board.change(Cursor("epoch", after))
    return [part.split(">")[0] for part in change["html"].split("id=")[1:]] if change else []


def test_a_row_may_move_to_a_list_before_or_behind_its_own():
    board = Board(drawn(open="a", past="b"), "epoch", 1)
    board.redraw(drawn(open="", past="ab"), 2, {})
    assert told(board, 1) == ["open", "past", "a", "b"]
    board.redraw(drawn(open="a", past="b"), 3, {})
    assert told(board, 2) == ["open", "a", "past", "b"]
    assert told(board, 3) == []


def test_who_saw_what_this_node_never_drew_gets_the_whole_board(monkeypatch):
    """At 2 another node may have shown a third row. Here nothing differs but the other list."""
    board = Board(drawn(open="ab", past="c"), "epoch", 1)
    board.redraw(drawn(open="ab", past="cd"), 3, {})
    assert told(board, 1) == ["past", "c", "d"]
    assert board.change(Cursor("epoch", 2))["since"] is None
    assert told(board, 2) == ["open", "a", "b", "past", "c", "d"]
    board.redraw(drawn(open="a", past="cd"), 4, {})
    assert [told(board, after) for after in (3, 4)] == [["open", "a"], []]
    monkeypatch.setattr("statuspage.live.board.MOST_GAPS", 1)
    board.redraw(drawn(open="ab", past="cd"), 6, {})
    assert board.change(Cursor("epoch", 1))["since"] is None, "older gaps are not remembered"
    assert told(board, 4) == ["open", "a", "b"]


def test_boards_that_share_parts_share_what_differs():
    before, after = drawn(open="ab"), drawn(open="ab")
    after.parts[0].children[1].shell = ("<li id=b class=new>", "</li>")
    boards = [Board(before, "epoch", position) for position in (1, 5)]
    known: dict = {}
    for board in boards:
        board.redraw(after, 7, known)
        assert told(board, board.birth) == ["b class=new"]
    assert len(known) == 1


def test_what_did_not_change_is_the_same_part_on_every_page(acme, cast):
    """So a change of the whole organization is compared part by part once, not once per tenant."""
    scopes = [Scope(cast.acme.id, tenant.id) for tenant in (cast.north, cast.south)]

    def parts():
        return [
            {part.id: part for part in acme.board(scope, "page").drawing.parts if part.id != "name"}
            for scope in scopes
        ]

    before = parts()
    with transaction(cast.acme):
        cast.acme_service.update(description="Another")
    acme.ring()
    after = parts()
    for old, new in zip(before, after, strict=True):
        assert [id for id in old if new[id] is not old[id]] == ["services"]


@pytest.mark.parametrize("tenant", [False, True])
def test_a_broadcast_moves_and_draws_no_page_but_is_known_to_it(acme, cast, tenant):
    """One may come with the position of a program, or of a view that shows the log itself."""
    scope = Scope(cast.acme.id, cast.north.id)
    board = acme.board(scope, "page")
    position, drawing = board.position, board.drawing
    with transaction(cast.acme):
        cast.acme.record("status-update", BROADCAST, "x", {}, tenant=cast.north if tenant else None)
    acme.ring()
    assert acme.board(scope, "page") is board
    assert (board.position, board.drawing) == (position, drawing)
    told = cast.acme.seq
    assert acme.state.position(scope) == told > position
    assert board.change(Cursor(acme.state.epoch, told)) is None
    assert board.change(Cursor(acme.state.epoch, told + 1))["since"] is None
    with transaction(cast.acme):
        cast.north_service.update(name="Renamed")
    acme.ring()
    change = acme.board(scope, "page").change(Cursor(acme.state.epoch, told))
    assert change["since"] == f"{acme.state.epoch}:{told}"
    assert board.position == told + 1


def test_a_broadcast_moves_what_the_admin_shows_of_the_log(acme, cast):
    scope = Scope(cast.acme.id, whole=True)
    before = acme.board(scope, "admin/overview").position
    with transaction(cast.acme):
        cast.acme.record("status-update", BROADCAST, "x", {})
    acme.ring()
    assert acme.board(scope, "admin/overview").position == before + 1


def test_every_node_stands_where_the_others_stand(hub, acme, cast):
    """Whether it followed the log or has just begun."""
    scopes = [Scope(cast.acme.id), Scope(cast.acme.id, cast.north.id), Scope(cast.acme.id, whole=True)]
    with transaction(cast.acme):
        cast.south_service.update(name="Renamed")
        for tenant in (cast.north, None, cast.south):
            cast.acme.record("status-update", BROADCAST, "x", {}, tenant=tenant)
    acme.ring()
    acme.advance()
    with snapshot() as session:
        loaded = loading.load(session, cast.acme.id)
    for where in (State.position, State.shown_position):
        assert [where(acme.state, scope) for scope in scopes] == [where(loaded, scope) for scope in scopes]
    assert loaded.shown_position(scopes[2]) < loaded.position(scopes[2])
