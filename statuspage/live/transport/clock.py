"""One clock for everything that happens later: pings, patience, expiry.

Equal delays make a queue a sorted list: what is asked for later comes later. So each delay has a queue, and
the clock looks at the heads only. Nothing is ever taken out: who no longer needs a call ignores it.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from . import traffic

LONGEST = 60.0  # seconds between two looks
SHARE, MOST = 20, 0.25  # what is due waits for more, a twentieth of its delay: a thousand pings are one turn


class Clock:
    """Calls functions later. `event` and `start` make an event, and a task, of the server's kind."""

    def __init__(self, start: Callable[..., Any], event: Callable[[], Any]) -> None:
        self._start, self._wake = start, event()
        self._queues: dict[float, deque[tuple[Any, ...]]] = {}
        self._next = 0.0  # when the clock looks again; 0: it does not run
        self._stopped = False

    def after(self, seconds: float, function: Callable[..., None], *arguments: Any) -> None:
        """Call it so many seconds from now, in the clock's own task; it must not block."""
        due = time.monotonic() + seconds
        latest = due + min(MOST, seconds / SHARE)
        queue = self._queues.get(seconds)
        if queue is None:
            queue = self._queues.setdefault(seconds, deque())  # of several threads one makes it
        queue.append((due, function, *arguments))
        if not self._next:
            self._next = latest
            self._start(self._run)
        elif latest < self._next:
            self._wake.set()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    def _run(self):
        while not self._stopped:
            self._wake.clear()
            self._next = math.inf  # who comes with a call while the queues are looked at wakes the clock
            now = time.monotonic()
            dues = [q[0][0] + min(MOST, delay / SHARE) for delay, q in list(self._queues.items()) if q]
            self._next = min(dues, default=now + LONGEST)
            if self._next > now:
                self._wake.wait(self._next - now)
            self._ring(time.monotonic())

    def _ring(self, now):
        for queue in list(self._queues.values()):
            while queue and queue[0][0] <= now:
                _, function, *arguments = queue.popleft()
                try:
                    function(*arguments)
                except Exception:
                    traffic.log.exception("what was due failed")
