"""The last lines of an organization's log, kept so that most replays never touch the database."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import takewhile

from sqlalchemy.orm import Session

from . import feed
from .feed import Line

REMEMBERED = 1000


class Memory:
    """Every line after `floor`, as the log has it now."""

    def __init__(self, floor: int, size: int = REMEMBERED) -> None:
        self._size = size
        self._lines: deque[Line] = deque(maxlen=size)
        self.floor = floor
        self.recalled = False

    def add(self, line: Line) -> None:
        if len(self._lines) == self._lines.maxlen:
            self.floor = self._lines[0].seq
        self._lines.append(line)

    @property
    def reach(self) -> int:
        """Where the lines would begin that there is room for before those at hand."""
        return max(0, self.floor - (self._size - len(self._lines)))

    def recall(self, lines: Iterable[Line], floor: int) -> None:
        """These come before those at hand, and all after `floor` is among them: from before this process."""
        self._lines.extendleft(reversed(list(lines)))
        self.floor, self.recalled = floor, True

    def after(self, seq: int) -> Iterator[Line]:
        """Those after this one, in order; found from the end, for it is the end that most ask for."""
        newer = list(takewhile(lambda line: line.seq > seq, reversed(self._lines)))
        return reversed(newer)

    def clear(self, floor: int) -> None:
        """The log starts anew here."""
        self._lines.clear()
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
        self._lines = deque((fresh.get(line.seq, line) for line in self._lines), self._lines.maxlen)

    def _last_of(self, subjects: set[str]) -> list[Line]:
        """The newest line about each of these."""
        found: dict[str, Line] = {}
        for line in reversed(self._lines):
            if len(found) == len(subjects):
                break
            if line.subject in subjects:
                found.setdefault(line.subject, line)
        return list(found.values())
