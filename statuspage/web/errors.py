"""One table: refusal -> HTTP status -> a page, or problem+json (RFC 9457) for programs."""

import logging
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, json, render_template, request
from flask_wtf.csrf import CSRFError
from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError
from werkzeug.exceptions import HTTPException

from ..database import Busy, Gone, is_away, note_failure
from ..models.errors import Conflict, Invalid, NotAllowed, NotFound
from .auth import Unauthenticated
from .sign_in import ask_to_sign_in, show_again, typed_in_vain
from .throttle import TooManyTries

log = logging.getLogger(__name__)

KEPT_NOWHERE = {"Cache-Control": "no-store"}  # what is missing or refused now may be there in a second
AWAY = "The database cannot be reached at the moment. Please look whether it was done, and try again."
GONE = "It was deleted in the meantime."
STATUS: dict[type[Exception], int] = {
    Invalid: 422,
    ValidationError: 422,
    Conflict: 409,
    IntegrityError: 409,
    NotAllowed: 403,
    Unauthenticated: 401,
    NotFound: 404,
    Gone: 404,
    ObjectDeletedError: 404,
    StaleDataError: 404,
    TooManyTries: 429,
    Busy: 503,
    PoolTimeout: 503,
}
WORDS: dict[type[Exception], str] = {
    IntegrityError: "Somebody else changed this at the same moment. Nothing was changed; please look again.",
    Gone: GONE,
    ObjectDeletedError: GONE,
    StaleDataError: GONE,
    Busy: "Too many changes at once. Nothing was changed; please try again.",
    PoolTimeout: "Too many requests at once. Nothing was changed; please try again.",
    ValidationError: "The request does not have the right shape. See `errors` for each field.",
}


def register(app: Flask) -> None:
    for kind in STATUS:
        app.register_error_handler(kind, _refused)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def _refused(error: Exception) -> Response:
    kind = next(kind for kind in STATUS if isinstance(error, kind))
    if kind is Unauthenticated and _wants_page() and not request.path.startswith("/api/"):
        return ask_to_sign_in()
    detail = WORDS.get(kind) or str(error)
    response = answer(STATUS[kind], detail, errors_of(error))
    if kind is Unauthenticated:
        response.headers["WWW-Authenticate"] = "Bearer"
    if kind in (Busy, PoolTimeout):
        response.headers["Retry-After"] = "1"
    if isinstance(error, TooManyTries):
        response.headers["Retry-After"] = str(error.seconds)
    return response


def errors_of(error: Exception) -> list[dict[str, str]]:
    """Each wrong field: a JSON pointer (RFC 6901) and a sentence."""
    if isinstance(error, ValidationError):
        return [
            {"pointer": _pointer(item["loc"]), "detail": _sentence(item["msg"])} for item in error.errors()
        ]
    field = getattr(error, "field", None)
    return [{"pointer": _pointer((field,)), "detail": str(error)}] if field else []


def _pointer(path: tuple[Any, ...]) -> str:
    steps = (str(step) for step in path if step != "[key]")  # Pydantic's mark for the key, not its value
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def _sentence(words: str) -> str:
    words = words.removeprefix("Value error, ")
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")


def _http(error: HTTPException) -> Response:
    if isinstance(error, CSRFError) and _wants_page() and (again := show_again()):
        return again
    response = answer(error.code or 500, error.description or "")
    for name, value in error.get_headers():
        if name.lower() in ("allow", "retry-after"):
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    secret = "secret" in (request.view_args or {})  # a link that signs somebody in belongs in no log
    path = request.url_rule if secret else request.path
    note_failure(log, error, "Unexpected error at %s %s", request.method, path)
    if is_away(error):
        response = answer(503, AWAY)
        response.headers["Retry-After"] = "1"
        return response
    return answer(500, "Something failed on our side. Nothing was half-done; please try again.")


def _wants_page() -> bool:
    """Browsers name HTML; a program that takes anything (`*/*`) gets what programs read."""
    return request.accept_mimetypes.best_match(["application/problem+json", "text/html"]) == "text/html"


def answer(status: int, detail: str, errors: list[dict[str, str]] | None = None) -> Response:
    """The refusal as a page for browsers, as problem+json for everybody else."""
    title = HTTPStatus(status).phrase
    if request.path.startswith("/api/") or not _wants_page():
        problem: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        if errors:
            problem["errors"] = errors
        return Response(json.dumps(problem), status, KEPT_NOWHERE, content_type="application/problem+json")
    fields = typed_in_vain() if status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE else []  # that was not read
    page = render_template("errors/error.html", status=status, title=title, detail=detail, fields=fields)
    return Response(page, status, KEPT_NOWHERE, content_type="text/html; charset=utf-8")
