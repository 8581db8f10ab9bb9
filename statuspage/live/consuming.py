"""Consumers over Socket.IO: where each goes on from, and what it acknowledges."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from ..database import Busy, Gone, db, end_session, transaction
from ..models import consumer as consumers
from ..models.consumer import Consumer
from ..models.errors import Invalid, NotFound, Refusal
from ..models.organization import Organization, Tenant
from ..models.role import may
from .audience import Held, Seat
from .channel import UNKNOWN
from .message import Cursor
from .views import DATA

PACE = 0.005  # seconds between two writes of acknowledgements
NO_ID = "This is no id of an event. Send the `id` of the last one that you handled."
NEEDS_TOKEN = "A consumer needs a token of a member: its position is kept for that user."
NONE = "There is no such consumer of yours on this connection. Authenticate with its consumerId first."
LATE = "Too many changes at once: this was not kept. Please send it again."


def take_up(seat: Seat, consumer_id: str, start: str | None) -> str:
    """Let a proved seat go on for its user's consumer of this name; the position it goes on from.

    A consumer that is new begins at `start`, if that is in the log, else now. Refusal for who is no member,
    for another view than data, and for a consumer of another scope.
    """
    user_id = seat.proof.user_id
    if user_id is None or not may(seat.role, "consumer.use"):
        raise Refusal(NEEDS_TOKEN)
    if seat.view != DATA:
        raise Refusal("A consumer takes events: leave view away.")
    try:
        found = _found_or_registered(seat, user_id, consumer_id, Cursor.parse(start))
        if found.scope != seat.scope:
            raise Refusal("This consumer listens to another page. Choose another consumerId for this one.")
        seat.consumer, kept = Held(found.id, consumer_id), found.cursor
        found.see()
    except Busy as error:
        raise Refusal(LATE) from error
    except Gone as error:
        raise NotFound(UNKNOWN) from error
    finally:
        end_session()  # nothing is held during the replay
    return start or kept


def check_alone(seats: Iterable[Seat], organization_id: str, consumer_id: str) -> None:
    """Refusal when one of these seats, of the same connection, is for another consumer there."""
    for seat in seats:
        if (
            seat.consumer
            and seat.scope.organization_id == organization_id
            and seat.consumer.consumer_id != consumer_id
        ):
            raise Refusal(
                "This connection is for another consumer of this organization. Open one for each consumer."
            )


def meant(seats: Iterable[Seat], organization_id: str | None, consumer_id: str | None) -> tuple[Seat, Held]:
    """The one consumer of these seats, of this organization and name where they are given."""
    found = [
        (seat, seat.consumer)
        for seat in seats
        if seat.consumer
        and not seat.ended
        and organization_id in (None, seat.scope.organization_id)
        and consumer_id in (None, seat.consumer.consumer_id)
    ]
    if not found:
        raise NotFound(NONE)
    if len(found) > 1:
        raise Refusal("This connection has several consumers. Give organizationId and consumerId.")
    return found[0]


def _found_or_registered(seat: Seat, user_id: str, consumer_id: str, start: Cursor | None) -> Consumer:
    session, scope = db.session(), seat.scope
    if found := consumers.find(session, user_id, scope.organization_id, consumer_id):
        return found
    organization = session.get(Organization, scope.organization_id)
    if organization is None:
        raise NotFound(UNKNOWN)
    with transaction(organization):
        tenant = session.get(Tenant, scope.tenant_id) if scope.tenant_id else None
        if tenant is None and scope.tenant_id:
            raise NotFound(UNKNOWN)
        return consumers.find(session, user_id, organization.id, consumer_id) or Consumer.register(
            organization,
            tenant,
            user_id=user_id,
            consumer_id=consumer_id,
            whole=scope.whole,
            position=_known(organization, start),
        )


def _known(organization: Organization, start: Cursor | None) -> Cursor | None:
    """The position, if it is in the log; else the client is told to start over, from now."""
    if start is None:
        return None
    try:
        consumers.check_position(organization, *start, field="cursor")
    except Invalid:
        return None
    return start


class Acknowledgement:
    """What one consumer said. `refusal`, or else `kept`: the position that is kept now; `moved`: by this."""

    __slots__ = ("consumer_id", "cursor", "kept", "moved", "refusal", "settled")

    def __init__(self, consumer_id: str, cursor: Cursor) -> None:
        self.consumer_id = consumer_id
        self.cursor = cursor
        self.kept = ""
        self.moved = False
        self.refusal: Refusal | None = None
        self.settled = False

    def settle(self, consumer: Consumer | None) -> None:
        try:
            if consumer is None:
                raise NotFound(NONE)
            self.moved = consumer.acknowledge(*self.cursor)
            self.kept = consumer.cursor
        except Refusal as refusal:
            self.refusal = refusal


class Acknowledgements:
    """Writes them for all clients of this process in batches: who comes during one is in the next."""

    def __init__(self) -> None:
        self._waiting: list[Acknowledgement] = []
        self._door = threading.Lock()  # guards `_waiting`; never held over I/O
        self._writing = threading.Lock()
        self._written_at = 0.0

    def keep(self, consumer_id: str, cursor: Cursor) -> Acknowledgement:
        """Return when it is in the database. Refusal when it could not be kept, or must not."""
        mine = Acknowledgement(consumer_id, cursor)
        with self._door:
            self._waiting.append(mine)
        with self._writing:
            if not mine.settled:
                time.sleep(max(0.0, self._written_at + PACE - time.monotonic()))
                with self._door:
                    batch, self._waiting = self._waiting, []
                self._write(batch)
                self._written_at = time.monotonic()
        if mine.refusal:
            raise mine.refusal
        return mine

    def _write(self, batch: list[Acknowledgement]) -> None:
        """In one transaction, or not at all: each of them is told."""
        try:
            with transaction():
                found = consumers.locked({each.consumer_id for each in batch})
                for each in batch:
                    each.settle(found.get(each.consumer_id))
        except BaseException as error:
            for each in batch:
                each.refusal = Refusal(LATE)
            if not isinstance(error, Busy):
                raise
        finally:
            for each in batch:
                each.settled = True
