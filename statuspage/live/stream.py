"""The SSE and polling answers: the same boards and feeds over plain HTTP."""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Iterator
from typing import Any

from flask import Flask, current_app

from ..database import new_id
from ..models.access import NOBODY, Proof, role_in
from ..models.errors import NotFound
from ..models.scope import Scope
from . import entry
from .audience import Seat
from .channel import UNKNOWN, Channel
from .memory import REMEMBERED
from .message import Cursor, Message
from .views import DATA

MAX_WAIT = 25.0  # seconds that a poll may be held
MAX_QUEUED = 2 * REMEMBERED  # messages that a stream may be behind before it is cut
END = None


class Stream:
    """One SSE answer (WHATWG HTML, server-sent events). Iterate it; close() it when the client is gone."""

    transport = "sse"

    def __init__(self, channel: Channel, scope: Scope, view: str, proof: Proof, cursor: str | None) -> None:
        """Take a seat at once. NotFound when there is no such view, or no right to it."""
        self.id = new_id()
        self._app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        self._channel = channel
        self._cursor = cursor
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._seat = _take_seat(channel, Seat(self, scope, view), proof)
        self._queue.put(b"retry: %d\n\n" % random.randint(1000, 5000))
        self.deliver(channel.head_for(self._seat))
        if view != DATA:
            try:
                entry.enter_board(channel, self._seat, Cursor.parse(cursor))
            except BaseException:
                self.close()
                raise

    def deliver(self, message: Message) -> None:
        self._queue.put(message.sse if self._queue.qsize() < MAX_QUEUED else END)

    def wait_until_drained(self) -> None:
        """What was missed is yielded page by page, at the client's pace: see _replay()."""

    def end(self, reason: str) -> None:
        self._queue.put(END)

    def __iter__(self) -> Iterator[bytes]:
        if self._seat.view == DATA:
            yield from self._replay()
        while (chunk := self._queue.get()) is not END:
            yield chunk

    def _replay(self) -> Iterator[bytes]:
        """The lines after the cursor, a page at a time, then the seat among those who listen."""
        cursor = entry.wanted(self._cursor)
        while cursor and not self._channel.remembers(cursor):
            while not self._queue.empty():
                yield self._queue.get() or b""
            with self._app.app_context():  # the request is over; the answer goes on
                page = entry.past(self._channel, self._seat.scope, cursor)
            if page.reset or self._seat.ended:
                break
            yield b"".join(line.message_for(self._room(line)).sse for line in page.lines)
            cursor = page.cursor
        try:
            with self._app.app_context():
                entry.enter_data(self._channel, self._seat, entry.data_rooms(self._seat.scope), cursor)
        except NotFound:
            self.end("")

    def _room(self, line: Any) -> str:
        return self._seat.scope.room if self._seat.scope.whole else line.room

    def close(self) -> None:
        self._channel.leave(self._seat)


class Poll:
    """One held answer: it wakes when its room hears something, or its right ends."""

    transport = "poll"

    def __init__(self, channel: Channel, scope: Scope, view: str, proof: Proof) -> None:
        """Take a seat at once. NotFound when there is no such view, or no right to it."""
        self.id = new_id()
        self._channel = channel
        self._news = threading.Event()
        self._cursor: Cursor | None = None
        self._seat = _take_seat(channel, Seat(self, scope, view), proof)

    def deliver(self, message: Message) -> None:
        """Wake for what takes the client further, or tells that it is behind; a derived status does not."""
        if message.cursor or message.name == "reset" or self._is_behind(message):
            self._news.set()

    def _is_behind(self, message: Message) -> bool:
        """A board that is no more pushes nothing: its clients learn of it by a `head` that is ahead."""
        if message.name != "head" or self._seat.view == DATA or self._cursor is None:
            return False
        return (Cursor.parse(message.payload["cursor"]) or self._cursor) > self._cursor

    def wait_until_drained(self) -> None:
        """A poll queues nothing."""

    def end(self, reason: str) -> None:
        self._news.set()

    def answer(self, cursor: str | None, wait: float) -> dict[str, Any] | None:
        """What changed after the cursor, as soon as there is something; None after `wait` seconds without."""
        self._cursor = Cursor.parse(cursor)
        try:
            found = self._look(cursor)
            if found is None and wait > 0:
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
        page = entry.past(self._channel, scope, cursor)
        if not page.lines and not page.reset:
            return None
        events = [
            {"event": line.name, **line.message_for(scope.room if scope.whole else line.room).payload}
            for line in page.lines
        ]
        return {"events": events, "cursor": str(page.cursor), "reset": page.reset}


def _take_seat(channel: Channel, seat: Seat, proof: Proof) -> Seat:
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
    return seat
