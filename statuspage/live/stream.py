"""The SSE and polling answers: the same boards and feeds over plain HTTP."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

from flask import Flask, current_app

from ..database import new_id, note_failure
from ..models.access import NOBODY, Proof, role_in
from ..models.connection import Ending
from ..models.errors import NotFound
from ..models.scope import Scope
from . import counts, entry, replay
from .audience import Seat, ending_of
from .channel import UNKNOWN, Channel
from .memory import REMEMBERED
from .message import Cursor, Message
from .views import DATA

log = logging.getLogger(__name__)

MAX_WAIT = 25.0  # seconds that a poll may be held
DRAINED = 200  # waiting events below which a replay goes on


class Stream:
    """One SSE answer (WHATWG HTML, server-sent events), on a connection of its own: see serve().

    Under a WSGI server that is not ours: iterate it, and close() it when the client is gone.
    """

    __slots__ = ("_app", "_channel", "_cursor", "_out", "_seat", "address", "id", "outlet", "wire")

    form = "sse"  # as which it takes messages

    transport = "sse"
    max_pieces = 2 * REMEMBERED  # events that a client may be behind before it is cut

    def __init__(
        self,
        channel: Channel,
        scope: Scope,
        view: str,
        proof: Proof,
        cursor: str | None,
        address: str | None = None,
        *,
        again: bool = False,
    ) -> None:
        """Take a seat at once. NotFound when there is no such view, or no right to it."""
        self.id = new_id()
        self.address = address  # until it sits
        self._app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        self._channel = channel
        self._cursor = cursor
        self._out: Any = Held()
        self.outlet, self.wire = self, None
        self._seat = Seat(self, scope, view)
        _take_seat(channel, self._seat, proof)
        self._out.send(b"retry: %d\n\n" % random.randint(1000, 5000))
        self.deliver(channel.head_for(self._seat))
        if view != DATA:
            try:
                entry.enter_board(channel, self._seat, Cursor.parse(cursor), again=again)
            except BaseException:
                self.close()
                raise
            self.address = None

    def deliver(self, message: Message) -> None:
        self._out.send(message.sse)

    def owes(self, message: Message) -> bool | None:
        """Whether it waits to be written; None once the stream has ended. See transport.written()."""
        return None if self._seat.ended else self._out.owes(message.sse)

    def wait_until_drained(self) -> None:
        """Let a slow client take in what was replayed; one that does not move is cut."""
        while self._out.backlog > DRAINED and not self._seat.ended:
            time.sleep(0.01)

    def end(self, reason: str) -> None:
        self._out.finish()

    def let_go(self) -> None:
        """One that is still at the door goes later, or with the process: a refusal would end it for good."""
        if self._seat.role is None:
            return
        self._channel.leave(self._seat, ending=Ending.STOPPED)
        self._out.finish()

    def close(self, *reason: str) -> None:
        self._channel.leave(self._seat, ending=ending_of(*reason))

    # On our own server: a wire of its poller, and no greenlet once it has caught up

    def serve(self, wire: Any) -> None:
        """From now on, events are written to this wire. Returns when what was missed is queued."""
        held, self._out, wire.reader = self._out, wire, self
        held.pour(wire)
        self.wire = wire
        if self._seat.view == DATA:
            self._catch_up()

    def receive(self, data: bytes) -> None:
        """A client has nothing to say on a stream."""

    def lost(self, why: str) -> None:
        self.wire = None
        self.close(why)

    # On any other server: a thread each

    def __iter__(self) -> Iterator[bytes]:
        if self._seat.view == DATA:
            threading.Thread(target=self._catch_up, daemon=True).start()
        yield from self._out

    def _catch_up(self) -> None:
        """Replay the lines after the cursor at the client's pace, then take a seat among those who listen."""
        rooms, cursor = entry.data_rooms(self._seat.scope), entry.wanted(self._cursor)
        try:
            with self._app.app_context():  # the request is over; the answer goes on
                entry.enter_data(self._channel, self._seat, rooms, cursor)
        except NotFound:
            self.end("")
        except Exception as error:
            note_failure(log, error, "A stream could not be caught up: it ends, and its client comes back")
            self.end("")
        self.address = None


