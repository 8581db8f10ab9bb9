"""Reach: to how many connections a line of the log was written, and how soon after its commit.

To tell a line costs nothing for it: the list of those who were told is kept until a look at their wires.
A wire that holds the message's bytes no more has written them. Who still waits is looked at again.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right

from . import transport
from .audience import Connection
from .feed import Line
from .message import Message

SOON = (1.0, 10.0, 60.0)  # seconds after the commit
LOOKS = (0.25, 0.5, 0.75, 0.95, 2.0, 5.0, 9.8, 20.0, 40.0, 59.5)  # seconds after it: just before each of SOON
SLICE = 1000  # connections that are looked at, in about 0.2 ms, until others have their turn


class Reach:
    """Of one line. `new`: connections it was written to within 1, 10 and 60 seconds, since take()."""

    __slots__ = ("_adding", "_looks", "_waiting", "line", "new")

    def __init__(self, line: Line) -> None:
        self.line = line
        self.new = [0, 0, 0]
        self._waiting: dict[Message, list[Connection]] = {}
        self._looks = 0  # how many of LOOKS are over
        self._adding = threading.Lock()

    def tell(self, message: Message, connections: list[Connection]) -> None:
        """These were told by this message. The list is kept, and grows."""
        if known := self._waiting.get(message):
            known += connections
        else:
            self._waiting[message] = connections

    def tell_one(self, message: Message, connection: Connection) -> None:
        """So was this one, which came back for it."""
        self._waiting.setdefault(message, []).append(connection)

    def add(self, number: int, age: float) -> None:
        """It was written to so many at this age: seconds since the commit."""
        with self._adding:
            for index in range(bisect_left(SOON, age), len(SOON)):
                self.new[index] += number

    def look(self, age: float) -> None:
        """At this age, see to whom it was written; once for each of LOOKS."""
        over = bisect_right(LOOKS, age)
        if over == self._looks:
            return
        self._looks, waiting, self._waiting = over, self._waiting, {}
        for message, connections in waiting.items():
            for start in range(0, len(connections), SLICE):
                if start:
                    time.sleep(0)
                written, behind = transport.written(message, connections[start : start + SLICE])
                self.add(written, age)
                if behind:
                    self.tell(message, behind)

    def take(self) -> list[int]:
        """What `new` was: it is counted once."""
        with self._adding:
            taken, self.new = self.new, [0, 0, 0]
            return taken
