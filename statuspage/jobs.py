"""Jobs: what must happen once, on whichever node lives. A thread in each process does what it can claim.

Another one says that this node lives: see models/node.py.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask

from .database import end_session, new_id, note_failure, transaction
from .models import connection, job, node

log = logging.getLogger(__name__)

TICK_SECONDS = 2.0


@dataclass(frozen=True)
class Work:
    """`run(keep)` does it. It calls keep() between its transactions, and stops when that says False."""

    name: str
    every: float  # seconds
    run: Callable[[Callable[[], bool]], None]


class Jobs:
    """This node's jobs. `add` what is to be done, then `start`."""

    def __init__(self, app: Flask) -> None:
        self.node = new_id()
        self._app, self._name = app, app.config["NODE_NAME"]
        self._works: dict[str, Work] = {}
        self._over = threading.Event()
        self._starting = threading.Lock()
        self._started = False
        self._speaking = threading.Lock()  # a beat under way must not come after the last word
        self._known = threading.Event()  # the others know that this node is there

    def add(self, name: str, every: float, run: Callable[[Callable[[], bool]], None]) -> None:
        """Do this every so many seconds, on one node at a time."""
        self._works[name] = Work(name, every, run)

    def start(self) -> None:
        """Start once per process."""
        with self._starting:
            if not self._started:
                self._started = True
                with self._app.app_context():
                    pace = node.beat_seconds()
                turns = (("beat", self.beat, pace), ("jobs", self._tick_when_known, TICK_SECONDS))
                for name, turn, seconds in turns:
                    threading.Thread(target=self._run, args=(turn, seconds), name=name, daemon=True).start()

    def stop(self) -> None:
        """Begin nothing more, and tell the others that this node is gone."""
        self._over.set()
        if self._started:
            with self._app.app_context(), self._speaking:
                self._attempt("leave", lambda: self._say(lambda: node.leave(self.node)))

    def beat(self) -> None:
        """Say that this node lives."""
        with self._speaking:
            if not self._over.is_set():
                self._attempt("beat", self._beat)

    def tick(self) -> None:
        """Do what is due and not claimed."""
        if not self._works:
            return
        due: list[str] = []
        self._attempt("due", lambda: due.extend(job.due(list(self._works))))
        for name in due:
            if not self._over.is_set():
                self._attempt(name, lambda name=name: self._do(self._works[name]))  # type: ignore[misc]

    def _run(self, turn: Callable[[], None], seconds: float) -> None:
        with self._app.app_context():
            while not self._over.is_set():
                turn()
                self._over.wait(seconds)

    def _tick_when_known(self) -> None:
        """What a node claims that the others do not know is free."""
        if self._known.wait(TICK_SECONDS):
            self.tick()

    def _beat(self) -> None:
        self._say(self._live)
        self._known.set()

    def _live(self) -> None:
        say = node.beat if self._known.is_set() else node.arrive
        if say(self.node, self._name):
            connection.revive(self.node)
        job.free_of_the_dead()

    def _do(self, work: Work) -> None:
        if job.claim(work.name, self.node):
            work.run(lambda: self._keep(work))
            job.done(work.name, self.node, 0 if self._over.is_set() else work.every)  # cut short: still due

    def _keep(self, work: Work) -> bool:
        with transaction():
            return not self._over.is_set() and job.keep(work.name, self.node)

    def _say(self, words: Callable[[], object]) -> None:
        """However many wait to write: the others would take this node for dead."""
        with transaction(urgent=True):
            words()

    def _attempt(self, name: str, step: Callable[[], None]) -> None:
        """What fails is tried again when its claim has run out; the others go on."""
        try:
            step()
        except Exception as error:
            note_failure(log, error, "The job %s met an error", name)
        finally:
            end_session()
