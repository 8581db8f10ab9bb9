"""Tally: what an organization's audience here did, and how far each line got. Counted, not yet written.

A message costs no more for those who hear it. The ledger takes what was counted every two seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from ..clock import now
from ..models import figure
from ..models.event import BROADCAST
from ..models.scope import Scope
from . import counts
from .audience import Connection, Seat
from .feed import Line
from .message import Message
from .reach import SOON, Reach
from .views import DATA

REACHING = ("incident-update", "service-update")  # lines whose reach is worth knowing
YOUNG = 1000  # lines of the last minute that are looked after
RECENT = 20  # of them, those that a client who comes back is counted for: it bounds what a return costs


class Tally:
    """`figures` counts by page (a tenant, "" for the organization's own, "*" for all at once) and by name."""

    def __init__(self) -> None:
        self.figures: Counter[tuple[str, str]] = Counter()
        self.on_heard: Callable[[], None] = lambda: None  # hears that there is something to look after
        self._young: dict[int, Reach] = {}  # by the lines' numbers, the oldest first

    # --- how far a line gets ---------------------------------------------------------------------------

    def heard(self, line: Line) -> None:
        """A line of the log, whether or not somebody listens: who comes back is told of it."""
        if line.name in REACHING and line.type != BROADCAST:
            self._young.pop(line.seq, None)  # of an earlier epoch
            self._young[line.seq] = Reach(line)
            if len(self._young) > YOUNG:
                del self._young[next(iter(self._young))]
            self.on_heard()

    def told(self, line: Line, message: Message, connections: list[Connection]) -> None:
        """A room was told of the line, by this message."""
        if reach := self._young.get(line.seq):
            reach.tell(message, connections)

    def look(self) -> bool:
        """See to whom the lines of the last minute were written by now; whether to look again soon."""
        moment = now()
        for seq, reach in list(self._young.items()):
            age = (moment - reach.line.created_at).total_seconds()
            reach.look(age)
            if age > SOON[-1] and not any(reach.new) and self._young.get(seq) is reach:
                del self._young[seq]
        return bool(self._young)

    def take(self) -> tuple[dict[tuple[str, str], int], list[tuple[Line, list[int]]]]:
        """What was counted since the last time: figures; and lines, with Reach.new."""
        figures, self.figures = self.figures, Counter()
        reached = [(reach.line, reach.take()) for reach in list(self._young.values())]
        return dict(figures), [(line, new) for line, new in reached if any(new)]

    # --- who comes, and comes back ---------------------------------------------------------------------

    def entered(
        self, seat: Seat, source: str | None, after: int | None, change: Message | None, again: bool
    ) -> None:
        """A seat was taken, by somebody who was there before (`again`).

        `source` of what was replayed to it after this position, if anything was: a board's `change`, or
        else lines. Not of a held poll: it comes back all the time.
        """
        if seat.connection.transport == "poll":
            return
        page = page_of(seat.scope)
        again = again or (seat.view == DATA and source is not None)  # a program's position is one it was at
        counts.joins[seat.connection.transport] += 1
        self.figures[page, "joins"] += 1
        if again:
            self.figures[page, "returns"] += 1
        if source and again:
            self.replayed(seat.scope, source)
        elif source:  # a page from a cache brings a position that nobody was at
            counts.replays[source] += 1
        for reach in self._missed(seat.scope, after):
            line = reach.line
            room = seat.scope.room if seat.scope.whole or seat.view != DATA else line.room
            reach.tell_one(change or line.message_for(room), seat.connection)

    def replayed(self, scope: Scope, source: str) -> None:
        """A client that named a position got what it had missed."""
        counts.replays[source] += 1
        self.figures[page_of(scope), f"replays.{source}"] += 1

    def answered(self, scope: Scope, after: int) -> None:
        """A poll was answered at once with what came after this position."""
        moment = now()
        for reach in self._missed(scope, after):
            reach.add(1, (moment - reach.line.created_at).total_seconds())

    def _missed(self, scope: Scope, after: int | None) -> Iterator[Reach]:
        """The newest lines of the scope after this position."""
        if after is None:
            return
        for reach in list(self._young.values())[: -RECENT - 1 : -1]:
            if reach.line.seq <= after:
                return
            if scope.shows(reach.line.tenant_id):
                yield reach


def page_of(scope: Scope) -> str:
    """What a figure of this scope is counted under."""
    return figure.ALL if scope.whole else scope.tenant_id or ""
