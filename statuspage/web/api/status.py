"""The status of a scope as a whole over REST."""

from flask import Response, current_app

from ...live.channel import Channel
from ...schemas import status as shapes
from ...schemas.query import ScopeQuery
from .answering import answer
from .endpoint import endpoint
from .reading import read_query, scope_of


@endpoint("GET", "/status", asks=ScopeQuery, gives=shapes.Status)
def read_status() -> Response:
    """Read how an organization's or a tenant's page is as a whole, and the position that this is true for."""
    scope = scope_of(read_query(ScopeQuery))
    channel: Channel = current_app.extensions["live"].hub.channel(scope.organization_id)
    return answer(channel.state_of(scope).status_json(scope))
