"""Consumers over REST: register, acknowledge, and read what waits."""

from typing import Any

from flask import Response, current_app
from sqlalchemy import or_, select

from ...database import db, end_session, transaction
from ...live.channel import Channel
from ...live.message import Cursor
from ...live.stream import Poll
from ...live.views import DATA
from ...models import consumer as consumers
from ...models.access import role_in
from ...models.consumer import Consumer
from ...models.errors import Conflict, Invalid, NotAllowed, NotFound
from ...models.role import may
from ...models.scope import Scope
from ...schemas import consumer as shapes
from ...schemas.query import ListQuery
from ..auth import current_proof, require
from ..idempotency import once
from ..tenancy import NOTHING, load_scope
from .answering import answer, check_unchanged, created, deleted
from .endpoint import endpoint
from .listing import Moment, Order
from .reading import read_body, read_query

FIRST_FIRST = Order(Consumer.created_at, Consumer.id, Moment)


@endpoint("GET", "/consumers", asks=ListQuery, gives=shapes.ConsumerList, refuses=(403,))
def list_consumers() -> Response:
    """List your consumers, the oldest first. An admin sees everybody's: of a tenant, only that tenant's."""
    query = read_query(ListQuery)
    scope = Scope(query.organization_id, query.tenant_id, whole=query.scope == "all")
    role = require(scope, "consumer.use")
    rows = select(Consumer).where(
        Consumer.organization_id == scope.organization_id, scope.where(Consumer.tenant_id)
    )
    if not scope.whole:
        rows = rows.where(Consumer.whole.is_(False))
    mine = Consumer.user_id == current_proof().user_id
    if not may(role, "consumer.list"):
        rows = rows.where(mine)
    elif scope.tenant_id:  # a role in a tenant is none over what the organization's own page has
        rows = rows.where(or_(mine, Consumer.tenant_id == scope.tenant_id))
    return answer(FIRST_FIRST.page(rows, query))


@endpoint("POST", "/consumers", takes=shapes.NewConsumer, gives=shapes.Consumer, status=201)
def register_consumer() -> Response:
    """Register a consumer. Its events wait until it acknowledges them, as long as the log keeps them.

    Over Socket.IO the first `authenticate` with a new `consumerId` does the same.
    """
    new = read_body(shapes.NewConsumer)
    start = _position(new.cursor, "cursor") if new.cursor else None
    scope = Scope(new.organization_id, new.tenant_id, whole=new.scope == "all")
    require(scope, "consumer.use")
    organization, tenant = load_scope(new.organization_id, new.tenant_id, "consumer.use")
    user_id = current_proof().user_id
    assert user_id  # a visitor has no role that may
    done = once(
        lambda: Consumer.register(
            organization,
            tenant,
            user_id=user_id,
            consumer_id=new.consumer_id,
            whole=scope.whole,
            position=start,
        ).as_json(),
        organization,
    )
    return created(done, f"/api/consumers/{done.body['id']}")


@endpoint("GET", "/consumers/<id>", gives=shapes.Consumer, refuses=(403, 409))
def read_consumer(id: str) -> Response:
    """Read a consumer, by its id or your own consumerId. An admin reads everybody's."""
    return answer(_found(id, "consumer.list").as_json())


@endpoint("DELETE", "/consumers/<id>", status=204)
def delete_consumer(id: str) -> Response:
    """Delete a consumer and forget its position. An admin deletes everybody's."""
    consumer = _found(id, "consumer.delete")
    with transaction():
        locked = _locked(consumer)
        check_unchanged(locked)
        locked.remove()
    return deleted()


@endpoint("PUT", "/consumers/<id>/cursor", takes=shapes.Acknowledgement, gives=shapes.Consumer)
def acknowledge(id: str) -> Response:
    """Acknowledge every event up to this one. An earlier one than before moves nothing back."""
    consumer = _own(id)
    said = read_body(shapes.Acknowledgement)
    position = _position(said.id, "id")
    with transaction():
        locked = _locked(consumer)
        check_unchanged(locked)
        locked.acknowledge(*position)
    return answer(locked.as_json())


@endpoint("GET", "/events", asks=shapes.EventsQuery, gives=shapes.Events, refuses=(403, 409))
def read_events() -> Response:
    """Read the events that a consumer has not acknowledged, oldest first.

    The same ones come again until they are acknowledged. With `wait` the answer is held until there is one.
    """
    query = read_query(shapes.EventsQuery)
    consumer = _own(query.consumer)
    kept, scope, proof = consumer.cursor, consumer.scope, current_proof()
    consumer.see()
    end_session()  # nothing is held while it waits
    channel: Channel = current_app.extensions["live"].hub.channel(scope.organization_id)
    found = Poll(channel, scope, DATA, proof).answer(kept, query.wait)
    return answer(_page(found, kept, query.limit, channel, scope))


def _page(
    found: dict[str, Any] | None, kept: str, limit: int, channel: Channel, scope: Scope
) -> dict[str, Any]:
    """At most `limit` of what was found after the position that is kept."""
    if found is None:
        return {"events": [], "cursor": kept, "reset": False, "more": False}
    events = found["events"][:limit]
    cut = len(events) < len(found["events"])
    cursor = Cursor.parse(events[-1]["id"] if cut else found["cursor"])
    assert cursor  # it is ours
    more = not found["reset"] and (cut or cursor.seq < channel.state.position(scope))
    return {"events": events, "cursor": str(cursor), "reset": found["reset"], "more": more}


def _position(text: str, field: str) -> Cursor:
    cursor = Cursor.parse(text)
    if cursor is None:
        raise Invalid("This is no position: send the `id` of an event, as it came.", field)
    return cursor


def _own(id: str) -> Consumer:
    """The asker's own consumer. NotFound, Unauthenticated or NotAllowed for another one."""
    consumer = _found(id, "consumer.use")
    if consumer.user_id != current_proof().user_id:
        raise NotAllowed("This consumer is somebody else's.")
    return consumer


def _found(id: str, verb: str) -> Consumer:
    """The consumer by its id, or one's own by its consumerId; somebody else's if the asker may do this."""
    mine = current_proof().user_id
    found = db.session.get(Consumer, id) if "\x00" not in id else None
    if found is None:
        found = _named(id)
    require(found.scope, "consumer.use" if found.user_id == mine else verb)
    return found


def _named(name: str) -> Consumer:
    """The asker's own consumer of this name within reach. Conflict when there are several."""
    proof = current_proof()
    if proof.user_id is None or "\x00" in name:
        raise NotFound(NOTHING)
    own = select(Consumer).where(Consumer.user_id == proof.user_id, Consumer.consumer_id == name)
    found = [one for one in db.session.scalars(own) if role_in(db.session(), proof, one.scope)]
    if not found:
        raise NotFound(NOTHING)
    if len(found) > 1:
        raise Conflict("You have consumers of this name in several organizations. Name this one by its id.")
    return found[0]


def _locked(consumer: Consumer) -> Consumer:
    """The same, as it is now. NotFound when it was deleted meanwhile."""
    found = consumers.locked([consumer.id]).get(consumer.id)
    if found is None:
        raise NotFound(NOTHING)
    return found
