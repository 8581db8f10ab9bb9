"""What this process counted since it started, for /metrics. Plain numbers: to count costs an addition.

They only grow, and belong to the process: what an organization is told of itself is in tally.py.
"""

from bisect import bisect_left
from collections import Counter

MEMORY, DATABASE, BOARD, RESET = "memory", "database", "board", "reset"

replays: dict[str, int] = {MEMORY: 0, DATABASE: 0, BOARD: 0, RESET: 0}
"""Answers to clients that named a position, by where what they had missed came from.

`board`: the parts of an HTML view that had changed. `reset`: too far back, so they start over.
"""

joins: Counter[str] = Counter({"websocket": 0, "polling": 0, "sse": 0})
"""Seats that were taken, by transport. A held poll is none: it is taken anew every 25 seconds."""

LAGS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Upper bounds in seconds of the buckets of `lag.buckets`; one more is for all above."""


class Lag:
    """Seconds from a commit (by the clock that all nodes share) until its line was told to its rooms.

    `buckets[n]` counts those of at most LAGS[n] that no smaller bucket took; `total` is the sum in seconds.
    """

    __slots__ = ("buckets", "count", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(LAGS) + 1)
        self.count = 0
        self.total = 0.0


lag = Lag()


def lagged(seconds: float) -> None:
    """One line of a log was told to whoever listens here, so long after its commit."""
    seconds = max(0.0, seconds)  # nodes know that clock to a few milliseconds
    lag.buckets[bisect_left(LAGS, seconds)] += 1
    lag.count += 1
    lag.total += seconds
