"""The last lines of an organization's log, kept so that most replays never touch the database."""

from collections import deque
from collections.abc import Iterable, Iterator

from sqlalchemy.orm import Session

from . import feed
from .feed import Line

REMEMBERED = 1000


class Memory:
    """Every line after `floor`, as the log has it now."""

    def __init__(self, floor: int, size: int = REMEMBERED) -> None:
        self._lines: deque[Line] = deque(maxlen=size)
        self.floor = floor

    def add(self, line: Line) -> None:
        if len(self._lines) == self._lines.maxlen:
            self.floor = self._lines[0].seq
        self._lines.append(line)

    def after(self, seq: int) -> Iterator[Line]:
        return (line for line in self._lines if line.seq > seq)

    def clear(self, floor: int) -> None:
        """The log starts anew here."""
        self._lines.clear()
        self.floor = floor

    def forget(self, session: Session, news: Iterable[Line]) -> None:
        """What these lines say was edited or deleted is blank in the log now: read it again."""
        news = list(news)
        edited = {line.subject for line in news if line.type in ("updated", "deleted")}
        gone = {line.subject for line in news if line.type == "tenant-deleted"}
        stale = [line for line in self._lines if line.subject in edited or line.tenant_id in gone]
        if stale:
            now = feed.reread(session, stale)
            self._lines = deque((now.get(line.seq, line) for line in self._lines), self._lines.maxlen)
