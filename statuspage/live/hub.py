"""The hub: this process's audience. A channel per organization that somebody watches."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import bindparam, select

from ..database import db, mark_of_commits, snapshot
from ..models.connection import Ending
from ..models.errors import NotFound
from ..models.organization import Organization
from ..models.scope import Scope
from ..models.status import Visibility
from . import loading
from .audience import Connection, Seat, tell
from .channel import UNKNOWN, Channel
from .feed import Line

IDLE_SECONDS = 60.0  # boards and channels without an audience are kept this long
BLIND_SECONDS = 2.0  # after so long without a look at the log nothing is served unasked

# Every process asks this four times a second: on the table itself it costs a third of what the mapper takes.
_organization = Organization.__table__.c
HEADS = select(_organization.id, _organization.epoch, _organization.seq).where(
    _organization.id.in_(bindparam("ids", expanding=True))
)
PUBLIC = select(_organization.id).where(_organization.visibility == Visibility.PUBLIC.value).limit(2)


class Hub:
    def __init__(self, *, build: str, push_interval: float) -> None:
        self.build = build
        self.push_interval = push_interval
        self.channels: dict[str, Channel] = {}
        self.loners: set[Connection] = set()
        """Clients in no room: they hear broadcasts to everybody, and nothing else."""
        self.on_first_use: Callable[[], None] = lambda: None  # starts the dispatcher
        self.on_move: Callable[[Channel], None] = lambda channel: None  # hears of new states, and of its end
        self.on_enter: Callable[[Seat], None] = lambda seat: None  # hears of every seat that is taken,
        self.on_leave: Callable[[Seat, Ending], None] = lambda seat, ending: None  # and left
        self.on_heard: Callable[[], None] = lambda: None  # hears of lines whose reach is to be looked after
        self.only_public: str | None = None
        """The organization whose page is the start page, as of the last look; None if it may not be alone."""
        self.draining = False
        """It stops soon: its clients leave, and nothing is held any more. See drain()."""
        self._opening = threading.Lock()
        self._rung = object()  # the last ring, or opening: see _open()
        self._looked_at = -math.inf
        self._calm: Any = None  # what mark_of_commits() was when a look found nothing, see behind()
        self._paths: dict[str, str] = {}  # a slug or id -> the organization whose it was when last asked
        self._table = threading.Lock()  # guards `channels`; never held over I/O
        self._heard: deque[str] = deque(maxlen=100)  # broadcasts to everybody that loners have got

    def channel(self, organization_id: str) -> Channel:
        """The organization's channel, opened when it is the first question. NotFound for an unknown id."""
        found = self._open_channel(organization_id)
        if found:
            return found
        self.on_first_use()
        with self._opening:
            return self._open_channel(organization_id) or self._open(organization_id)

    def _open_channel(self, organization_id: str) -> Channel | None:
        """It stays open while whoever asks sits down."""
        with self._table:
            found = self.channels.get(organization_id)
            if found:
                found.used_at = time.monotonic()
            return found

    def _open(self, organization_id: str) -> Channel:
        rung = self._rung
        with snapshot() as session:
            loaded = loading.load(session, organization_id)
        if loaded is None:
            raise NotFound(UNKNOWN)
        channel = Channel(loaded, build=self.build, push_interval=self.push_interval)
        channel.on_broadcast = self._tell_loners
        channel.watched, channel.draining = self.watches, lambda: self.draining
        channel.on_enter, channel.on_leave = self.on_enter, self.on_leave
        channel.on_move = lambda: self.on_move(channel)
        channel.tally.on_heard = self.on_heard
        self.channels[organization_id] = channel
        if self._rung is not rung:  # it may have been for this one, which was not there to hear it
            channel.ring()
        self._rung = object()  # a look that is under way did not ask for this one,
        self._calm = None  # nor did the last: another process may have committed since it was loaded
        return channel

    def watches(self) -> bool:
        """Whether a commit of another process would have been seen by now."""
        return time.monotonic() - self._looked_at < BLIND_SECONDS

    def log_lag(self) -> float | None:
        """Seconds since this process last saw the log; None as long as nobody asked it anything."""
        return None if self._looked_at == -math.inf else time.monotonic() - self._looked_at

    def ring(self, organization_id: str) -> None:
        """Its log has grown: whoever asks from now on sees it. Never blocks, never fails."""
        self._rung = object()
        if organization_id != self.only_public:  # it may be public from now on
            self.only_public = None
        if channel := self.channels.get(organization_id):
            channel.ring()

    def public_scope(self, organization: str, tenant: str | None = None) -> Scope | None:
        """The scope behind `/{organization}[/{tenant}]`, if memory can tell that everybody may read it."""
        channel = self._channel_named(organization)
        if channel is None or not self.watches():
            return None
        channel.advance()
        scope = channel.state.scope_named(organization, tenant)
        return scope if scope and not channel.gone and channel.state.is_open_to_all(scope) else None

    def _channel_named(self, name: str) -> Channel | None:
        channel = self._open_channel(self._paths.get(name, ""))
        if channel and name in (channel.state.slug, channel.state.id):
            return channel
        self._paths.pop(name, None)
        for id, channel in list(self.channels.items()):
            if name in (channel.state.slug, channel.state.id):
                self._paths[name] = id
                return channel
        return None

    def advance(self, organization_id: str) -> None:
        """Bring an organization forward, if anybody here watches it."""
        channel = self.channels.get(organization_id)
        if channel is None:
            return
        channel.advance()
        channel.push_due()
        if channel.gone:
            self._forget(channel)

    def behind(self) -> list[str]:
        """The organizations whose log has grown, or that are gone, rung: one query for all.

        None at all when nothing was committed since a look that found everybody up to date.
        """
        self._watch_for_broadcasts()
        moment, rung, mark = time.monotonic(), self._rung, mark_of_commits()
        if mark is not None and mark == self._calm:
            self._looked_at = moment
            return []
        with db.engine.connect() as connection:
            public = connection.execute(PUBLIC).scalars().all()
            rows = connection.execute(HEADS, {"ids": list(self.channels)})
            heads = {id: (epoch, seq) for id, epoch, seq in rows}
        found = {
            id: channel
            for id, channel in list(self.channels.items())
            if heads.get(id) != (channel.state.epoch, channel.state.seq)
        }
        if self._rung is rung:  # else the next look tells
            self.only_public = public[0] if len(public) == 1 else None
        self._calm = mark  # before it is asked who rang meanwhile: that takes it back, now or later
        if found or self._rung is not rung:
            self._calm = None
        for channel in found.values():
            channel.ring()
        self._looked_at = moment
        return list(found)

    def _watch_for_broadcasts(self) -> None:
        """A broadcast to everybody is in every organization's log: one open channel hears it for loners.

        It is open before the first of them comes: a channel hears nothing from before its opening.
        """
        if not self.channels:
            with snapshot() as session:
                first = session.scalar(select(Organization.id).order_by(Organization.id).limit(1))
            if first:
                self.channel(first)

    def _tell_loners(self, line: Line) -> None:
        if line.broadcast_id and line.broadcast_id not in self._heard:
            self._heard.append(line.broadcast_id)
            tell(list(self.loners), line.global_message)

    def upkeep(self) -> None:
        """End expired seats, push what rested, forget what nobody watches."""
        before = time.monotonic() - IDLE_SECONDS
        for channel in list(self.channels.values()):
            channel.end_expired()
            channel.push_due()
            channel.drop_idle_boards(before)
            channel.pages.drop(before)
        self._forget_idle(before)

    def _forget_idle(self, before: float) -> None:
        """All but one: see _watch_for_broadcasts()."""
        with self._table:
            for id, channel in list(self.channels.items()):
                if channel.idle and channel.used_at < before and len(self.channels) > 1:
                    del self.channels[id]
                    self.on_move(channel)

    def _forget(self, channel: Channel) -> None:
        with self._table:
            if self.channels.get(channel.organization_id) is channel:
                del self.channels[channel.organization_id]

    def send_heads(self, transports: Iterable[str]) -> None:
        for channel in list(self.channels.values()):
            channel.send_heads(transports)

    def seats(self, organization_id: str) -> list[Seat]:
        channel = self.channels.get(organization_id)
        return list(channel.seats) if channel else []

    def connections(self) -> set[Connection]:
        """Everybody who listens, in a room or in none, each once."""
        seats = [seat for channel in list(self.channels.values()) for seat in list(channel.seats)]
        return {*list(self.loners), *(seat.connection for seat in seats)}
