"""Entering: prove, replay what was missed, then sit down, without a gap and without a double."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..database import snapshot
from ..models import token
from ..models.access import NOBODY, Proof
from ..models.errors import NotFound
from ..models.organization import Organization
from ..models.role import Role, may
from ..models.scope import Scope
from . import counts, replay, views
from .audience import Seat
from .boards import UNKNOWN, board_room
from .channel import Channel
from .feed import Line
from .message import Cursor, Message


class Joined(NamedTuple):
    """How a seat came in: its position now, how many messages were replayed, whether it must start over."""

    cursor: str
    replayed: int
    reset: bool


def wanted(text: str | None) -> Cursor | None:
    """The position a data client asks to go on from. One that cannot be read belongs to no epoch."""
    return (Cursor.parse(text) or Cursor("", 0)) if text else None


def data_rooms(scope: Scope) -> set[str]:
    """Data rooms nest: a tenant's listener hears the organization's room too."""
    return {scope.room} if scope.whole else {Scope(scope.organization_id).room, scope.room}


def prove_visitor(channel: Channel, seat: Seat) -> Role:
    """The role of a registered seat that brings no secret: what the page says of itself, in memory.

    A change of access that this state does not know yet is met by the seat, for it is registered.
    """
    channel.advance()
    if not channel.state.is_open_to_all(seat.scope):
        channel.look()  # it may have become so elsewhere
    with channel.lock:
        _check_present(channel, seat)
        role = Role.VISITOR if channel.state.is_open_to_all(seat.scope) else None
        if role is None or not may(role, views.verb(seat.view)):
            raise NotFound(UNKNOWN)
        seat.role = role
        return role


def prove(
    channel: Channel,
    seat: Seat,
    role_of: Callable[[Session], tuple[Proof, Role | None]],
    brought: Hashable = None,
) -> Role:
    """The role of a registered seat: `role_of` runs until no change of access came in between.

    What the seat hears next is of the same life of the log as the proof: a right to read from now on
    is no right to what this process still remembers of a private past. `brought`: what a client is known
    again by, see proofs.py.
    """
    if brought and (known := _prove_again(channel, seat, brought)):
        return known
    while True:
        seen = channel.access_changes
        with snapshot() as session:
            proof, role = role_of(session)
            epoch = session.scalar(select(Organization.epoch).filter_by(id=channel.organization_id))
            token = session.info.get("proved")
        if role is None or epoch is None or not may(role, views.verb(seat.view)):
            raise NotFound(UNKNOWN)
        if epoch != channel.state.epoch:
            channel.look()
        with channel.lock:
            _check_present(channel, seat)
            if seen == channel.access_changes and epoch == channel.state.epoch:
                seat.proof, seat.role = proof, role
                if seat.expired:
                    raise NotFound(UNKNOWN)
                if proof.expires_at:
                    channel.expiring.add(seat)
                if brought and token and token.organization_id == channel.organization_id:
                    channel.proofs.keep((seen, epoch), (seat.scope, brought), proof, role)
                return role


def _prove_again(channel: Channel, seat: Seat, brought: Hashable) -> Role | None:
    """The role of who was proved a while ago, if access has not changed since; None: ask the database.

    A change that this state does not know yet is met by the seat, for it is registered.
    """
    channel.advance()
    with channel.lock:
        _check_present(channel, seat)
        access = channel.access_changes, channel.state.epoch
        proof, role = channel.proofs.find(access, (seat.scope, brought)) or (NOBODY, None)
        if not may(role, views.verb(seat.view)):
            return None
        seat.proof = proof
        if seat.expired:
            return None
        seat.role = role
        if proof.expires_at:
            channel.expiring.add(seat)
    if proof.token_id:
        token.last_use.note(proof.token_id)
    return role


def _check_present(channel: Channel, seat: Seat) -> None:
    """NotFound when the seat was taken away, or its client left, in the meantime."""
    if seat.ended or channel.gone:
        raise NotFound(UNKNOWN)


def enter_data(
    channel: Channel,
    seat: Seat,
    rooms: Iterable[str],
    cursor: Cursor | None,
    instead_of: Collection[Seat] = (),
) -> Joined:
    """Replay what these rooms heard after the cursor, then enter them: each line once, in order.

    The seat takes the place of `instead_of`, seats of the same connection: what it hears through them
    is not replayed.
    """
    rooms = set(rooms)
    heard = {room for other in instead_of for room in other.rooms}
    after = cursor if rooms - heard else None
    asked, replayed, reset = after is not None, 0, False
    source = counts.MEMORY if after else None
    while True:
        more = after is not None
        while more and after is not None:  # empty-handed: no lock and no session while it is sent
            page = replay.after(channel, seat.scope, after)
            _check_present(channel, seat)
            replayed += _send(seat, page.lines, rooms, heard)
            after, more, reset = (None if page.reset else page.cursor), page.more, page.reset
            source = source if page.source == counts.MEMORY else page.source
            seat.connection.wait_until_drained()
        with channel.lock:
            _check_present(channel, seat)
            if after and not channel.remembers(after):
                continue  # it moved on while we were sending
            if after:
                replayed += _send(seat, channel.memory.after(after.seq), rooms, heard)
            if reset:
                now = channel.state.cursor(seat.scope)
                seat.connection.deliver(Message("reset", {"cursor": now}, now))
            if asked:
                seat.connection.deliver(channel.status_message(seat.scope))
            channel.enter(seat, rooms)
            for other in instead_of:
                channel.leave(other)
            _count(channel, seat, source, cursor if replayed else None)
            return Joined(channel.state.cursor(seat.scope), replayed, reset)


def _send(seat: Seat, lines: Iterable[Line], rooms: set[str], heard: set[str]) -> int:
    """Send what belongs to these rooms and was not heard through the others."""
    sent = 0
    for line in lines:
        if not line.is_data or not seat.scope.shows(line.tenant_id):
            continue
        room = seat.scope.room if seat.scope.whole else line.room
        if room in rooms and not heard & {room, line.room}:
            seat.connection.deliver(line.message_for(room))
            sent += 1
    return sent


def _count(
    channel: Channel,
    seat: Seat,
    source: str | None,
    cursor: Cursor | None,
    change: Message | None = None,
    again: bool = False,
) -> None:
    after = cursor.seq if cursor and cursor.epoch == channel.state.epoch else None
    channel.tally.entered(seat, source, after, change, again)


def enter_board(channel: Channel, seat: Seat, cursor: Cursor | None, *, again: bool = False) -> Joined:
    """Send what the board changed after the cursor (all of it without one), then enter its room.

    `again`: the client says that it was here before.
    """
    channel.reach(cursor)
    while True:
        board = channel.board(seat.scope, seat.view)
        with channel.lock:
            _check_present(channel, seat)
            if channel.boards.get((seat.scope, seat.view)) is not board or board.lost:
                continue  # redrawn under another epoch, or forgotten, in between
            reset = cursor is not None and not board.knows(cursor)
            change = board.message(cursor)
            if change:
                seat.connection.deliver(change)
            channel.enter(seat, [board_room(seat.scope, seat.view)])
            source = counts.RESET if reset else counts.BOARD if cursor and change else None
            _count(channel, seat, source, cursor if change else None, change, again)
            return Joined(str(board.cursor), int(change is not None), reset)
