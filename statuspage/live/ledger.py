"""The ledger, one per process: writes down who is connected and what was counted, every two seconds.

To come or to go costs an entry in a queue. No address is written: a visitor is a hash, salted by day.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask import Flask

from ..clock import now
from ..database import end_session, note_failure, transaction
from ..models import batch, connection, figure, node, reach, usage
from ..models.connection import Ending
from ..models.usage import Asked
from .audience import Seat
from .feed import Line
from .hub import Hub

log = logging.getLogger(__name__)

TURN_SECONDS = 2.0
LOOK_SECONDS = 0.1  # between two looks at how far the newest lines got, while there are any
BATCH = 100  # seats to one transaction: a thousand would keep everybody else waiting for 50 ms
PAUSE = 0.005  # seconds between two of them: with none, the event loop would not look at its sockets
LONGEST = 200_000  # seats that may wait while the database is away; then the oldest are forgotten
LAST_SECONDS, LAST_TIMES = 5.0, 2  # a process that stops waits no longer for a database that hangs


@dataclass(frozen=True)
class Numbers:
    """A batch of what was counted, and who was here as its minute began. It stays as it is until the database
    has it: see models/batch.py.
    """

    number: int
    minute: datetime
    counts: Counter[tuple[str, str, str]]
    levels: Counter[tuple[str, str, str]]
    reached: Sequence[dict[str, Any]]
    asked: Mapping[tuple[Asked, bool], int]

    def add(self) -> None:
        """To what all nodes counted, in a transaction(). Its minute may be rolled up: then to this one."""
        moment, late = now(), now() - self.minute > figure.LATE
        minute = figure.floor(moment, "minute") if late else self.minute
        figure.count(minute, self.counts if late else self.counts + self.levels)
        reach.write(self.reached)
        usage.count(minute, _by_endpoint(self.asked))


class Ledger:
    def __init__(self, app: Flask, hub: Hub, node_id: str) -> None:
        self.node = node_id
        self._app, self._hub = app, hub
        self._seats: deque[tuple[Seat, Ending | None, Any]] = deque(maxlen=LONGEST)  # as they came and went
        self._overflowed = False  # some of them were forgotten
        self._written = 0  # batches of them
        self._asked: Counter[tuple[Asked, bool]] = Counter()
        self._figures: Counter[tuple[str, str, str]] = Counter()
        self._reached: dict[tuple[str, int], dict[str, Any]] = {}
        self._batches = 0  # of numbers, that were begun
        self._unsure: Numbers | None = None  # the last of them, until it is known to be written
        self._salt: tuple[date | None, bytes] = (None, b"")
        self._minute = figure.floor(now(), "minute")  # the last one that the audience was counted in
        self._known = False  # whether the other nodes know this one
        self._writing = threading.Lock()
        self._started = False
        self._over = threading.Event()
        self._heard = threading.Event()

    # --- on the hot path: nothing but queues -------------------------------------------------------

    def came(self, seat: Seat) -> None:
        """A seat was taken."""
        self._seats.append((seat, None, getattr(seat.connection.outlet, "address", None)))

    def went(self, seat: Seat, ending: Ending) -> None:
        """A seat that was taken is left. At a stop the transports differ in what they say."""
        if self._hub.draining and ending is Ending.LEFT:
            ending = Ending.STOPPED
        elif not self._hub.draining and ending is Ending.STOPPED:
            ending = Ending.REFUSED  # this client alone was sent away
        self._seats.append((seat, ending, now()))

    def asked(self, asked: Asked, *, refused: bool) -> None:
        """A token asked the API something."""
        self._asked[asked, refused] += 1

    def heard(self) -> None:
        """There is a line whose reach is to be looked after."""
        self._heard.set()

    @property
    def waiting(self) -> int:
        """How many comings and goings are not written yet."""
        return len(self._seats)

    # --- beside it ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Start once per process."""
        with self._writing:
            if not self._started:
                self._started = True
                # Whom it replaces counted in this minute; the next one begins in its sight.
                self._minute = figure.floor(now(), "minute")
                for run, name in ((self._run, "ledger"), (self._look, "reach")):
                    threading.Thread(target=run, name=name, daemon=True).start()

    def _run(self) -> None:
        while not self._over.wait(TURN_SECONDS):
            self.write()

    def _look(self) -> None:
        """While there is anything to look after; else it sleeps, for a machine that idles for weeks."""
        while self._heard.wait() and not self._over.wait(LOOK_SECONDS):
            self._heard.clear()
            try:
                for channel in list(self._hub.channels.values()):
                    if channel.tally.look():
                        self._heard.set()
            except Exception:
                log.exception("How far a line got is not known")
                self._heard.set()

    def close(self) -> None:
        """Write the last: everybody has gone."""
        self._over.set()
        self._heard.set()
        last = threading.Thread(target=self._write_the_last, daemon=True)
        last.start()
        for _ in range(LAST_TIMES):
            written = self._written
            last.join(LAST_SECONDS)
            if not last.is_alive():
                return
            if self._written == written:
                break
        log.warning("The database is too slow: who was connected last is not written down")

    def _write_the_last(self) -> None:
        self.write()
        if self._seats:  # who left meanwhile
            self.write()

    def write(self) -> None:
        """Write down what came in since the last time; what cannot be written now waits."""
        with self._writing, self._app.app_context():
            try:
                self._introduce()
                self._overflowed |= len(self._seats) == LONGEST
                left = len(self._seats)  # who comes meanwhile is of the next turn: batches stay large
                while left > 0:
                    self._write_seats([self._seats.popleft() for _ in range(min(BATCH, left))])
                    left -= BATCH
                    time.sleep(PAUSE)
                self._end_forgotten()
                self._write_numbers()
            except Exception as error:
                note_failure(log, error, "The ledger met an error and tries again")
            finally:
                end_session()

    def _introduce(self) -> None:
        """Before any row of it: no other node takes this one for dead."""
        if not self._known and (self._seats or self._hub.channels):
            with transaction():
                node.beat(self.node, self._app.config["NODE_NAME"])
            self._known = True

    def _write_seats(self, batch: list[Any]) -> None:
        """Held polls stand there only while they wait."""
        ends = {seat: (ending, moment) for seat, ending, moment in batch if ending}
        came = [(seat, address) for seat, ending, address in batch if ending is None]
        began = [
            self._row(seat, address, *ends.get(seat, (None, None)))
            for seat, address in came
            if not (seat in ends and _is_poll(seat))
        ]
        for seat, _ in came:
            ends.pop(seat, None)
        polls = [_key(seat) for seat in ends if _is_poll(seat)]
        ended = [
            _key(seat)
            | {"until": max(moment, seat.since), "ended": ending.value}
            | {"transport": seat.connection.transport}
            for seat, (ending, moment) in ends.items()
            if not _is_poll(seat)
        ]
        try:
            with transaction():
                connection.write(began, ended)
                connection.drop(polls)
            self._written += 1
        except BaseException:
            room = LONGEST - len(self._seats)
            self._overflowed |= room < len(batch)
            self._seats.extendleft(reversed(batch[-room:] if room else []))
            raise

    def _end_forgotten(self) -> None:
        """Whose end did not fit into the queue is no ghost of a node that lives."""
        if self._overflowed:
            seats = [seat for id in list(self._hub.channels) for seat in self._hub.seats(id)]
            with transaction():
                connection.end_others(self.node, {(seat.connection.id, seat.since) for seat in seats}, now())
            self._overflowed = False

    def _row(
        self, seat: Seat, address: str | None, ending: Ending | None, until: datetime | None
    ) -> dict[str, Any]:
        return {
            "id": seat.connection.id,
            "since": seat.since,
            "organization_id": seat.scope.organization_id,
            "tenant_id": seat.scope.tenant_id,
            "whole": seat.scope.whole,
            "view": seat.view,
            "transport": seat.connection.transport,
            "user_id": seat.proof.user_id,
            "role": seat.role.value if seat.role else "",
            "visitor": None if seat.proof.user_id else self._hashed(address),
            "node": self.node,
            "until": until,
            "ended": ending.value if ending else None,
        }

    def _hashed(self, address: str | None) -> str | None:
        """The same for one address all day, and nothing that anybody could compute tomorrow.

        The salt is in this process's memory only, so no backup has it; each node has its own.
        """
        if not address:
            return None
        today = now().date()
        if self._salt[0] != today:
            self._salt = (today, secrets.token_bytes(16))
        known = address.encode("utf-8", "replace")
        return hashlib.blake2s(known, key=self._salt[1], digest_size=8).hexdigest()

    # --- numbers -----------------------------------------------------------------------------------

    def _write_numbers(self) -> None:
        if self._unsure:
            self._write_batch(self._unsure)
        if numbers := self._taken():
            self._unsure = numbers
            self._write_batch(numbers)

    def _write_batch(self, numbers: Numbers) -> None:
        with transaction():
            if batch.is_new(self.node, numbers.number):
                numbers.add()
        self._unsure = None

    def _taken(self) -> Numbers | None:
        """All that was counted since the last batch; None when that is nothing."""
        self._collect()
        minute = figure.floor(now(), "minute")
        levels = self._levels() if minute > self._minute else Counter()
        self._minute = max(minute, self._minute)
        figures, self._figures = self._figures, Counter()
        reached, self._reached = list(self._reached.values()), {}
        asked, self._asked = self._asked, Counter()
        if not (figures or levels or reached or asked):
            return None
        self._batches += 1
        return Numbers(self._batches, minute, figures, levels, reached, asked)

    def _collect(self) -> None:
        """Take what the channels counted."""
        for id, channel in list(self._hub.channels.items()):
            figures, reached = channel.tally.take()
            for (tenant, name), number in figures.items():
                self._figures[id, tenant, name] += number
            for line, new in reached:
                self._add(line, new)

    def _add(self, line: Line, new: list[int]) -> None:
        row = self._reached.setdefault(
            (line.organization_id, line.seq),
            {
                "organization_id": line.organization_id,
                "seq": line.seq,
                "tenant_id": line.tenant_id,
                "name": line.name,
                "subject": line.subject,
                "at": line.created_at,
                "within_1": 0,
                "within_10": 0,
                "within_60": 0,
            },
        )
        for name, number in zip(("within_1", "within_10", "within_60"), new, strict=True):
            row[name] += number

    def _levels(self) -> Counter[tuple[str, str, str]]:
        """Who is here now: by page, and of the whole organization, each connection once."""
        levels: Counter[tuple[str, str, str]] = Counter()
        for id, channel in list(self._hub.channels.items()):
            seats = [seat for seat in list(channel.seats) if seat.rooms]
            of_pages = [seat for seat in seats if not seat.scope.whole]
            pages = {(seat.connection.id, seat.scope.tenant_id or "") for seat in of_pages}
            for _, tenant in pages:
                levels[id, tenant, figure.WATCHING] += 1
            for transport in {seat.connection.id: seat.connection.transport for seat in seats}.values():
                levels[id, figure.ALL, figure.WATCHING] += 1
                levels[id, figure.ALL, f"{figure.WATCHING}.{transport}"] += 1
        return levels


def _is_poll(seat: Seat) -> bool:
    return seat.connection.transport == "poll"


def _key(seat: Seat) -> dict[str, Any]:
    return {"key": seat.connection.id, "start": seat.since}


def _by_endpoint(numbers: Mapping[tuple[Asked, bool], int]) -> dict[Asked, tuple[int, int]]:
    found: dict[Asked, tuple[int, int]] = {}
    for (asked, refused), number in numbers.items():
        requests, bad = found.get(asked, (0, 0))
        found[asked] = (requests + number, bad + (number if refused else 0))
    return found
