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
from datetime import UTC, date, datetime
from typing import Any

from flask import Flask

from ..clock import now
from ..database import database_time, db, transaction
from ..models import connection, figure, node, reach, usage
from ..models.connection import Ending
from .audience import Seat
from .hub import Hub
from .tally import Reach

log = logging.getLogger(__name__)

TURN_SECONDS = 2.0
BATCH = 100  # seats to one transaction: a thousand would keep everybody else waiting for 50 ms
PAUSE = 0.005  # seconds between two of them: with none, the event loop would not look at its sockets
LONGEST = 200_000  # seats that may wait while the database is away; then the oldest are forgotten


class Ledger:
    def __init__(self, app: Flask, hub: Hub, node_id: str) -> None:
        self.node = node_id
        self._app, self._hub = app, hub
        self._seats: deque[tuple[Seat, Ending | None, Any]] = deque(maxlen=LONGEST)  # as they came and went
        self._asked: Counter[tuple[str, str, bool]] = Counter()
        self._figures: Counter[tuple[str, str, str]] = Counter()
        self._reached: dict[tuple[str, int], dict[str, Any]] = {}
        self._salt: tuple[date | None, bytes] = (None, b"")
        self._minute: datetime | None = None  # the last one that the audience was counted in
        self._next_minute = 0.0
        self._known = False  # whether the other nodes know this one
        self._writing = threading.Lock()
        self._started = False
        self._over = threading.Event()

    # --- on the hot path: nothing but queues -------------------------------------------------------

    def came(self, seat: Seat) -> None:
        """A seat was taken."""
        self._seats.append((seat, None, getattr(seat.connection.outlet, "address", None)))

    def went(self, seat: Seat, ending: Ending) -> None:
        """A seat that was taken is left."""
        self._seats.append((seat, ending, now()))

    def asked(self, token_id: str, endpoint: str, *, refused: bool) -> None:
        """A token asked the API something."""
        self._asked[token_id, endpoint, refused] += 1

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
                threading.Thread(target=self._run, name="ledger", daemon=True).start()

    def _run(self) -> None:
        while not self._over.wait(TURN_SECONDS):
            self.write()

    def close(self) -> None:
        """Write the last: everybody has gone."""
        self._over.set()
        self.write()

    def write(self) -> None:
        """Write down what came in since the last time; what cannot be written now waits."""
        with self._writing, self._app.app_context():
            try:
                self._introduce()
                while self._seats:
                    self._write_seats([self._seats.popleft() for _ in range(min(BATCH, len(self._seats)))])
                    time.sleep(PAUSE)
                self._write_numbers()
            except Exception:
                log.exception("The ledger met an error and tries again")
            finally:
                db.session.remove()

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
            {**_key(seat), "until": max(moment, seat.since), "ended": ending.value}
            for seat, (ending, moment) in ends.items()
            if not _is_poll(seat)
        ]
        try:
            with transaction():
                connection.write(began, ended)
                connection.drop(polls)
        except BaseException:
            self._seats.extendleft(reversed(batch))
            raise

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
        today = datetime.now(UTC).date()
        if self._salt[0] != today:
            self._salt = (today, secrets.token_bytes(16))
        known = address.encode("utf-8", "replace")
        return hashlib.blake2s(known, key=self._salt[1], digest_size=8).hexdigest()

    # --- numbers -----------------------------------------------------------------------------------

    def _write_numbers(self) -> None:
        self._collect()
        watched = any(channel.seats for channel in list(self._hub.channels.values()))
        due = watched and time.monotonic() >= self._next_minute
        if not (due or self._figures or self._reached or self._asked):
            return
        figures, reached, asked = dict(self._figures), list(self._reached.values()), dict(self._asked)
        with transaction():
            moment = database_time(db.session())
            minute = figure.floor(moment, "minute")
            levels = self._levels() if due and minute != self._minute else {}
            figure.count(minute, figures | levels)
            reach.write(reached)
            usage.count(moment, _by_endpoint(asked))
            if levels:
                connection.revive(self.node)
        self._figures.subtract(figures)
        self._figures = +self._figures
        self._reached.clear()
        self._asked.subtract(asked)
        self._asked = +self._asked
        if due:
            self._minute = minute
            self._next_minute = time.monotonic() + 60 - moment.second - moment.microsecond / 1e6

    def _collect(self) -> None:
        """Take what the channels counted."""
        for id, channel in list(self._hub.channels.items()):
            figures, reached = channel.tally.take()
            for (tenant, name), number in figures.items():
                self._figures[id, tenant, name] += number
            for one in reached:
                self._add(id, one)

    def _add(self, organization_id: str, one: Reach) -> None:
        row = self._reached.setdefault(
            (organization_id, one.seq),
            {
                "organization_id": organization_id,
                "seq": one.seq,
                "tenant_id": one.tenant_id,
                "name": one.name,
                "subject": one.subject,
                "at": one.at,
                "within_1": 0,
                "within_10": 0,
                "within_60": 0,
            },
        )
        for name, number in zip(("within_1", "within_10", "within_60"), one.new, strict=True):
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


def _by_endpoint(asked: dict[tuple[str, str, bool], int]) -> dict[tuple[str, str], tuple[int, int]]:
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for (token_id, endpoint, refused), number in asked.items():
        requests, bad = found.get((token_id, endpoint), (0, 0))
        found[token_id, endpoint] = (requests + number, bad + (number if refused else 0))
    return found
