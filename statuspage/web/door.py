"""The door: answers from the page cache before Flask is asked; of many who ask the same, one asks Flask."""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, current_app, request

from ..live.hub import Hub
from ..live.state import State
from ..live.views import DATA
from ..models.scope import Scope
from .auth import is_visitor
from .page_cache import Answer, Asked, Key, PageCache, Shown, key_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SHARED = "statuspage.shared"  # in the environment: what a view says of its answer
PLAIN = re.compile(r"/(?!socket\.io/)[A-Za-z0-9._~/-]*")  # paths of pages, written one way only
ALONE = re.compile(r"/(static|admin)/|.*/stream$")  # nobody waits for these
KEPT = (HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
PATIENCE = 10.0  # seconds to wait for another's answer
REMEMBERED = 1_000  # targets whose answers are not shared


def register(app: Flask) -> None:
    hub: Hub = app.extensions["live"].hub
    cache = app.extensions["page_cache"] = PageCache(hub)
    app.wsgi_app = Door(app, app.wsgi_app, cache)  # type: ignore[method-assign]


def share(scope: Scope, state: State, view: str) -> None:
    """Say that whoever asks this without proof gets this answer, as long as the view stays as in `state`.

    What is read for it must be read after `state` was.
    """
    if is_visitor() and state.is_open_to_all(scope):
        request.environ[SHARED] = Shown(scope, state, view)


def share_current(scope: Scope) -> None:
    """The same of data, before anything was read: as of what is committed now."""
    hub: Hub = current_app.extensions["live"].hub
    if is_visitor() and hub.watches():
        share(scope, hub.channel(scope.organization_id).state_of(scope), DATA)


def share_at_start(response: Response) -> Response:
    """It was chosen because there is no other public organization."""
    if shown := request.environ.get(SHARED):
        request.environ[SHARED] = shown._replace(at_start=True)
    return response


class Door:
    """WSGI around the application."""

    def __init__(self, app: Flask, inner: WSGIApplication, cache: PageCache) -> None:
        self._app = app
        self._inner = inner
        self._cache = cache
        self._flights: dict[Key, Flight] = {}
        self._lock = threading.Lock()
        self._unshared: OrderedDict[str, None] = OrderedDict()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked = asked_of(environ)
        key = key_of(asked) if asked else None
        if asked is None or key is None:
            return self._inner(environ, start_response)
        if answer := self._cache.find(asked):
            return _say(answer, start_response)
        if asked.method != "GET" or ALONE.match(environ["PATH_INFO"]):
            return self._inner(environ, start_response)
        if asked.target in self._unshared or "wait=" in asked.target:
            return self._ask(asked, Flight(), environ, start_response)
        return self._wait_or_ask(asked, key, environ, start_response)

    def _wait_or_ask(
        self, asked: Asked, key: Key, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """One of those who ask the same asks Flask; the others wait for it, without any database session."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with self._lock:
                flight = self._flights.get(key)
                if flight is None:
                    mine = self._flights[key] = Flight()
                    break
            flight.landed.wait(deadline - time.monotonic())
            if answer := self._cache.find(asked):
                return _say(answer, start_response)
            if not flight.shared or time.monotonic() > deadline:
                return self._ask(asked, flight, environ, start_response)
        try:
            if answer := self._look_for_news(asked):
                mine.shared = True
                return _say(answer, start_response)
            return self._ask(asked, mine, environ, start_response)
        finally:
            with self._lock:
                del self._flights[key]
            mine.landed.set()

    def _look_for_news(self, asked: Asked) -> Answer | None:
        """The answer at hand, if the news were about another page of the organization."""
        if channel := self._cache.channel_of(asked):
            with self._app.app_context():
                channel.advance()
        return self._cache.find(asked)

    def _ask(
        self, asked: Asked, flight: Flight, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Flask's answer, kept if it says that it is for all."""
        said: list[Any] = []

        def listen(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            said[:] = [status, headers]
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        found = self._inner(environ, listen)
        shown: Shown | None = environ.get(SHARED)
        status = int(said[0].split(" ", 1)[0]) if said else 0
        if shown is None or status not in KEPT:
            self._note_unshared(asked.target)
            return found
        body = _all_of(found)
        self._unshared.pop(asked.target, None)
        flight.shared = self._cache.keep(asked, Answer(status, said[1], body), shown)
        return [body]

    def _note_unshared(self, target: str) -> None:
        """Who asks for it the next time waits for nobody."""
        with self._lock:
            self._unshared[target] = None
            if len(self._unshared) > REMEMBERED:
                self._unshared.popitem(last=False)


class Flight:
    """One request on its way through Flask, and what came of it."""

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.shared = False


def asked_of(environ: WSGIEnvironment) -> Asked | None:
    """The head of the request; None for what no answer is kept of, in whatever way it is asked."""
    path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
    method = environ["REQUEST_METHOD"]
    if method not in ("GET", "HEAD") or environ.get("SCRIPT_NAME") or not PLAIN.fullmatch(path):
        return None
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    if environ.get("CONTENT_LENGTH") not in (None, "", "0"):
        headers["content-length"] = environ["CONTENT_LENGTH"]
    return Asked(
        method,
        f"{path}?{query}" if query else path,
        headers.get("host", ""),
        environ["wsgi.url_scheme"],
        headers,
    )


def _say(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", list(answer.headers))
    return [answer.body]


def _all_of(found: Iterable[bytes]) -> bytes:
    try:
        return b"".join(found)
    finally:
        if close := getattr(found, "close", None):
            close()
