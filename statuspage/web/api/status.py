"""The status of a scope as a whole over REST."""

from flask import Response, current_app

from ...models.errors import NotFound
from ...schemas import status as shapes
from ...schemas.query import ScopeQuery
from ..tenancy import NOTHING
from .answering import answer
from .endpoint import endpoint
from .reading import read_query, scope_of


@endpoint("GET", "/status", asks=ScopeQuery, gives=shapes.Status)
def read_status() -> Response:
    """Read how an organization's or a tenant's page is as a whole, and the position that this is true for."""
    scope = scope_of(read_query(ScopeQuery))
    channel = current_app.extensions["live"].hub.channel(scope.organization_id)
    channel.advance()
    if channel.gone or not channel.state.has(scope):
        raise NotFound(NOTHING)
    return answer(channel.state.status_json(scope))
