"""Answers that are the same for everybody at one position: kept by browsers, and asked about each time."""

from flask import Response, request

from ..models.access import NOBODY
from .auth import current_proof


def fresh(name: str, *, public: bool) -> Response:
    """An empty answer with this ETag (RFC 9110, 8.8.3); a 304 when that is what the asker has."""
    response = Response()
    response.set_etag(name.replace('"', ""))
    response.headers["Cache-Control"] = "no-cache" if public else "private, no-cache"
    if current_proof() is not NOBODY or not public:
        response.headers["Vary"] = "Authorization, Cookie"
    if request.if_none_match.contains(response.get_etag()[0] or ""):
        response.status_code = 304
    return response
