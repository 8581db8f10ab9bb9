"""The poller: all wires on one epoll descriptor, with one watcher of gevent's loop.

Readers run in gevent's hub, writers queue, and the poller writes in slices, so that requests go on beside a
message to ten thousand.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from gevent import monkey

from . import traffic
from .wire import IN, OUT, Wire, close
from .workers import Workers

SLICE = 0.003  # seconds at most that others wait for a turn of ours
BATCH = 32  # wires between two looks at the time
URGENT = 8 | 16  # epoll's bits for an error, and for being hung up

Batches = deque[list[Wire]]


class Poller:
    """All wires of this process. `patience`: seconds that a peer may take nothing before it is cut."""

    def __init__(self, clock: Any, patience: float) -> None:
        self.clock, self.patience = clock, patience
        self.wires: dict[int, Wire] = {}
        self._epoll = monkey.get_original("select", "epoll")()
        self._ready: Batches = deque()  # have something of their own to send: an answer, a ping
        self._crowd: Batches = deque()  # have what everybody is sent, and so can wait a little longer
        self._workers = Workers()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._rung = False
        self._epoll.register(self._bell, IN)
        self._watcher = gevent.get_hub().loop.io(self._epoll.fileno(), 1)
        self._watcher.start(self._turn)

    def add(self, fd: int, reader: Any, max_pieces: int) -> Wire:
        """Serve this non-blocking descriptor from now on."""
        wire = self.wires[fd] = Wire(self, fd, reader, max_pieces)
        self._epoll.register(fd, IN)
        return wire

    def watch(self, wire: Wire, events: int) -> None:
        if wire.fd >= 0:
            self._epoll.modify(wire.fd, events)

    def forget(self, wire: Wire) -> None:
        del self.wires[wire.fd]
        self._epoll.unregister(wire.fd)

    def is_ready(self, wire: Wire) -> None:
        """This one has something to send."""
        if self._ready and len(self._ready[-1]) < BATCH:
            self._ready[-1].append(wire)
        else:
            self._ready.append([wire])
        self._ring()

    def are_ready(self, wires: list[Wire]) -> None:
        """All of these have the same to send."""
        self._crowd.extend(wires[i : i + BATCH] for i in range(0, len(wires), BATCH))
        self._ring()

    def run(self, function: Callable[..., None], *arguments: Any) -> None:
        """Run what may block, soon; when a crowd comes, others have turns too."""
        self._workers.run(function, *arguments)
        self._ring()

    def _ring(self):
        if not self._rung:
            self._rung = True
            os.eventfd_write(self._bell, 1)

    def drain(self, seconds: float) -> None:
        """Finish every connection, and wait until all that was queued has left, or the time is over."""
        deadline = time.monotonic() + seconds
        for wire in list(self.wires.values()):
            wire.finish()
        while any(wire.unsent for wire in self.wires.values()) and time.monotonic() < deadline:
            gevent.sleep(0.01)

    def close(self) -> None:
        for wire in list(self.wires.values()):
            wire.cut()
        self._watcher.stop()
        self._watcher.close()
        self._epoll.close()
        close(self._bell)

    def _turn(self) -> None:
        """One turn in gevent's loop: read, then write, each for a slice of time at most.

        What is left stays readable, and the bell stays rung: the loop comes back after everybody else's turn.
        """
        self._read()
        if self._rung:
            self._workers.begin(SLICE)
            self._flush(self._ready)
            self._flush(self._crowd)
            if not (self._ready or self._crowd or self._workers.waiting):
                self._rung = False
                os.eventfd_read(self._bell)

    def _read(self):
        """From who has waited longest, a few at a time: epoll puts those that it names behind all others."""
        deadline = time.monotonic() + SLICE
        while found := self._epoll.poll(0, BATCH):
            for fd, events in found:
                wire = self.wires.get(fd)
                if wire is not None:
                    self._attend(wire, events)
            if len(found) < BATCH or time.monotonic() > deadline:
                return

    def _attend(self, wire, events):
        try:
            if events & URGENT and wire.paused:
                wire.hung_up()
            elif events & ~OUT:
                wire.readable()  # first: an error tells why, and then nothing is writable
            if events & OUT and wire.fd >= 0:
                wire.writable()
        except Exception:
            traffic.log.exception("a connection failed")
            wire.cut()

    def _flush(self, batches):
        """Write to those at the head of this queue, for a slice of time at most."""
        write, deadline = os.write, time.monotonic() + SLICE
        while batches:
            for wire in batches.popleft():
                data = wire.unsent
                try:  # the common case, without a call: one piece, and it fits
                    sent = write(wire.fd, data)
                except (BlockingIOError, TypeError):  # it does not fit; it is none or several; it was cut
                    wire.flush()
                    continue
                except OSError as error:
                    wire.fail(error)
                    continue
                if sent == len(data):
                    wire.unsent = None
                else:
                    wire.unsent = [data[sent:]]
                    wire.settle()
            if time.monotonic() > deadline:
                return


def spread(message: Any, connections: Iterable[Any]) -> list[Any]:
    """Queue a message to all of these at once, as send() would to each; returns those without a wire.

    A connection has an `outlet`, which has a `wire`, or None, and the `form` in which it takes a message: the
    name of the attribute with its bytes, made once for all. Nothing here yields. The loop is most of what a
    broadcast costs before it is answered, so it calls nothing.
    """
    forms: dict[str, bytes] = {}
    ready: list[Wire] = []
    others = []
    for connection in connections:
        outlet = connection.outlet
        wire = outlet.wire
        if wire is None:
            others.append(connection)
            continue
        data = forms.get(outlet.form)
        if data is None:
            data = forms[outlet.form] = getattr(message, outlet.form)
        if wire.unsent is None and wire.fd >= 0 and not wire.finishing:
            wire.unsent = data
            ready.append(wire)
        else:
            wire.send(data)
    if ready:
        ready[0].poller.are_ready(ready)
    return others


def written(message: Any, connections: Iterable[Any]) -> tuple[int, list[Any]]:
    """To how many of these, who were told by spread() or one by one, it was written; and who still waits.

    Who went away before this look is neither. A polling client has what was put into the answer to it.
    """
    done = 0
    waiting = []
    for connection in connections:
        outlet = connection.outlet
        wire = outlet.wire
        if wire is not None and wire.unsent is None and wire.fd >= 0:  # as with nearly all of them
            done += 1
            continue
        owed = outlet.owes(message)
        if owed:
            waiting.append(connection)
        elif owed is not None:
            done += 1
    return done, waiting
