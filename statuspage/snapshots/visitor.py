"""Visitor: asks the application as one at PUBLIC_URL does who can unpack nothing, and marks the answers with
their moment.
"""

import json
import math
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from flask import Flask, Response
from markupsafe import escape
from werkzeug.test import EnvironBuilder

from ..clock import iso
from ..database import Busy
from ..web.document import AS_OF

HEAD = '<meta charset="utf-8">'
MOST = "100"  # of what the API lists at once
GONE = (303, 404)  # answers that say that nothing is there
PAUSE = 0.001  # seconds at least after each answer, in which those who are served here have their turn
REST = 1.0  # of the time that an answer took: a thousand pages are drawn with half of a processor


class Hidden(Exception):
    """The page is not public any more."""


class Visitor:
    """`at`: the moment that the answer says it is of."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def all_of(
        self, path: str, at: datetime, query: Mapping[str, str], most: float = math.inf
    ) -> dict[str, Any]:
        """All of a list, in one; or what comes first in it, and where it goes on."""
        items: list[Any] = []
        after: dict[str, str] = {}
        while True:
            found = json.loads(self.get(path, at, {**query, **after, "limit": MOST}))
            items += found["items"]
            if not found["next"] or len(items) >= most:
                return {"items": items, "next": found["next"]}
            after = {"after": found["next"]}

    def get(self, path: str, at: datetime | None, query: Mapping[str, str] | None = None) -> bytes:
        found = self.find(path, at, query)
        if found is None:
            raise Hidden(path)
        return found

    def find(
        self,
        path: str,
        at: datetime | None,
        query: Mapping[str, str] | None = None,
        gone: Collection[int] = GONE,
    ) -> bytes | None:
        """The answer's body; None when nothing is there, as these answers say."""
        with self.visit(path, at, query):
            answer = self._app.full_dispatch_request()
            if answer.status_code == 200:
                return marked(answer, at)
        if answer.status_code in gone:
            return None
        if answer.status_code == 503:
            raise Busy  # the database is, or it is away: no fault of the page's
        raise RuntimeError(f"{answer.status_code} for a snapshot of {path}")

    @contextmanager
    def visit(self, path: str, at: datetime | None, query: Mapping[str, str] | None = None) -> Iterator[None]:
        """A request, past the door, whose answers are those of the living."""
        began = time.monotonic()
        environ = EnvironBuilder(
            path=path,
            query_string=query,
            base_url=self._app.config["PUBLIC_URL"],
            headers=[("Accept", "text/html")],
            environ_overrides={AS_OF: at},
        ).get_environ()
        with self._app.app_context(), self._app.request_context(environ):  # of its own, as a server gives
            yield
        time.sleep(max(PAUSE, REST * (time.monotonic() - began)))


def dated(body: Any, at: datetime) -> bytes:
    """JSON that says of which moment it is."""
    return json.dumps({**body, "asOf": iso(at)}, ensure_ascii=False).encode()


def marked(answer: Response, at: datetime | None) -> bytes:
    """A document says itself what it may load, for a file has no headers; JSON says its age."""
    body = answer.get_data()
    if answer.mimetype == "application/json" and at:
        return dated(json.loads(body), at)
    if answer.mimetype != "text/html":
        return body
    rules = answer.headers["Content-Security-Policy"].split("; ")
    policy = "; ".join(rule for rule in rules if not rule.startswith("frame-ancestors"))  # headers alone may
    meta = f'{HEAD}\n  <meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
    return body.replace(HEAD.encode(), meta.encode(), 1)