class Held:
    """Events that wait until there is a wire to write them to, or somebody who iterates over them."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def send(self, data: bytes) -> None:
        self._queue.put(data if self.backlog < Stream.max_pieces else None)

    def owes(self, _data: bytes) -> bool:
        return self.backlog > 0

    def finish(self) -> None:
        self._queue.put(None)

    @property
    def backlog(self) -> int:
        return self._queue.qsize()

    def pour(self, wire: Any) -> None:
        while self.backlog:
            data = self._queue.get()
            if data is None:
                wire.finish()
            else:
                wire.send(data)

    def __iter__(self) -> Iterator[bytes]:
        while (data := self._queue.get()) is not None:
            yield data


class Poll:
    """One held answer: it wakes when its room hears something, or its right ends."""

    transport = "poll"
    wire = None

    def __init__(self, channel: Channel, scope: Scope, view: str, proof: Proof) -> None:
        """Take a seat at once. NotFound when there is no such view, or no right to it."""
        self.id = new_id()
        self._channel = channel
        self.outlet = self
        self._news = threading.Event()
        self._cursor: Cursor | None = None
        self._source = counts.BOARD
        self._seat = Seat(self, scope, view)
        _take_seat(channel, self._seat, proof)

    def deliver(self, message: Message) -> None:
        """Wake for what takes the client further, or tells that it is behind; a derived status does not."""
        if message.cursor or message.name == "reset" or self._is_behind(message):
            self._news.set()

    def _is_behind(self, message: Message) -> bool:
        """A board that is no more pushes nothing: its clients learn of it by a `head` that is ahead."""
        if message.name != "head" or self._seat.view == DATA or self._cursor is None:
            return False
        return (Cursor.parse(message.payload["cursor"]) or self._cursor) > self._cursor

    def owes(self, _message: Message) -> bool:
        """Until it is answered with what woke it."""
        return not self._seat.ended

    def wait_until_drained(self) -> None:
        """A poll queues nothing."""

    def end(self, reason: str) -> None:
        self._news.set()

    def let_go(self) -> None:
        """It is answered with what there is; its seat stays, for its right has not ended."""
        self._news.set()

    def answer(self, cursor: str | None, wait: float) -> dict[str, Any] | None:
        """What changed after the cursor, as soon as there is something; None after `wait` seconds without."""
        self._cursor = Cursor.parse(cursor)
        try:
            found = self._look(cursor)
            if found is not None and cursor:
                self._channel.tally.replayed(self._seat.scope, self._source)
                if self._cursor and self._cursor.epoch == self._channel.state.epoch:
                    self._channel.tally.answered(self._seat.scope, self._cursor.seq)
            elif found is None and wait > 0 and not self._channel.draining():
                self._listen(cursor)
                self._news.wait(min(wait, MAX_WAIT))
                found = self._look(cursor)
            return found
        finally:
            self._channel.leave(self._seat)

    def _look(self, cursor: str | None) -> dict[str, Any] | None:
        """The answer, unless the right to it has ended: asked last, so that nothing later is shown."""
        if self._seat.view == DATA:
            found = self._lines(cursor)
        else:
            found = self._channel.board(self._seat.scope, self._seat.view).change(self._cursor)
        if self._seat.ended or self._channel.gone:
            raise NotFound(UNKNOWN)
        return found

    def _listen(self, cursor: str | None) -> None:
        """Enter the room from this position: what came since the look wakes at once."""
        if self._seat.view == DATA:
            rooms = entry.data_rooms(self._seat.scope)
            entry.enter_data(self._channel, self._seat, rooms, entry.wanted(cursor))
        else:
            entry.enter_board(self._channel, self._seat, self._cursor)

    def _lines(self, text: str | None) -> dict[str, Any] | None:
        cursor, scope = entry.wanted(text), self._seat.scope
        self._channel.advance()
        if cursor is None:
            return {"events": [], "cursor": self._channel.state.cursor(scope), "reset": False}
        page = replay.after(self._channel, scope, cursor)
        self._source = page.source
        if not page.lines and not page.reset:
            return None
        events = [
            {"event": line.name, **line.message_for(scope.room if scope.whole else line.room).payload}
            for line in page.lines
        ]
        return {"events": events, "cursor": str(page.cursor), "reset": page.reset}


def _take_seat(channel: Channel, seat: Seat, proof: Proof) -> None:
    """Register, then prove: a change of access in between is met by one of the two."""
    channel.register(seat)
    try:
        if proof is NOBODY:
            entry.prove_visitor(channel, seat)
        else:
            entry.prove(channel, seat, lambda session: (proof, role_in(session, proof, seat.scope)))
    except BaseException:
        channel.leave(seat)
        raise
