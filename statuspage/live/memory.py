"""The last lines of an organization's log, kept so that most replays never touch the database."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import takewhile

from sqlalchemy.orm import Session

from . import feed
from .feed import Line

REMEMBERED = 1000  # lines
REMEMBERED_SIZE = 8 << 20
"""Of all of them together, see Line.size: a line may carry an incident with all that was said in it."""


class Memory:
    """Every line after `floor`, as the log has it now: the last ones, as many as there is room for."""

    def __init__(self, floor: int, most: int = REMEMBERED, largest: int = REMEMBERED_SIZE) -> None:
        self._most, self._largest = most, largest
        self._lines: deque[Line] = deque()
        self._size = 0
        self.floor = floor
        self.recalled = False

    def add(self, line: Line) -> None:
        self._lines.append(line)
        self._size += line.size
        while len(self._lines) > self._most or self._size > self._largest:
            oldest = self._lines.popleft()
            self._size -= oldest.size
            self.floor = oldest.seq

    @property
    def reach(self) -> int:
        """Where the lines would begin that there is room for before those at hand."""
        return max(0, self.floor - (self._most - len(self._lines)))

    def recall(self, older: Iterable[Line], floor: int) -> None:
        """Those before the ones at hand, back to `floor`, the newest first: from before this process."""
        self.recalled = True
        for line in older:
            if self._size + line.size > self._largest:
                self.floor = line.seq
                return
            self._lines.appendleft(line)
            self._size += line.size
        self.floor = floor

    def after(self, seq: int) -> Iterator[Line]:
        """Those after this one, in order; found from the end, for it is the end that most ask for."""
        newer = list(takewhile(lambda line: line.seq > seq, reversed(self._lines)))
        return reversed(newer)

    def clear(self, floor: int) -> None:
        """The log starts anew here."""
        self._lines.clear()
        self._size = 0
        self.floor, self.recalled = floor, False

    def forget(self, session: Session, news: Iterable[Line]) -> None:
        """What these lines say was edited or deleted may be blank in the log now: look, and read it again.

        An edit blanks all older lines of its subject or none, so the last one of them tells.
        """
        news = list(news)
        edited = {line.subject for line in news if line.type in ("updated", "deleted")}
        gone = {line.subject for line in news if line.type == "tenant-deleted"}
        last = self._last_of(edited)
        now = feed.reread(session, last)
        blanked = {line.subject for line, was in zip(now, last, strict=True) if line.data != was.data}
        if not blanked and not gone:
            return
        stale = [line for line in self._lines if line.subject in blanked or line.tenant_id in gone]
        fresh = {line.seq: line for line in feed.reread(session, stale)}
        self._lines = deque(fresh.get(line.seq, line) for line in self._lines)
        self._size = sum(line.size for line in self._lines)

    def _last_of(self, subjects: set[str]) -> list[Line]:
        """The newest line about each of these."""
        found: dict[str, Line] = {}
        for line in reversed(self._lines):
            if len(found) == len(subjects):
                break
            if line.subject in subjects:
                found.setdefault(line.subject, line)
        return list(found.values())
