"""SocketConnection: one Socket.IO client of this process."""

from __future__ import annotations

import time

from ..database import new_id
from ..models.errors import Refusal
from ..models.role import Role
from . import transport
from .audience import Seat
from .message import Message

RATE_SECONDS = 10
PATIENCE = 100  # refused events until a connection is ended
DRAIN_SECONDS = 30.0
DRAINED = 200  # queued packets below which a replay goes on


class SocketConnection:
    """The secret it brought, the role it lowered itself to, and its seats."""

    __slots__ = ("cap", "gone", "id", "outlet", "refused", "said", "seats", "secret", "window")

    def __init__(self, session: transport.Session, secret: str | None) -> None:
        self.id = new_id()  # never the session id, which is a bearer secret
        self.outlet = session
        self.secret = secret
        self.cap: Role | None = None
        self.seats: tuple[Seat, ...] = ()
        self.gone = False
        self.window = 0.0  # since when events are counted,
        self.said = 0  # how many there were,
        self.refused = 0  # and how many too many in all

    @property
    def transport(self) -> str:
        return self.outlet.transport

    def deliver(self, message: Message) -> None:
        self.outlet.send(message.packet)

    def wait_until_drained(self) -> None:
        """Let a slow client take in what was replayed; one that does not move is cut by the transport."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while self.outlet.backlog > DRAINED and time.monotonic() < deadline:
            time.sleep(0.01)

    def end(self, reason: str) -> None:
        self.deliver(Message("error", {"message": reason}))
        self.outlet.disconnect()

    def let_go(self) -> None:
        self.outlet.let_go()

    def hold_to(self, rate: int) -> None:
        """Count an event. Refusal for one that is too many; who does not stop is ended."""
        moment = time.monotonic()
        if moment - self.window > RATE_SECONDS:
            self.window, self.said = moment, 0
        self.said += 1
        if self.said <= rate:
            return
        self.refused += 1
        if self.refused > PATIENCE:
            self.end("Too many messages. Connect again, and send fewer.")
        raise Refusal(f"Too many messages: at most {rate} in {RATE_SECONDS} seconds.")
