"""Time as everything here tells it: aware, UTC, milliseconds, and the same on all nodes.

Nodes share their database's clock. Where that runs on this machine (SQLite), or was not heard yet, it is
this machine's.
"""

import time
from datetime import UTC, datetime
from typing import NamedTuple

DRIFT = 1e-4  # seconds per second: the most by which two machines' seconds are taken to differ


class Span(NamedTuple):
    """`low` to `high`, in seconds: what to add to this process's monotonic clock, as heard at `at` on it."""

    low: float
    high: float
    at: float

    def widened(self, moment: float) -> "Span":
        """What is left of it by then: the two clocks drift apart."""
        more = DRIFT * (moment - self.at)
        return Span(self.low - more, self.high + more, moment)


class Clock:
    """Another machine's clock, followed by this process's monotonic one in between.

    Its answers take their time, so each leaves a doubt of that much. The least doubtful counts, until a newer
    one is as good, or contradicts it: then that clock was set.
    """

    def __init__(self) -> None:
        self._span: Span | None = None

    def now(self) -> datetime:
        span = self._span
        if span is None:
            return datetime.now(UTC)
        return datetime.fromtimestamp(time.monotonic() + (span.low + span.high) / 2, UTC)

    def hear(self, moment: datetime, asked: float, answered: float) -> None:
        """It said so in answer to a question; both times by the monotonic clock."""
        said = moment.timestamp()
        new = Span(said - answered, said - asked, answered)
        old = self._span and self._span.widened(answered)
        better = old is None or new.high - new.low <= old.high - old.low
        if better or old and (new.high < old.low or old.high < new.low):
            self._span = new


_shared = Clock()
now = _shared.now
hear = _shared.hear


def iso(moment: datetime | None) -> str | None:
    """`2026-11-22T14:05:00.000Z`, the form of every timestamp on the wire (ISO 8601)."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
