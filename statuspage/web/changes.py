"""`/stream` and `/changes`: the live page over plain HTTP, when WebSocket does not get through."""

import math

from flask import Blueprint, Response, current_app, json, request

from ..database import end_session
from ..live.channel import Channel
from ..live.message import Cursor
from ..live.stream import MAX_WAIT, Poll, Stream
from ..models.access import Proof
from ..models.errors import Invalid
from ..models.scope import Scope
from .auth import current_proof
from .door import share
from .tenancy import scope_of_path

blueprint = Blueprint("changes", __name__)


@blueprint.get("/<org>/stream")
@blueprint.get("/<org>/<tenant>/stream")
def stream(org: str, tenant: str | None = None) -> Response:
    """Server-sent events after `?cursor` (the Last-Event-ID header wins) of `?view` (default `page`).

    With `?again=1`, or that header, the client is counted as one that came back.
    """
    scope, proof, channel = _opened(org, tenant)
    last = request.headers.get("Last-Event-ID")
    cursor, again = last or request.args.get("cursor"), bool(last or request.args.get("again") == "1")
    events = Stream(channel, scope, _view(), proof, cursor, request.remote_addr, again=again)
    response = Response(iter(()), content_type="text/event-stream; charset=utf-8")
    if "transport.request" in request.environ:
        request.environ["transport.stream"] = events  # the connection is its own from here on
    else:
        response.response = iter(events)
        response.call_on_close(events.close)
    response.headers["Cache-Control"] = "no-cache, no-transform"
    response.headers["X-Accel-Buffering"] = "no"
    return response


@blueprint.get("/<org>/changes")
@blueprint.get("/<org>/<tenant>/changes")
def changes(org: str, tenant: str | None = None) -> Response:
    """What changed after `?cursor`: 200 with JSON, or 204. `?wait=25` holds it until there is news."""
    wait = _wait()
    scope, proof, channel = _opened(org, tenant)
    view, cursor = _view(), request.args.get("cursor")
    channel.reach(Cursor.parse(cursor))
    channel.advance()
    state = channel.state
    found = Poll(channel, scope, view, proof).answer(cursor, wait)
    if found is not None or wait == 0:  # after a wait it is no longer true that there is nothing new
        share(scope, state, view)
    response = (
        Response(status=204) if found is None else Response(json.dumps(found), mimetype="application/json")
    )
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Build"] = channel.build
    response.headers["Vary"] = "Authorization, Cookie"
    if found is not None:
        response.add_etag()
        response.make_conditional(request)
    return response


def _opened(org: str, tenant: str | None) -> tuple[Scope, Proof, Channel]:
    """The scope, the asker's proof and the channel; the request's database session is given back."""
    scope = scope_of_path(org, tenant, whole=_whole())
    proof = current_proof()
    end_session()
    return scope, proof, current_app.extensions["live"].hub.channel(scope.organization_id)


def _view() -> str:
    return request.args.get("view", "page")


def _whole() -> bool:
    asked = request.args.get("scope")
    if asked not in (None, "all"):
        raise Invalid("Leave scope away, or write scope=all.", "scope")
    return asked == "all"


def _wait() -> float:
    """Seconds, at most MAX_WAIT."""
    text = request.args.get("wait", "0")
    try:
        wait = float(text)
    except ValueError:
        wait = math.nan
    if not 0 <= wait < math.inf:
        raise Invalid("Write how many seconds to wait, from 0 to 25.", "wait")
    return min(wait, MAX_WAIT)
