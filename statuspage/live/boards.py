"""Boards of one organization: drawn from its state when somebody asks, or when a push is due."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable

from ..database import note_failure
from ..models.errors import NotFound
from ..models.event import BROADCAST
from ..models.scope import Scope
from . import views
from .audience import Audience
from .board import Board, Drawing
from .feed import Line
from .memory import Memory
from .message import Cursor, Message
from .state import State
from .tally import Tally

log = logging.getLogger(__name__)

LONGEST_VIEW = 80  # characters of a view's name
SLICE_SECONDS = 0.008  # of drawing and pushing, until others have their turn
TURN_SECONDS = 0.001  # the least sleep in which gevent looks for what came in from the network
UNKNOWN = "Unknown organization or tenant, or no access to it."


class Boards(Audience):
    """What `state` shows, view by view. A board may be behind the state, never what is served of it."""

    def __init__(self, loaded: State, push_interval: float) -> None:
        super().__init__()
        self.organization_id = loaded.id
        self.state = loaded
        self.lock = threading.RLock()
        self.memory = Memory(loaded.seq)
        self.boards: dict[tuple[Scope, str], Board] = {}
        self.push_interval = push_interval
        self.gone = False
        self.tally = Tally()

    def advance(self) -> None:
        """Bring the state to what is committed now."""
        raise NotImplementedError

    def look(self, view: str | None = None) -> None:
        """The same, with all that this view shows."""
        raise NotImplementedError

    def board(self, scope: Scope, view: str) -> Board:
        """The board as of what is committed. NotFound when there is no such view of that scope."""
        self.advance()
        with self.lock:
            board = self._current(scope, view) or self._draw_first(scope, view)
            board.used_at, board.current_at = time.monotonic(), self.state.position(scope)
            return board

    def _draw_first(self, scope: Scope, view: str) -> Board:
        if not view.isascii() or not view.isprintable() or len(view) > LONGEST_VIEW:
            raise NotFound(UNKNOWN)  # no view is called so, and a database would choke on some
        incident_id = views.incident_id(view)
        inside = views.needs_inside(view)
        if (
            not self.state.has(scope)
            or (incident_id and (inside or incident_id not in self.state.incidents))
            or (inside and self.state.inside is None)
            or (views.needs_team(view) and self.state.team is None)
        ):
            self.look(view)  # with what this view alone shows
        drawing = views.draw(view, self.state, scope)
        if drawing is None or self.gone:
            raise NotFound(UNKNOWN)
        board = Board(drawing, self.state.epoch, views.position(view, self.state, scope))
        self.boards[scope, view] = board
        return board

    def _current(self, scope: Scope, view: str) -> Board | None:
        """The board as the state is now, if there is one (any more). Only what moved is drawn again."""
        board, position = self.boards.get((scope, view)), views.position(view, self.state, scope)
        if board is None or (board.position == position and not board.lost and self.state.has(scope)):
            return board
        drawing, room = self._drawn(view, scope), board_room(scope, view)
        if drawing is None:
            del self.boards[scope, view]
            self.deliver(room, self._head(Cursor(self.state.epoch, position)))
            return None
        if board.lost:
            board = self.boards[scope, view] = Board(drawing, self.state.epoch, position)
            if whole := board.message(None):
                self.deliver(room, whole)
        else:
            board.redraw(drawing, position, self.state.differences)
            if room not in self.rooms:
                board.rest()
        return board

    def _drawn(self, view: str, scope: Scope) -> Drawing | None:
        """A view that cannot be drawn holds up no other: its board is forgotten, its clients ask."""
        try:
            return views.draw(view, self.state, scope)
        except Exception as error:
            note_failure(log, error, "The view %s of %s cannot be drawn", view, scope.room)
            return None

    def push_due(self) -> None:
        """Push each board that has something new and rested long enough: bursts travel as one change.

        In slices: a change that a thousand boards show does not keep everybody else waiting.
        """
        began = time.monotonic()
        for scope, view in list(self.boards):
            with self.lock:
                self._push(scope, view)
            if time.monotonic() - began > SLICE_SECONDS:
                time.sleep(TURN_SECONDS)
                began = time.monotonic()

    def _push(self, scope: Scope, view: str) -> None:
        board, room = self.boards.get((scope, view)), self.rooms.get(board_room(scope, view))
        moment = time.monotonic()
        if board is None or room is None or moment - board.pushed_at < self.push_interval:
            return
        board = self._current(scope, view)
        if board is None or not board.dirty:
            return
        news = list(self._news(scope, board.told))
        change = board.push(views.sentence(news, board.drawing.headline))
        if change:
            board.pushed_at = moment
            connections = room.deliver(change)
            for line in news:
                self.tally.told(line, change, connections)

    def _news(self, scope: Scope, after: int) -> Iterable[Line]:
        """What can be put into words; a broadcast by hand carries anything."""
        lines = (line for line in self.memory.after(after) if line.type != BROADCAST)
        return (line for line in lines if scope.shows(line.tenant_id))

    def drop_idle_boards(self, older_than: float) -> None:
        """Forget boards without an audience that nobody asked for since this monotonic moment."""
        with self.lock:
            for key, board in list(self.boards.items()):
                if board.used_at < older_than and board_room(*key) not in self.rooms:
                    del self.boards[key]

    def _head(self, cursor: Cursor) -> Message:
        raise NotImplementedError


def board_room(scope: Scope, view: str) -> str:
    """HTML rooms are one per scope and view: `org:{id}:page`."""
    return f"{scope.room}:{view}"
