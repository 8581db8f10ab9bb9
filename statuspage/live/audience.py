"""Who listens: connections, the seats they hold in an organization, and the rooms they sit in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from ..clock import now
from ..models.access import NOBODY, Proof
from ..models.connection import Ending
from ..models.role import Role
from ..models.scope import Scope
from . import transport
from .message import Message


class Connection(Protocol):
    """A Socket.IO client, a stream or a held poll. None of its methods yields or raises."""

    id: str

    @property
    def outlet(self) -> Any:
        """What has its wire and the form in which it takes messages: see transport.spread() and written()."""

    @property
    def transport(self) -> str:
        """websocket, polling, sse or poll."""

    def deliver(self, message: Message) -> None:
        """Queue a message. One that does not keep up is cut: it comes back with its cursor."""

    def wait_until_drained(self) -> None:
        """Block until most of what was queued has left (a long replay must not overrun the queue)."""

    def end(self, reason: str) -> None:
        """End it now; the client is told why where its transport can say so."""

    def let_go(self) -> None:
        """End it now, so that its client comes back by itself: what is queued is its last."""


class Held(NamedTuple):
    """The consumer that a seat goes on for: its id, and the client's own name for it."""

    id: str
    consumer_id: str


class Seat:
    """What one connection hears of one organization: a scope and a view, by right of a proof.

    It is registered before anything is proved, so that no change of access slips in between. `role`
    is what it was let in with (None: it still stands at the door). `consumer`: whose position it goes
    on from, if anybody's. Once `ended` it enters nothing more.
    """

    __slots__ = ("connection", "consumer", "ended", "proof", "role", "rooms", "scope", "since", "view")

    def __init__(self, connection: Connection, scope: Scope, view: str) -> None:
        self.connection = connection
        self.scope = scope
        self.view = view
        self.proof: Proof = NOBODY
        self.role: Role | None = None
        self.rooms: tuple[str, ...] = ()  # one or two: a tuple is a fifth of a set
        self.ended = False
        self.consumer: Held | None = None
        self.since = now()

    @property
    def expired(self) -> bool:
        return self.proof.expires_at is not None and self.proof.expires_at <= now()


class Room:
    """Seats that hear the same; `position` is the number of its last message, else of its birth."""

    __slots__ = ("name", "position", "seats")

    def __init__(self, name: str, position: int) -> None:
        self.name = name
        self.position = position
        self.seats: dict[Seat, Connection] = {}  # in the order in which they came

    def deliver(self, message: Message) -> list[Connection]:
        """Tell everybody in the room; the answer says whom."""
        connections = list(self.seats.values())  # some come and go meanwhile
        tell(connections, message)
        return connections

    def deliver_over(self, transports: Iterable[str], message: Message) -> None:
        """Tell those who listen over one of these transports."""
        tell([one for one in list(self.seats.values()) if one.transport in transports], message)


def tell(connections: Iterable[Connection], message: Message) -> None:
    """Queue a message to all of these: in one go to those on a wire, then to the others."""
    for connection in transport.spread(message, connections):
        connection.deliver(message)


# What ends a connection, in the words of python-engineio and of our wires; all else is its client's wish.
ENDINGS = {
    "ping timeout": Ending.LOST,
    "transport error": Ending.LOST,
    "it reads nothing": Ending.LOST,
    "too slow": Ending.SLOW,
    "server disconnect": Ending.STOPPED,
}


def ending_of(*reason: str) -> Ending:
    """How it ended, by the reason that the transport gives, if it gives one."""
    return ENDINGS.get(reason[0], Ending.LEFT) if reason else Ending.LEFT


class Audience:
    """Everybody who listens to one organization, and the rooms they sit in."""

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}
        self.seats: set[Seat] = set()
        self.expiring: set[Seat] = set()
        self.on_enter: Callable[[Seat], None] = lambda seat: None  # hears of each seat that is taken
        self.on_leave: Callable[[Seat, Ending], None] = lambda seat, ending: None  # and left, once
        self._door = threading.Lock()  # guards `rooms`; never held over I/O, so that leaving never waits

    def deliver(self, room: str, message: Message) -> None:
        """Tell everybody in the room, if there is one."""
        if found := self.rooms.get(room):
            found.deliver(message)

    def sit(self, seat: Seat, room: str, birth: int) -> bool:
        """Into the room, which begins at the position `birth` if it is new. False for one that has left."""
        with self._door:
            if seat.ended:
                return False
            found = self.rooms.get(room)
            if found is None:
                found = self.rooms[room] = Room(room, birth)
            found.seats[seat] = seat.connection
            if room not in seat.rooms:
                if not seat.rooms:
                    self.on_enter(seat)
                seat.rooms = (*seat.rooms, room)
            return True

    def leave(self, seat: Seat, rooms: Iterable[str] | None = None, ending: Ending = Ending.LEFT) -> None:
        """Leave these rooms; without `rooms`, all of them and the organization, for good."""
        with self._door:
            if rooms is None and seat.rooms:
                self.on_leave(seat, ending)
            seat.ended = seat.ended or rooms is None
            leaving = set(seat.rooms if rooms is None else rooms)
            seat.rooms = tuple(name for name in seat.rooms if name not in leaving)
            for name in leaving:
                if room := self.rooms.get(name):
                    room.seats.pop(seat, None)
                    if not room.seats:
                        del self.rooms[name]
        if rooms is None:
            self.seats.discard(seat)
            self.expiring.discard(seat)

    def end(self, seat: Seat, reason: str) -> None:
        """Take the seat away and end its connection."""
        self.leave(seat, ending=Ending.REFUSED)
        seat.connection.end(reason)

    def end_all(self) -> None:
        for seat in list(self.seats):
            self.end(seat, "Your access has ended.")

    def end_expired(self) -> None:
        for seat in [seat for seat in list(self.expiring) if seat.expired]:
            self.end(seat, "Your token has expired.")
