"""The Socket.IO events of docs/protocol.md: authenticate, join, leave, ack, ping, and what answers them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from typing import Any

from flask import Flask
from flask_socketio import SocketIO
from pydantic import ValidationError
from sqlalchemy.orm import Session
from werkzeug.http import parse_cookie

from .. import logs
from ..clock import iso, now
from ..database import note_failure
from ..models import session as user_session
from ..models.access import Proof
from ..models.errors import NotFound, Refusal
from ..models.role import Role
from ..models.scope import Scope
from ..schemas.live import Ack, Authenticate, Join, Leave, Payload, Ping
from . import consuming, entry, transport
from .audience import Seat, ending_of
from .channel import Channel
from .claim import claimed, proved
from .connection import SocketConnection
from .consuming import Acknowledgements
from .entry import Joined
from .hub import Hub
from .message import Cursor, Message
from .payloads import payload, position, refused, words
from .proofs import brought
from .views import DATA

log = logging.getLogger(__name__)


class Sockets:
    """Registers the events and keeps the clients of this process."""

    def __init__(self, app: Flask, socketio: SocketIO, hub: Hub, rate: int) -> None:
        self._app = app
        self._socketio = socketio
        self._hub = hub
        self._rate = rate
        self._clients: dict[str, SocketConnection] = {}
        self._acknowledgements = Acknowledgements()
        # On the server itself: a request context for each event would be a third of the cost of a join.
        on = socketio.server.on
        on("connect", self._connect)
        on("disconnect", self._disconnect)
        events: dict[str, tuple[type[Payload], Callable[..., Any], str]] = {
            "authenticate": (Authenticate, self._authenticate, "authentication-error"),
            "join-organization": (Join, self._join, "error"),
            "leave-organization": (Leave, self._leave, "error"),
            "ack": (Ack, self._ack, "error"),
            "ping": (Ping, self._ping, "error"),
        }
        for name, (schema, handler, failure) in events.items():
            on(name, self._handler(schema, handler, failure))
        on("*", self._unknown)

    # --- coming and going: no I/O, so that no session is left behind ---------------------------------

    def _connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        secret = auth.get("token") if isinstance(auth, dict) else None
        secret = secret[:200] if isinstance(secret, str) and secret else _cookie(environ)
        session = transport.session(self._socketio, sid)
        if session is None:
            return
        connection = self._clients[sid] = SocketConnection(session, secret)
        self._hub.on_first_use()
        self._hub.loners.add(connection)

    def _disconnect(self, sid: str, *reason: Any) -> None:
        connection = self._clients.pop(sid, None)
        if connection is None:
            return
        connection.gone = True  # first, so that a join that is still going on sits down no more
        for seat in connection.seats:
            self._drop(connection, seat, *reason)
        self._hub.loners.discard(connection)

    # --- every event -------------------------------------------------------------------------------

    def _handler(
        self, schema: type[Payload], handler: Callable[..., Message], failure: str
    ) -> Callable[..., dict[str, Any] | None]:
        """Rate, shape, then the handler; its answer is emitted and acknowledged."""

        def handle(sid: str, *data: Any) -> dict[str, Any] | None:
            connection = self._clients.get(sid)
            if connection is None:
                return None
            logs.request_id.set(connection.id)
            try:
                connection.hold_to(self._rate)
                with self._app.app_context():
                    answer = handler(connection, payload(schema, data))
            except Refusal as refusal:
                answer = refused(failure, refusal.message)
            except ValidationError as error:
                answer = refused(failure, words(error))
            except Exception as error:
                note_failure(log, error, "A Socket.IO handler failed")
                answer = refused(failure, "Something failed on our side. Please try again.")
            connection.deliver(answer)
            return answer.payload

        return handle

    def _unknown(self, event: str, sid: str, *_data: Any) -> dict[str, Any] | None:
        return self._handler(
            Ping, lambda connection, _: refused("error", "There is no such event."), "error"
        )(sid)

    # --- the events --------------------------------------------------------------------------------

    def _authenticate(self, connection: SocketConnection, claim: Authenticate) -> Message:
        secret = claim.token or connection.secret
        if claim.consumer_id and secret is None:
            raise Refusal(consuming.NEEDS_TOKEN)
        claims = secret or claim.user_id or claim.user_role
        seat, joined = self._enter(
            connection,
            claim,
            (lambda session, scope: claimed(session, secret, scope, claim)) if claims else None,
            brought(secret, claim.user_id, claim.user_role),
            claim.consumer_id,
        )
        connection.secret, connection.cap = secret, seat.proof.cap
        assert seat.role  # it was let in
        return Message(
            "authenticated",
            {
                "success": True,
                "clientId": connection.id,
                "organizationId": claim.organization_id,
                "tenantId": claim.tenant_id,
                "role": seat.role.value,
                **position(joined),
            },
        )

    def _join(self, connection: SocketConnection, wish: Join) -> Message:
        secret, cap = connection.secret, connection.cap
        _, joined = self._enter(
            connection,
            wish,
            (lambda session, scope: proved(session, secret, scope, cap)) if secret else None,
            brought(secret, cap),
        )
        return Message(
            "joined-organization",
            {"organizationId": wish.organization_id, "tenantId": wish.tenant_id, **position(joined)},
        )

    def _leave(self, connection: SocketConnection, wish: Leave) -> Message:
        seats = [seat for seat in connection.seats if seat.scope.organization_id == wish.organization_id]
        if wish.tenant_id:
            seats = [seat for seat in seats if seat.scope.tenant_id == wish.tenant_id]
        if not seats:
            raise NotFound("You are not in this organization.")
        for seat in seats:
            self._leave_seat(connection, seat, only_tenant=bool(wish.tenant_id))
        return Message("left-organization", {"organizationId": wish.organization_id, "timestamp": iso(now())})

    def _ack(self, connection: SocketConnection, wish: Ack) -> Message:
        """A consumer handled all up to this id."""
        cursor = Cursor.parse(wish.id)
        if cursor is None:
            raise Refusal(consuming.NO_ID)
        seat, held = consuming.meant(connection.seats, wish.organization_id, wish.consumer_id)
        done = self._acknowledgements.keep(held.id, cursor)
        if done.moved:
            connection.said -= 1  # waiting for the database is pace enough
        return Message(
            "acknowledged",
            {
                "consumerId": held.consumer_id,
                "organizationId": seat.scope.organization_id,
                "cursor": done.kept,
                "timestamp": iso(now()),
            },
        )

    def _ping(self, connection: SocketConnection, _wish: Ping) -> Message:
        return Message("pong", {"timestamp": iso(now())})

    # --- entering and leaving ----------------------------------------------------------------------

    def _enter(
        self,
        connection: SocketConnection,
        wish: Join,
        prove: Callable[[Session, Scope], tuple[Proof, Role | None]] | None,
        brought: Hashable,
        consumer_id: str | None = None,
    ) -> tuple[Seat, Joined]:
        """Register, prove, replay, enter: in this order, so that nothing is missed and nothing leaks.

        Without `prove` it is a visitor's. A consumer goes on from where it is, unless it says otherwise.
        """
        channel = self._hub.channel(wish.organization_id)
        scope = Scope(wish.organization_id, wish.tenant_id, whole=wish.scope == "all")
        if scope.whole and scope.tenant_id:
            raise Refusal("Ask for the whole organization, or for one tenant.")
        seat = Seat(connection, scope, wish.view)
        channel.register(seat)
        try:
            if prove is None:
                entry.prove_visitor(channel, seat)
            else:
                entry.prove(channel, seat, lambda session: prove(session, scope), brought)
            cursor = wish.cursor
            if consumer_id:
                consuming.check_alone(connection.seats, wish.organization_id, consumer_id)
                cursor = consuming.take_up(seat, consumer_id, cursor)
            joined = self._take_seat(connection, channel, seat, cursor, wish.again)
        except BaseException:
            channel.leave(seat)
            raise
        return seat, joined

    def _take_seat(
        self, connection: SocketConnection, channel: Channel, seat: Seat, cursor: str | None, again: bool
    ) -> Joined:
        others = connection.seats
        connection.seats = (*others, seat)
        self._hub.loners.discard(connection)
        try:
            if connection.gone:
                raise NotFound("This connection has ended.")
            if seat.view == DATA:
                return self._take_data_seat(connection, channel, seat, entry.wanted(cursor), others)
            joined = entry.enter_board(channel, seat, Cursor.parse(cursor), again=again)
            for other in others:
                if other.view != DATA:  # a connection has one HTML room
                    self._drop(connection, other)
            return joined
        except BaseException:
            self._drop(connection, seat)
            raise

    def _take_data_seat(
        self,
        connection: SocketConnection,
        channel: Channel,
        seat: Seat,
        cursor: Cursor | None,
        others: tuple[Seat, ...],
    ) -> Joined:
        """In place of the seat this connection had in the scope; the whole organization, of all of them."""
        mine = [o for o in others if o.view == DATA and o.scope.organization_id == channel.organization_id]
        if seat.consumer:  # all from its own position on, whatever this connection heard
            for other in mine:
                self._drop(connection, other)
            mine.clear()
        replaced = [o for o in mine if seat.scope.whole or o.scope == seat.scope]
        inside = {room for other in mine if other not in replaced for room in other.rooms}
        everything = Scope(channel.organization_id, whole=True).room
        rooms = set() if everything in inside else entry.data_rooms(seat.scope) - inside
        seat.consumer = seat.consumer or next((other.consumer for other in replaced if other.consumer), None)
        joined = entry.enter_data(channel, seat, rooms, cursor, replaced)
        for other in replaced:
            self._drop(connection, other)
        return joined

    def _leave_seat(self, connection: SocketConnection, seat: Seat, *, only_tenant: bool) -> None:
        """Leaving a tenant keeps the organization's room that came with it."""
        organization = Scope(seat.scope.organization_id).room
        if only_tenant and seat.view == DATA and organization in seat.rooms:
            self._stay(connection, seat, organization)
        self._drop(connection, seat)

    def _stay(self, connection: SocketConnection, seat: Seat, room: str) -> None:
        """In the organization's room, from a tenant's seat: a seat of its own, for it is another scope.

        It is nobody's consumer: that listens to the tenant too.
        """
        channel = self._hub.channels.get(seat.scope.organization_id)
        if channel is None:
            return
        stays = Seat(connection, Scope(seat.scope.organization_id), DATA)
        stays.proof, stays.role = seat.proof, seat.role
        connection.seats = (*connection.seats, stays)
        try:
            channel.register(stays)
            if stays.proof.expires_at:
                channel.expiring.add(stays)
            entry.enter_data(channel, stays, [room], None, [seat])
        except BaseException:
            self._drop(connection, stays)
            raise

    def _drop(self, connection: SocketConnection, seat: Seat, *reason: str) -> None:
        connection.seats = tuple(mine for mine in connection.seats if mine is not seat)
        channel = self._hub.channels.get(seat.scope.organization_id)
        if channel:
            channel.leave(seat, ending=ending_of(*reason))
        if not connection.seats and not connection.gone:
            self._hub.loners.add(connection)


def _cookie(environ: dict[str, Any]) -> str | None:
    """The secret of the browser's session. Pages of other sites cannot bring it: see ORIGINS."""
    said = parse_cookie(environ).get(user_session.COOKIE, "")
    return said[:200] if said.startswith(user_session.PREFIX) else None
