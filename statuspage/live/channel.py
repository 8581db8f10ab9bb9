"""Channel: one organization in this process. Its state, recent lines, boards, and audience.

Everything that delivers or enters a room holds `lock`, so each seat gets each line once, in order.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from ..clock import now
from ..database import note_failure, snapshot
from ..models.access import role_in
from ..models.errors import NotFound
from ..models.organization import Organization
from ..models.role import Role, may
from ..models.scope import Scope
from . import counts, feed, loading, views
from .audience import Room, Seat
from .boards import UNKNOWN, Boards, board_room
from .feed import Line
from .message import Cursor, Message
from .proofs import Proofs
from .replay import Pages
from .state import State

log = logging.getLogger(__name__)

HEAD = select(Organization.epoch, Organization.pruned_through).where(
    Organization.id == bindparam("organization")
)


FOREIGN = 16  # epochs: after a restore everybody comes back with the same old one


class Channel(Boards):
    def __init__(self, loaded: State, *, build: str, push_interval: float) -> None:
        super().__init__(loaded, push_interval)
        self.build = build
        self.access_changes = 0
        self._statuses: dict[Scope, Message] = {}  # as of this state, made for the first who asks
        self.on_broadcast: Callable[[Line], None] = lambda line: None  # hears those to everybody
        self.used_at = time.monotonic()
        self.on_move: Callable[[], None] = lambda: None  # hears of every new state
        self.watched: Callable[[], bool] = lambda: False  # whether who looks at the log rings this channel
        self.draining: Callable[[], bool] = lambda: False  # whether this process stops soon
        self._rung = self._seen = object()
        self.pages = Pages()
        self.proofs = Proofs()
        self._foreign: deque[str] = deque(maxlen=FOREIGN)  # epochs that a look did not find here

    # --- bringing it forward -----------------------------------------------------------------------

    def ring(self) -> None:
        """Something was committed: from now on nothing is served before it was looked for."""
        self._rung = object()  # one of its own, so that a look notices whoever rang while it was reading

    @property
    def stale(self) -> bool:
        """Whether there may be news: it was rung since the last look, or nobody would have rung."""
        return self._rung is not self._seen or not self.watched()

    def advance(self) -> None:
        """Bring it to what is committed now and tell the data rooms; asks nobody if nothing is new.

        Boards are drawn when somebody asks for them, or when they are to be pushed: see push_due().
        """
        self.used_at = time.monotonic()
        if self.stale:
            with self.lock:
                if self.stale:  # whoever had the lock may have brought it forward
                    self.look()

    def look(self, view: str | None = None) -> None:
        """Ask the database, and bring it to what is committed now.

        `view`: load the state with all that this view shows, even when nothing is new.
        """
        with self.lock:
            rung = self._rung
            self._look(view)
            self._seen = rung

    def reach(self, cursor: Cursor | None) -> None:
        """Bring it forward to where a client comes from: a node that is ahead of this one.

        An epoch that was not found is not looked for again: what is over does not come back.
        """
        if cursor and self._is_ahead(cursor):
            with self.lock:
                if self._is_ahead(cursor):  # whoever had the lock may have looked
                    self.look()
                    if cursor.epoch != self.state.epoch:
                        self._foreign.append(cursor.epoch)

    def _is_ahead(self, cursor: Cursor) -> bool:
        if cursor.epoch == self.state.epoch:
            return cursor.seq > self.state.seq
        return cursor.epoch not in self._foreign

    def _look(self, view: str | None) -> None:
        with snapshot() as session:
            was = self.state
            news = feed.news(session, was.id, was.epoch, was.seq)
            if news is None:
                self.close()
                return
            if (news.epoch, news.seq) == (was.epoch, was.seq) and view is None:
                return
            missed, lines = news.missed, news.lines
            if missed:
                loaded = loading.load(session, self.organization_id, self._views(view))
            else:
                loaded = loading.follow(session, self.state, lines, self._views(view), whole=view is not None)
            assert loaded is not None  # the snapshot still has the row
            self.memory.forget(session, lines)
            if missed or any(line.blanks for line in lines):
                self.pages.clear()
            if missed or any(line.is_access for line in lines):
                self._reauthorise(session)
        self._take(loaded, lines, missed)

    def _views(self, also: str | None) -> list[str]:
        return [view for view in {*(view for _, view in self.boards), also} if view]

    def _reauthorise(self, session: Session) -> None:
        """Ask again for every seat; those that lost the right end before anything later is sent.

        Who is still at the door proves again: see entry.prove(). What was taken as a member does not
        live on as a visitor's.
        """
        self.access_changes += 1
        known: dict[Any, Role | None] = {}
        for seat in [seat for seat in list(self.seats) if seat.role]:
            key = (seat.proof, seat.scope)
            if key not in known:
                known[key] = role_in(session, seat.proof, seat.scope)
            lost = known[key] is Role.VISITOR and seat.role is not Role.VISITOR
            if lost or not may(known[key], views.verb(seat.view)):
                self.end(seat, "Your access has ended.")

    def _take(self, loaded: State, lines: list[Line], missed: bool) -> None:
        overall = {scope: self.state.status(scope) for scope in self._status_scopes()}
        self.state = loaded
        self._statuses = {}
        for board in self.boards.values():
            board.lost = board.lost or missed
        if missed:
            self.memory.clear(loaded.seq)
        for line in lines:
            self.memory.add(line)
        # From here on it is where it says it is; what cannot be told now is there for who asks for it.
        if missed:
            self._attempt(self._reset)
        for line in lines:
            self._attempt(self._tell, line)
        for scope, before in overall.items():
            if loaded.has(scope) and loaded.status(scope) != before:
                self._attempt(self._tell_status, scope)
        self.on_move()

    def _attempt(self, tell: Callable[..., None], *what: Any) -> None:
        """What fails keeps nobody from hearing the rest."""
        try:
            tell(*what)
        except Exception as error:
            note_failure(log, error, "Organization %s: something could not be told", self.organization_id)

    def _tell_status(self, scope: Scope) -> None:
        self.deliver(scope.room, self.status_message(scope))

    def _tell(self, line: Line) -> None:
        if not line.is_data:
            return
        counts.lagged((now() - line.created_at).total_seconds())
        self.tally.heard(line)
        if line.broadcast_id:
            self.on_broadcast(line)
        for name in (line.room, Scope(self.organization_id, whole=True).room):
            if room := self.rooms.get(name):
                room.position = line.seq
                message = line.message_for(name)
                self.tally.told(line, message, room.deliver(message))

    def _reset(self) -> None:
        """The log starts anew, or was pruned under us: data clients read the state again."""
        for room in self._data_rooms():
            room.position = self.state.seq
            room.deliver(Message("reset", {"cursor": str(self._head_cursor())}, str(self._head_cursor())))

    # --- what is shown -----------------------------------------------------------------------------

    def state_of(self, scope: Scope) -> State:
        """The state as of what is committed. NotFound when what the scope shows is not there (any more)."""
        self.advance()
        if not self.state.has(scope):
            self.look()
        if self.gone or not self.state.has(scope):
            raise NotFound(UNKNOWN)
        return self.state

    def remembers(self, cursor: Cursor) -> bool:
        """Whether every line after this position is in memory."""
        return cursor.epoch == self.state.epoch and self.memory.floor <= cursor.seq <= self.state.seq

    def recall(self) -> None:
        """Remember what was before this process, once: after a restart everybody asks for it at once."""
        with self.lock:
            if self.memory.recalled:
                return
            with snapshot() as session:
                head = session.execute(HEAD, {"organization": self.organization_id}).one_or_none()
                if head is None or head.epoch != self.state.epoch:
                    return
                end = self.memory.floor
                floor = min(end, max(self.memory.reach, head.pruned_through))
                older = feed.stream(
                    session, self.organization_id, self.state.epoch, floor, end, newest_first=True
                )
                self.memory.recall(older, floor)

    def status_message(self, scope: Scope) -> Message:
        """The derived `status-update`: the last state, not a line of the log, so without `id`."""
        if scope not in self._statuses:
            self._statuses[scope] = self._status_message(scope)
        return self._statuses[scope]

    def _status_message(self, scope: Scope) -> Message:
        data = self.state.status_json(scope)
        return Message(
            "status-update",
            {
                "type": "status-changed",
                "data": data,
                "organizationId": self.organization_id,
                "tenantId": scope.tenant_id,
                "timestamp": data["updatedAt"],
            },
        )

    def _status_scopes(self) -> Iterable[Scope]:
        tenants = (Scope(self.organization_id, id) for id in self.state.tenants)
        own = (Scope(self.organization_id), Scope(self.organization_id, whole=True))
        return [scope for scope in (*own, *tenants) if scope.room in self.rooms]

    # --- coming and going --------------------------------------------------------------------------

    def register(self, seat: Seat) -> None:
        """Take part in changes of access from now on; prove after this, enter after that."""
        with self.lock:
            if self.gone:
                raise NotFound(UNKNOWN)
            self.seats.add(seat)

    def enter(self, seat: Seat, rooms: Iterable[str]) -> None:
        """Sit down in these rooms. Hold `lock` since the last look at what they heard.

        NotFound when the seat was left in the meantime: it must not come back.
        """
        for name in rooms:
            if not self.sit(seat, name, self._birth(name, seat)):
                raise NotFound(UNKNOWN)

    def _birth(self, room: str, seat: Seat) -> int:
        if room == Scope(self.organization_id).room:
            return self.state.own_seq
        return views.position(seat.view, self.state, seat.scope)

    def close(self) -> None:
        """The organization was deleted: everybody leaves."""
        with self.lock:
            self.gone = True
            self.boards.clear()
            self.end_all()
            self.on_move()

    # --- upkeep ------------------------------------------------------------------------------------

    def send_heads(self, transports: Iterable[str]) -> None:
        """Tell every room the position of its last message: catches a lost last one, and proves life."""
        with self.lock:
            boards = {board_room(scope, view): board for (scope, view), board in self.boards.items()}
            for room in list(self.rooms.values()):
                board = boards.get(room.name)
                cursor = board.pushed_cursor if board else Cursor(self.state.epoch, room.position)
                room.deliver_over(transports, self._head(cursor))

    def head_for(self, seat: Seat) -> Message:
        """The `head` that a stream begins with."""
        return self._head(Cursor(self.state.epoch, views.position(seat.view, self.state, seat.scope)))

    def _head(self, cursor: Cursor) -> Message:
        return Message("head", {"cursor": str(cursor), "build": self.build})

    def _head_cursor(self) -> Cursor:
        return Cursor(self.state.epoch, self.state.seq)

    @property
    def idle(self) -> bool:
        return not (self.seats or self.boards)

    def _data_rooms(self) -> list[Room]:
        return [room for name, room in self.rooms.items() if name in self._data_names()]

    def _data_names(self) -> set[str]:
        scopes = (Scope(self.organization_id), Scope(self.organization_id, whole=True))
        return {scope.room for scope in scopes} | {f"tenant:{id}" for id in self.state.tenants}
