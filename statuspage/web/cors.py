"""Which other sites' scripts may read and write (WHATWG Fetch, CORS protocol).

Everybody may read what is public, without credentials; the sites of ORIGINS may use the whole API.
"""

from flask import Flask, Response, current_app, request

READS = ("GET", "HEAD")
WRITES = ("POST", "PUT", "PATCH", "DELETE")
HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID")
EXPOSED = ("ETag", "Location", "Idempotent-Replayed", "Build")
PREFLIGHT_SECONDS = 600


def register(app: Flask) -> None:
    app.after_request(_allow)


def _allow(response: Response) -> Response:
    if _made_for_others() and _method() in READS:
        _let(response, "*", READS, ("If-None-Match",))
        return response
    in_api = request.path.startswith("/api/")
    if not in_api and not _live_path():
        return response
    response.vary.add("Origin")
    if _trusted():
        _let(response, request.headers["Origin"], (*READS, *WRITES) if in_api else READS, HEADERS)
        response.headers["Access-Control-Allow-Credentials"] = "true"
    elif _method() in READS:
        _let(response, "*", READS, ("If-None-Match", "Last-Event-ID"))
    return response


def _trusted() -> bool:
    return request.headers.get("Origin") in current_app.config["ORIGINS"]


def _live_path() -> bool:
    """A public page's `/changes` and `/stream`."""
    return request.path.rsplit("/", 1)[-1] in ("changes", "stream")


def _made_for_others() -> bool:
    """`/embed.js` and a page's `/badge.svg`."""
    return request.path.rsplit("/", 1)[-1] in ("embed.js", "badge.svg")


def _method() -> str:
    """What is to be done: for a preflight, what it asks for."""
    if request.method == "OPTIONS":
        return request.headers.get("Access-Control-Request-Method", "")
    return request.method


def _let(response: Response, origin: str, methods: tuple[str, ...], headers: tuple[str, ...]) -> None:
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = ", ".join(EXPOSED)
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = ", ".join(methods)
        response.headers["Access-Control-Allow-Headers"] = ", ".join(headers)
        response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
