"""Documents of a scope: the same bytes for everybody at one position, asked for conditionally (RFC 9110)."""

import re
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from flask import Response, current_app, render_template, request

from ..database import db
from ..live.board import Drawing, Part
from ..live.channel import Channel
from ..live.chores import turn_day_if_due
from ..live.state import State
from ..live.views import page
from ..models.access import NOBODY
from ..models.organization import Organization
from ..models.scope import Scope
from .auth import current_proof
from .door import share
from .headers import page_policy
from .look import accent_style
from .packing import GOOD, IDENTITY, encoding_of, pack

AS_OF = "statuspage.as_of"  # of the WSGI environment, see as_of()
FRAME = ("name", "accent", "subscribe", "links")  # parts that do not stand in the board
WORTH_PACKING = 1_000  # bytes
# Everybody may keep it but asks whether it is still so. A proxy may show it for an hour while we are down;
# no longer, for a page may have become private since (RFC 9111, 4.2.4; RFC 5861, 4).
PUBLIC = "public, max-age=0, stale-if-error=3600"
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2


def opened(scope: Scope) -> Channel:
    """The organization's channel, today; the request's database session holds no snapshot meanwhile."""
    channel: Channel = current_app.extensions["live"].hub.channel(scope.organization_id)
    if not channel.state.is_of_today:
        organization = db.session.get(Organization, scope.organization_id)
        if organization:
            turn_day_if_due(organization)
    db.session.rollback()
    return channel


class Shown(NamedTuple):
    """A board and the state it was drawn from, at one position."""

    state: State
    cursor: str
    drawing: Drawing


def shown(scope: Scope, view: str) -> Shown:
    """The view as of what is committed. NotFound when there is no such view of that scope."""
    channel = opened(scope)
    with channel.lock:  # the state, and the board as it is in this state
        board = channel.board(scope, view)
        return Shown(channel.state, str(board.cursor), board.drawing)


def current_state(scope: Scope) -> State:
    """The state as of what is committed. NotFound when what the scope shows was deleted meanwhile."""
    return opened(scope).state_of(scope)


def conditional(scope: Scope, state: State, tag: str, modified: datetime | None = None) -> Response:
    """An answer without a body yet: 304 for one who has this version, else 200 to be filled.

    The tag is weak: the same document may travel packed or not.
    """
    response = Response()
    tag = f"{current_app.extensions['live'].build}-{scope.room}-{tag}".replace('"', "")
    response.set_etag(tag, weak=True)
    if modified:  # an empty one would be written as of now
        response.last_modified = modified
    public = state.is_public(scope)
    response.headers["Cache-Control"] = PUBLIC if public else "private, no-cache"
    if state.accent:
        assets = current_app.extensions["assets"]
        response.headers["Content-Security-Policy"] = page_policy(assets, accent_style(state.accent))
    response.vary.add("Accept-Encoding")
    if current_proof() is not NOBODY or not public:
        response.vary.update(("Authorization", "Cookie"))
    if not welcomes_crawlers(scope, state):
        response.headers["X-Robots-Tag"] = "noindex"
    if _has_it(tag, modified):
        response.status_code = 304
    share(scope, state, "page")
    return response


def welcomes_crawlers(scope: Scope, state: State) -> bool:
    return state.indexed and state.is_public(scope)


def _has_it(tag: str, modified: datetime | None) -> bool:
    """If-None-Match rules; If-Modified-Since is for those who send nothing else (RFC 9110, 13.2.2)."""
    if request.if_none_match:
        return request.if_none_match.contains_weak(tag)
    since = request.if_modified_since
    return bool(since and modified and modified.replace(microsecond=0) <= since)


def fill(response: Response, body: str) -> Response:
    """The body, packed for those who can unpack it. Documents carry no secret that its length could tell."""
    content = body.encode()
    encoding = encoding_of(request.headers.get("Accept-Encoding", ""))
    if len(content) >= WORTH_PACKING and encoding != IDENTITY:
        response.headers["Content-Encoding"] = encoding
        content = _packed(content, encoding)
    response.set_data(content)
    return response


@lru_cache(maxsize=100)
def _packed(content: bytes, encoding: str) -> bytes:
    """Once for everybody who comes at the same position."""
    return pack(content, encoding, GOOD)


def as_of() -> datetime | None:
    """When this document is to be read later, as a snapshot: the moment it is made at. Else None."""
    return request.environ.get(AS_OF)


def origin() -> str:
    """Where visitors reach us, for links that leave the page; the proxies of PROXIES say whether by TLS."""
    return request.host_url.rstrip("/")


def render(template: str, scope: Scope, state: State, parts: tuple[Part, ...], **values: Any) -> str:
    """A page around these parts: those of the frame stand outside of the board."""
    return render_template(
        template,
        scope=scope,
        state=state,
        path=state.path(scope),
        origin=origin(),
        as_of=as_of(),
        indexed=welcomes_crawlers(scope, state),
        accent=accent_style(state.accent) if state.accent else None,
        frame={part.id: part for part in parts if part.id in FRAME},
        board=[part for part in parts if part.id not in FRAME],
        **values,
    )


def frame(scope: Scope, state: State) -> tuple[Part, ...]:
    """Header and footer, for a page that has no board."""
    return page.frame(state, scope)
