"""Workers: greenlets that run what may block, one thing after the other, and one more for each that waits.

A greenlet for each thing would cost more than most of what a client asks.
"""

import sys
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any

import gevent
from greenlet import GreenletExit, getcurrent, greenlet


class Workers:
    """`run()` from anywhere; `begin()` from gevent's hub, over and over as long as something is `waiting`."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Any, ...]] = deque()  # functions that have not begun, with their arguments
        self._idle: Any = None  # a worker with nothing to do; one is kept

    def run(self, function: Callable[..., None], *arguments: Any) -> None:
        """Run it soon, in its turn; it handles its own errors."""
        self.waiting.append((function, *arguments))

    def begin(self, seconds: float) -> None:
        """Run what waits, in its order, for so long; what blocks goes on by itself when it can."""
        deadline = time.monotonic() + seconds
        while self.waiting:
            worker, self._idle = self._idle or greenlet(self._work, gevent.get_hub()), None
            worker.switch(deadline)  # back here when it is out of work or time, or blocks
            if time.monotonic() >= deadline:
                return

    def _work(self, deadline):
        hub = gevent.get_hub()
        while True:
            while self.waiting and time.monotonic() < deadline:
                function, *arguments = self.waiting.popleft()
                try:
                    Context().run(function, *arguments)  # what one sets, the next does not find
                except GreenletExit:  # it was killed where it waited: what is next is not for it
                    return
                except BaseException:  # in the hub it would end the poller
                    hub.handle_error(function, *sys.exc_info())
            if self._idle:
                return
            self._idle = getcurrent()
            deadline = hub.switch()
