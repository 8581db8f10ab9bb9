"""Tally: what an organization's audience here did, and how far each line got. Counted, not yet written.

A message costs one addition for all who hear it. The ledger takes what was counted every two seconds.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from datetime import datetime

from ..clock import now
from ..models.event import BROADCAST
from ..models.scope import Scope
from . import counts
from .feed import Line

REACHING = ("incident-update", "service-update")  # lines whose reach is worth knowing
SOON = (1.0, 10.0, 60.0)  # seconds
RECENT = 20  # lines that a client who comes back is counted for: it bounds what a return costs


class Reach:
    """To how many connections a line was written within 1, 10 and 60 seconds, since the ledger last asked."""

    __slots__ = ("at", "name", "new", "seq", "subject", "tenant_id")

    def __init__(self, line: Line) -> None:
        self.seq, self.tenant_id = line.seq, line.tenant_id
        self.name, self.subject, self.at = line.name, line.subject, line.created_at
        self.new = [0, 0, 0]

    def add(self, listeners: int, moment: datetime) -> None:
        age = (moment - self.at).total_seconds()
        for index, bound in enumerate(SOON):
            if age <= bound:
                self.new[index] += listeners


class Tally:
    """`figures` counts by tenant ("" for the organization's own page) and by name."""

    def __init__(self) -> None:
        self.figures: Counter[tuple[str, str]] = Counter()
        self._recent: deque[Reach] = deque(maxlen=RECENT)
        self._counted: dict[int, Reach] = {}

    def told(self, line: Line, listeners: int) -> None:
        """A data room heard the line."""
        if line.name in REACHING and line.type != BROADCAST and listeners:
            self._reach_of(line).add(listeners, now())

    def pushed(self, lines: Iterable[Line], listeners: int) -> None:
        """A board's room heard what these lines changed."""
        for line in lines:
            self.told(line, listeners)

    def entered(self, scope: Scope, transport: str, source: str | None, after: int | None) -> None:
        """A seat was taken. `source` of what was replayed to it after this position, if anything was.

        Not of a held poll: it comes back all the time.
        """
        if transport == "poll":
            return
        tenant = scope.tenant_id or ""
        counts.joins[transport] += 1
        self.figures[tenant, "joins"] += 1
        if source:
            self.figures[tenant, "returns"] += 1
            self.replayed(scope, source)
        if after is not None and self._recent and self._recent[-1].seq > after:
            self._caught_up(scope, after)

    def replayed(self, scope: Scope, source: str) -> None:
        """A client that named a position got what it had missed."""
        counts.replays[source] += 1
        self.figures[scope.tenant_id or "", f"replays.{source}"] += 1

    def take(self) -> tuple[dict[tuple[str, str], int], list[Reach]]:
        """What was counted since the last time."""
        figures, self.figures = self.figures, Counter()
        reached, self._counted = self._counted, {}
        taken = []
        for reach in reached.values():
            once = Reach.__new__(Reach)
            for name in ("at", "name", "seq", "subject", "tenant_id", "new"):
                setattr(once, name, getattr(reach, name))
            reach.new = [0, 0, 0]
            taken.append(once)
        return dict(figures), taken

    def _reach_of(self, line: Line) -> Reach:
        for reach in reversed(self._recent):
            if reach.seq == line.seq:
                break
        else:
            reach = Reach(line)
            self._recent.append(reach)
        return self._counted.setdefault(line.seq, reach)

    def _caught_up(self, scope: Scope, after: int) -> None:
        moment = now()
        for reach in reversed(self._recent):
            if reach.seq <= after:
                break
            if scope.shows(reach.tenant_id):
                self._counted.setdefault(reach.seq, reach).add(1, moment)
