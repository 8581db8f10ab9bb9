"""A board by itself: what differs between two drawings, and to whom it is told."""

from statuspage.live.board import Board, Drawing, Part
from statuspage.live.message import Cursor


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


def test_boards_that_share_parts_share_what_differs():
    before, after = drawn(open="ab"), drawn(open="ab")
    after.parts[0].children[1].shell = ("<li id=b class=new>", "</li>")
    boards = [Board(before, "epoch", position) for position in (1, 5)]
    known: dict = {}
    for board in boards:
        board.redraw(after, 7, known)
        assert told(board, board.birth) == ["b class=new"]
    assert len(known) == 1
