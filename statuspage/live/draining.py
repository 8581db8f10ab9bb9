"""Before a process stops its clients leave, each at a moment of its own, and none is cut off."""

import math
import random
import time
from collections.abc import Callable, Collection

from .audience import Connection, tell
from .hub import Hub
from .message import Message

DRAIN_SECONDS = 5.0  # for a crowd
STEP_SECONDS = 0.1  # a few clients need no more than one step each


def drain(hub: Hub, is_alone: Callable[[], bool]) -> None:
    """Let every client go. Returns after DRAIN_SECONDS at most, beside what the question takes.

    To other nodes they go in random order, a part of them with every step, and may come back at once; until
    its turn each hears everything. Who comes meanwhile goes with the rest. Where there is no other node all
    go now, to come back within DRAIN_SECONDS: the successor can begin only when this one has ended.
    """
    hub.draining = True
    if is_alone():
        _let_go(hub.connections(), DRAIN_SECONDS)
        return
    steps = min(round(DRAIN_SECONDS / STEP_SECONDS), len(hub.connections()))
    for left in range(steps, 0, -1):
        here = list(hub.connections())
        _let_go(random.sample(here, math.ceil(len(here) / left)), 0)
        if left > 1:
            time.sleep(STEP_SECONDS)


def _let_go(connections: Collection[Connection], delay: float) -> None:
    """Ask these to come back within so many seconds, and end them."""
    tell(connections, Message("drain", {"delay": delay}))
    for connection in connections:
        connection.let_go()
