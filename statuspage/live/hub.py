"""The hub: this process's audience. A channel per organization that somebody watches."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from sqlalchemy import select

from ..database import snapshot
from ..models.errors import NotFound
from ..models.organization import Organization
from . import state
from .audience import Connection, Seat
from .channel import UNKNOWN, Channel
from .feed import Line

IDLE_SECONDS = 60.0  # boards and channels without an audience are kept this long


class Hub:
    def __init__(self, *, build: str, push_interval: float) -> None:
        self.build = build
        self.push_interval = push_interval
        self.channels: dict[str, Channel] = {}
        self.loners: set[Connection] = set()
        """Clients in no room: they hear broadcasts to everybody, and nothing else."""
        self.on_first_use: Callable[[], None] = lambda: None  # starts the dispatcher
        self._opening = threading.Lock()
        self._heard: deque[str] = deque(maxlen=100)  # broadcasts to everybody that loners have got

    def channel(self, organization_id: str) -> Channel:
        """The organization's channel, opened when it is the first question. NotFound for an unknown id."""
        found = self.channels.get(organization_id)
        if found:
            return found
        self.on_first_use()
        with self._opening:
            if organization_id not in self.channels:
                with snapshot() as session:
                    loaded = state.load(session, organization_id)
                if loaded is None:
                    raise NotFound(UNKNOWN)
                self.channels[organization_id] = Channel(
                    loaded, build=self.build, push_interval=self.push_interval
                )
            return self.channels[organization_id]

    def advance(self, organization_id: str) -> None:
        """Bring an organization forward, if anybody here watches it."""
        channel = self.channels.get(organization_id)
        if channel is None:
            return
        lines = channel.advance()
        if channel.gone:
            self.channels.pop(organization_id, None)
        self._tell_loners(lines)

    def behind(self) -> list[str]:
        """The organizations whose log has grown, or that are gone: one query for all."""
        if not self.channels and not self.loners:
            return []
        with snapshot() as session:
            if self.loners:
                self._watch_for_broadcasts(session.scalar(select(Organization.id).order_by(Organization.id)))
            heads = {
                id: (epoch, seq)
                for id, epoch, seq in session.execute(
                    select(Organization.id, Organization.epoch, Organization.seq).where(
                        Organization.id.in_(list(self.channels))
                    )
                )
            }
        return [
            id
            for id, channel in list(self.channels.items())
            if heads.get(id) != (channel.state.epoch, channel.state.seq)
        ]

    def _watch_for_broadcasts(self, organization_id: str | None) -> None:
        """A broadcast to everybody is in every organization's log: one channel is enough to hear it."""
        if organization_id and organization_id not in self.channels:
            self.channel(organization_id)
        if organization_id:
            self.channels[organization_id].used_at = time.monotonic()

    def _tell_loners(self, lines: Iterable[Line]) -> None:
        for line in lines:
            if line.broadcast_id and line.broadcast_id not in self._heard:
                self._heard.append(line.broadcast_id)
                for connection in list(self.loners):
                    connection.deliver(line.global_message)

    def upkeep(self) -> None:
        """End expired seats, push what rested, forget what nobody watches."""
        before = time.monotonic() - IDLE_SECONDS
        for id, channel in list(self.channels.items()):
            channel.end_expired()
            channel.push_due()
            channel.drop_idle_boards(before)
            if channel.idle and channel.used_at < before:
                self.channels.pop(id, None)

    def send_heads(self) -> None:
        for channel in list(self.channels.values()):
            channel.send_heads()

    def seats(self, organization_id: str) -> list[Seat]:
        channel = self.channels.get(organization_id)
        return list(channel.seats) if channel else []

    def end_all(self, reason: str) -> None:
        """Shutdown: everybody is let go, and comes back with a cursor."""
        for channel in list(self.channels.values()):
            for seat in list(channel.seats):
                channel.end(seat, reason)
