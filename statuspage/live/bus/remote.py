"""Between processes: two tasks on one link, a sender and a receiver, which come back by themselves.

The sender also rings for nobody every few seconds. Who does not hear that either has lost the link, however
alive its connection looks, and makes a new one.
"""

import logging
import random
import secrets
import threading
import time
from collections.abc import Callable
from typing import Protocol

from .local import LocalBus

log = logging.getLogger(__name__)

KEEP_ALIVE = 2.0  # seconds between two rings for nobody
SILENCE = 3 * KEEP_ALIVE  # after which the link is made anew
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds before the next try, doubled with each that fails


class Link(Protocol):
    """A connection to what all processes hear. Every method may raise whatever its driver raises."""

    def send(self, text: str) -> None:
        """Tell all processes, this one too."""

    def receive(self, seconds: float) -> list[str]:
        """What was said; wait for so many seconds at most."""

    def close(self) -> None: ...


class RemoteBus(LocalBus):
    """Rings here at once, and elsewhere over the link: what waits for it is a set, so it cannot grow."""

    def __init__(self, connect: Callable[[], Link]) -> None:
        super().__init__()
        self._connect = connect
        self._me = secrets.token_hex(4)
        self._starting, self._started, self._over = threading.Lock(), False, threading.Event()
        self._waiting: set[str] = set()
        self._bell = threading.Event()
        self._heard_at = time.monotonic()
        self.connections = 0
        """How many links were made; more than one were lost."""

    def ring(self, organization_id: str) -> None:
        super().ring(organization_id)
        if self._started:
            self._waiting.add(organization_id)
            self._bell.set()

    def start(self) -> None:
        with self._starting:
            if self._started:
                return
            self._started = True
            self._heard_at = time.monotonic()
        threading.Thread(target=self._run, name="doorbell", daemon=True).start()

    def stop(self) -> None:
        self._over.set()

    @property
    def age(self) -> float | None:
        return time.monotonic() - self._heard_at if self._started else None

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._over.is_set():
            begun = time.monotonic()
            try:
                self._serve(self._connect())
            except Exception as error:  # each driver has its own; none may end the doorbell
                log.warning("The doorbell is down, and is tried again: %s", type(error).__name__)
            heard = self._heard_at > begun  # a link that only looks good is made anew ever more slowly
            pause = FIRST_PAUSE if heard else min(2 * pause, LONGEST_PAUSE)
            self._over.wait(pause * random.uniform(0.5, 1))

    def _serve(self, link: Link) -> None:
        """Until it fails."""
        self.connections += 1
        linked_at = time.monotonic()
        over = threading.Event()
        sender = threading.Thread(target=self._send, args=(link, over), name="doorbell sender", daemon=True)
        sender.start()
        try:
            while not (over.is_set() or self._over.is_set()):
                for text in link.receive(KEEP_ALIVE):
                    self._hear(text)
                if time.monotonic() - max(self._heard_at, linked_at) > SILENCE:
                    raise TimeoutError
        finally:
            over.set()
            self._bell.set()
            link.close()

    def _hear(self, text: str) -> None:
        self._heard_at = time.monotonic()
        sender, _, organization_id = text.partition(" ")
        if organization_id and sender != self._me:
            super().ring(organization_id)

    def _send(self, link: Link, over: threading.Event) -> None:
        try:
            while not over.is_set():
                self._bell.clear()
                while self._waiting and not over.is_set():
                    self._pass_on(link)
                if not self._bell.wait(KEEP_ALIVE):
                    link.send(self._me)
        except Exception as error:
            log.warning("The doorbell does not take a ring: %s", type(error).__name__)
        finally:
            over.set()

    def _pass_on(self, link: Link) -> None:
        organization_id = self._waiting.pop()
        try:
            link.send(f"{self._me} {organization_id}")
        except BaseException:
            self._waiting.add(organization_id)  # for the next link
            raise
