"""Board: one view of one scope as named parts, each stamped with the position of its last change.

A page is all parts; a push is the parts stamped after the last push; a catch-up is the parts
stamped after the client's position. One filter over one structure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .message import Cursor, Message

OWN = ("since", "title")  # fields of a change that differ when an organization's tells all its tenants' pages
KEPT = 16  # changes of a position, for clients that come from as many earlier ones
MOST_GAPS = 64  # that are remembered: who comes from before the oldest of them gets the whole board


class Part:
    """An element with an id. A list has a shell (its own markup around its rows) and rows, in order.

    It never changes: boards that show the same share it.
    """

    __slots__ = ("children", "id", "shell")

    def __init__(self, id: str, shell: tuple[str, str], children: tuple[Part, ...] = ()) -> None:
        self.id = id
        self.shell = shell
        self.children = children

    @property
    def html(self) -> str:
        before, after = self.shell
        return before + "".join(child.html for child in self.children) + after


class Difference:
    """Between two parts of one id: the ids in them that are `new` or differ, and those that are `gone`."""

    __slots__ = ("gone", "new")

    def __init__(self, old: Part | None, new: Part) -> None:
        self.new: list[str] = []
        self.gone: list[str] = []
        self._compare(old, new)

    def _compare(self, old: Part | None, new: Part) -> None:
        """Markup and order of rows; then the rows, likewise."""
        if old is new:
            return
        if old is None or old.shell != new.shell or _ids(old) != _ids(new):
            self.new.append(new.id)
        before = {child.id: child for child in old.children} if old else {}
        for child in new.children:
            self._compare(before.pop(child.id, None), child)
        for child in before.values():
            self._forget(child)

    def _forget(self, part: Part) -> None:
        self.gone.append(part.id)
        for child in part.children:
            self._forget(child)


Differences = dict[tuple[Part, Part], Difference]
"""Of parts that boards share: what differs is the same for all of them."""


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
        self.current_at = position  # the log's: nothing up to here would change the drawing
        self.pushed = position
        self.told = position  # what came up to here was pushed, or changed nothing of it
        self.pushed_at = 0.0
        self.used_at = 0.0
        self.dirty = False  # redrawn since the last push
        self.lost = False  # what came before this state is not known: it starts anew
        self._gaps: list[tuple[int, int]] = []  # it was drawn at both, and at none of the positions between
        self._messages: dict[int, Message | None] = {}
        self._stamps: dict[str, int] = {}  # by the ids of parts: the position of the last change
        for part in drawing.parts:
            self._stamp([Difference(None, part)], position)

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.epoch, self.position)

    @property
    def pushed_cursor(self) -> Cursor:
        return Cursor(self.epoch, self.pushed)

    def redraw(self, drawing: Drawing, position: int, known: Differences) -> None:
        """Take over a newer drawing; parts that differ get its position. `known` grows."""
        before = {part.id: part for part in self.drawing.parts}
        found: list[Difference] = []
        for new in drawing.parts:
            old = before[new.id]  # the top ids of a view never change
            if old is not new:
                difference = known.get((old, new))
                if difference is None:
                    difference = known[old, new] = Difference(old, new)
                found.append(difference)
        self._stamp(found, position)
        if drawing.title != self.drawing.title and drawing.parts:
            self._stamps[drawing.parts[0].id] = position  # a title travels with parts: one goes with it
        self._skip_to(position)
        self.drawing = drawing
        self.position = self.current_at = position
        self.dirty = True
        self._messages.clear()

    def _skip_to(self, position: int) -> None:
        """What was shown in between is not known: a part may have been another there, and be the same again.

        Another node may have drawn it, and its clients may come here.
        """
        if position > self.current_at + 1:
            self._gaps.append((self.current_at, position))
            if len(self._gaps) > MOST_GAPS:
                self.birth = max(self.birth, self._gaps.pop(0)[1])

    def _stamp(self, differences: list[Difference], position: int) -> None:
        """First those that are gone: a row that is gone from one list may be new in another."""
        for difference in differences:
            for id in difference.gone:
                self._stamps.pop(id, None)
        for difference in differences:
            for id in difference.new:
                self._stamps[id] = position

    def _parts_after(self, position: int) -> list[Part]:
        found: list[Part] = []
        self._find(self.drawing.parts, position, found)
        return found

    def _find(self, parts: tuple[Part, ...], position: int, found: list[Part]) -> None:
        """The parts stamped after a position: a list as a whole, never beside a row that it contains."""
        stamps = self._stamps
        for part in parts:
            if stamps[part.id] > position:
                found.append(part)
            elif part.children:
                self._find(part.children, position, found)

    def knows(self, cursor: Cursor | None) -> bool:
        """Whether what came after this position can be told apart from what came before."""
        if cursor is None or cursor.epoch != self.epoch or not self.birth <= cursor.seq <= self.current_at:
            return False
        for after, before in reversed(self._gaps):
            if cursor.seq >= before:
                return True
            if cursor.seq > after:
                return False
        return True

    def change(self, cursor: Cursor | None, say: str = "") -> dict[str, Any] | None:
        """The change that brings a client from `cursor` to now; None when nothing differs.

        The whole board (`since: null`) for a position that the board does not know.
        """
        after = self._after(cursor)
        parts = self._parts_after(after)
        if not parts:
            return None
        return {
            "cursor": str(self.cursor),
            "html": "".join([part.html for part in parts]),
            "say": say or self.drawing.headline,
            "since": None if after < 0 else str(Cursor(self.epoch, after)),
            "title": self.drawing.title,
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
        if self._parts_after(self.pushed):
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
    """A whole board is its page's alone: it shares no beginning with others."""
    return Message("change", change, change["cursor"], OWN if change["since"] else ()) if change else None


def _ids(part: Part) -> list[str]:
    return [child.id for child in part.children] if part.children else []
