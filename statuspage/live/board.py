"""Board: one view of one scope as named parts, each stamped with the position of its last change.

A page is all parts; a push is the parts stamped after the last push; a catch-up is the parts
stamped after the client's position. One filter over one structure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .message import Cursor, Message

KEPT = 16  # changes of a position, for clients that come from as many earlier ones


class Part:
    """An element with an id. A list has a shell (its own markup around its rows) and rows, in order."""

    __slots__ = ("children", "id", "shell", "stamp")

    def __init__(self, id: str, shell: tuple[str, str], children: tuple["Part", ...] = ()) -> None:
        self.id = id
        self.shell = shell
        self.children = children
        self.stamp = 0

    @property
    def html(self) -> str:
        before, after = self.shell
        return before + "".join(child.html for child in self.children) + after


@dataclass(frozen=True, slots=True)
class Drawing:
    """A view of a scope, drawn from one state: what the document is called, and its parts."""

    title: str
    headline: str
    parts: tuple[Part, ...]


class Board:
    """Stamps what differs between two drawings, and answers what changed after a position."""

    def __init__(self, drawing: Drawing, epoch: str, position: int) -> None:
        self.drawing = drawing
        self.epoch = epoch
        self.birth = position
        self.position = position
        self.pushed = position
        self.told = position  # what came up to here was pushed, or changed nothing of it
        self.pushed_at = 0.0
        self.used_at = 0.0
        self.dirty = False  # redrawn since the last push
        self.lost = False  # what came before this state is not known: it starts anew
        self._messages: dict[int, Message | None] = {}
        for part in drawing.parts:
            _stamp(None, part, position)

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.epoch, self.position)

    @property
    def pushed_cursor(self) -> Cursor:
        return Cursor(self.epoch, self.pushed)

    def redraw(self, drawing: Drawing, position: int) -> None:
        """Take over a newer drawing; parts that differ get its position."""
        before = {part.id: part for part in self.drawing.parts}
        for part in drawing.parts:
            _stamp(before.get(part.id), part, position)
        if drawing.title != self.drawing.title and drawing.parts:
            drawing.parts[0].stamp = position  # a title travels with parts, so one goes with it
        self.drawing = drawing
        self.position = position
        self.dirty = True
        self._messages.clear()

    def knows(self, cursor: Cursor | None) -> bool:
        """Whether what came after this position can be told apart from what came before."""
        return cursor is not None and cursor.epoch == self.epoch and self.birth <= cursor.seq <= self.position

    def change(self, cursor: Cursor | None, say: str = "") -> dict[str, Any] | None:
        """The change that brings a client from `cursor` to now; None when nothing differs.

        The whole board (`since: null`) for a position that the board does not know.
        """
        after = self._after(cursor)
        parts = [part for whole in self.drawing.parts for part in _after(whole, after)]
        if not parts:
            return None
        return {
            "since": None if after < 0 else str(Cursor(self.epoch, after)),
            "cursor": str(self.cursor),
            "html": "".join(part.html for part in parts),
            "title": self.drawing.title,
            "say": say or self.drawing.headline,
        }

    def _after(self, cursor: Cursor | None) -> int:
        return cursor.seq if cursor and self.knows(cursor) else -1

    def message(self, cursor: Cursor | None) -> Message | None:
        """The change as a message: one and the same for all who come from the same position."""
        after = self._after(cursor)
        if after not in self._messages:
            while len(self._messages) >= KEPT:
                del self._messages[next(iter(self._messages))]
            self._messages[after] = _message(self.change(cursor))
        return self._messages[after]

    def rest(self) -> None:
        """Nobody is to be told: the next push begins here.

        Where nothing differs it stays where it was, as in push(): no `head` sends anybody to ask for nothing.
        """
        if any(True for whole in self.drawing.parts for _ in _after(whole, self.pushed)):
            self.pushed = self.position
        self.told, self.dirty = self.position, False

    def push(self, say: str = "") -> Message | None:
        """The change since the last push. Call it once, and send the answer to the whole audience."""
        self.told, self.dirty = self.position, False
        message = _message(self.change(self.pushed_cursor, say))
        if message:
            self.pushed = self.position
        return message


def _message(change: dict[str, Any] | None) -> Message | None:
    return Message("change", change, change["cursor"]) if change else None


def _stamp(old: Part | None, new: Part, position: int) -> None:
    """Carry over the old stamp if markup and order of rows are the same; then the rows, likewise."""
    same = old is not None and old.shell == new.shell and _ids(old) == _ids(new)
    new.stamp = old.stamp if old is not None and same else position
    if not new.children:
        return
    before = {child.id: child for child in old.children} if old else {}
    for child in new.children:
        _stamp(before.get(child.id), child, position)


def _ids(part: Part) -> list[str]:
    return [child.id for child in part.children] if part.children else []


def _after(part: Part, position: int) -> Iterator[Part]:
    """The parts stamped after a position: a list as a whole, never beside a row that it contains."""
    if part.stamp > position:
        yield part
    else:
        for child in part.children:
            yield from _after(child, position)
