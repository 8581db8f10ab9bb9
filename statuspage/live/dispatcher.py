"""The dispatcher, one per process: on a doorbell, or four times a second, brings channels forward."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from flask import Flask

from ..database import end_session, note_failure
from .hub import Hub

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25  # a lost ring costs this much and nothing else
RARER = 1.5  # heads to those that are pinged: no proxy takes their connection for dead


class Dispatcher:
    def __init__(self, app: Flask, hub: Hub, head_interval: float) -> None:
        self._app = app
        self._hub = hub
        self._rung: set[str] = set()
        self._bell = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._turns = (
            (LOOK_SECONDS, self._look),
            (head_interval, lambda: self._hub.send_heads(("sse", "poll"))),
            (head_interval * RARER, lambda: self._hub.send_heads(("websocket", "polling"))),
        )
        self._due = {step: 0.0 for _, step in self._turns}

    def ring(self, organization_id: str) -> None:
        """The doorbell: look at this organization now. Never blocks, never fails."""
        self._hub.ring(organization_id)
        self._rung.add(organization_id)
        self._bell.set()

    def start(self) -> None:
        """Start once per process, with the first question to the hub."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        with self._app.app_context():
            while True:
                self.turn()

    def turn(self) -> None:
        """Do what is due, then wait for a ring until something is, and answer it."""
        for seconds, step in self._turns:
            if time.monotonic() >= self._due[step]:
                self._due[step] = time.monotonic() + seconds
                self._attempt(step)
        if self._bell.wait(max(0.0, min(self._due.values()) - time.monotonic())):
            self._answer()

    def _attempt(self, step: Callable[..., None], *arguments: str) -> None:
        """A database that is away for a while must not end the dispatcher: it looks again soon."""
        try:
            step(*arguments)
        except Exception as error:
            note_failure(log, error, "The live dispatcher met an error and goes on")
        finally:
            end_session()

    def _answer(self) -> None:
        """Those who rang so far. Who rings meanwhile is next: a busy day must not keep it from looking."""
        self._bell.clear()
        for _ in range(len(self._rung)):
            self._attempt(self._hub.advance, self._rung.pop())

    def _look(self) -> None:
        try:
            for organization_id in self._hub.behind():
                self._attempt(self._hub.advance, organization_id)
        finally:
            self._hub.upkeep()
