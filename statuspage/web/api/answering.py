"""Answers in JSON, with the entity tags that let readers cache and writers notice each other."""

import json
from hashlib import sha256
from typing import Any

from flask import Response, request
from werkzeug.exceptions import PreconditionFailed

from ..idempotency import Done


def answer(body: Any, status: int = 200) -> Response:
    """The body as JSON with a strong ETag; 304 to a GET whose If-None-Match names it (RFC 9110 §13)."""
    response = Response(_encode(body), status, mimetype="application/json")
    response.set_etag(_tag(body))
    response.headers["Cache-Control"] = "no-cache"
    if request.method in ("GET", "HEAD") and request.if_none_match.contains_weak(_tag(body)):
        response.status_code = 304
        response.set_data(b"")
        del response.headers["Content-Type"], response.headers["Content-Length"]
    return response


def created(done: Done, location: str) -> Response:
    """201 and where the new thing is; a repeated request is answered as the first one was."""
    response = answered_once(done)
    response.location = location
    return response


def answered_once(done: Done) -> Response:
    response = answer(done.body, done.status)
    if done.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def deleted() -> Response:
    return Response(status=204)


def check_unchanged(thing: Any) -> None:
    """412 unless If-Match, where it is given, names the thing as it is now. Call it under the lock."""
    if "If-Match" in request.headers and not request.if_match.contains(_tag(thing.as_json())):
        raise PreconditionFailed("Somebody else changed this in the meantime. Read it again, then retry.")


def _encode(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _tag(body: Any) -> str:
    return sha256(_encode(body)).hexdigest()[:32]
