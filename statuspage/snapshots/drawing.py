"""Drawing: what a visitor would be answered now, marked with this moment."""

import json
from datetime import datetime

from flask import Flask, Response
from markupsafe import escape
from werkzeug.test import EnvironBuilder

from ..clock import iso, now
from ..live.state import State
from ..models.embedding import ANY
from ..models.snapshot import Place
from ..web.document import AS_OF
from .files import LOGOS, NOUNS, incidents_of, json_name

HEAD = '<meta charset="utf-8">'
SITE = {"embed.js": "/embed.js", "robots.txt": "/robots.txt", "sw.js": "/sw.js", "offline.html": "/offline"}


class Hidden(Exception):
    """The page is not public any more."""


class Artist:
    """Asks the application as a visitor at PUBLIC_URL does who can unpack nothing."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def page(self, place: Place, state: State) -> dict[str, bytes]:
        """The files of a page, by name. `state`: of which its incidents are. Hidden when it is not public."""
        at, path = now(), place.path
        files: dict[str, bytes | None] = {
            f"{path[1:]}.html": self._get(path, at),
            f"{path[1:]}/history.html": self._get(f"{path}/history", at),
            f"{path[1:]}/history.atom": self._get(f"{path}/history.atom", at),
            f"{path[1:]}/badge.svg": self._get(f"{path}/badge.svg", at),
        }
        for noun in NOUNS:
            files[json_name(place, noun)] = self._get(f"/api/{noun}", at, _query(place))
        for incident in state.incidents_of(place.scope):
            name = f"{incidents_of(place)}{incident.id}"
            files[f"{name}.html"] = self._find(f"/{name}", at)
        if ANY in state.embed_origins:  # a proxy knows no list of sites
            files[f"embed{path}.html"] = self._get(f"/embed{path}", at)
            files[f"embed{path}.full.html"] = self._get(f"/embed{path}", at, {"view": "full"})
        if state.logo and not place.tenant_id:
            files[f"{path[1:]}/logo.{LOGOS[state.logo_type or '']}"] = self._get(f"{path}/logo", at)
        return {name: content for name, content in files.items() if content is not None}

    def start_page(self) -> dict[str, bytes]:
        """`/`: whatever is public now."""
        return {"index.html": self._get("/", now())}

    def site(self) -> dict[str, bytes]:
        """What belongs to no page, and changes with the build only."""
        files = {
            f"static/{file}": asset.content for file, asset in self._app.extensions["assets"].by_file.items()
        }
        return files | {name: self._get(path, None) for name, path in SITE.items()}

    def _get(self, path: str, at: datetime | None, query: dict[str, str] | None = None) -> bytes:
        found = self._find(path, at, query)
        if found is None:
            raise Hidden(path)
        return found

    def _find(self, path: str, at: datetime | None, query: dict[str, str] | None = None) -> bytes | None:
        """The answer's body; None when nothing is there."""
        environ = EnvironBuilder(
            path=path,
            query_string=query,
            base_url=self._app.config["PUBLIC_URL"],
            headers=[("Accept", "text/html")],
            environ_overrides={AS_OF: at},
        ).get_environ()
        # Past the door, whose answers are those of the living. A context of its own, as a server gives.
        with self._app.app_context(), self._app.request_context(environ):
            answer = self._app.full_dispatch_request()
            body = answer.get_data()
        if answer.status_code in (303, 404):
            return None
        if answer.status_code != 200:
            raise RuntimeError(f"{answer.status_code} for a snapshot of {path}")
        return _marked(answer, body, at)


def _query(place: Place) -> dict[str, str]:
    query = {"organizationId": place.organization_id}
    return {**query, "tenantId": place.tenant_id} if place.tenant_id else query


def _marked(answer: Response, body: bytes, at: datetime | None) -> bytes:
    """A document says itself what it may load, for a file has no headers; JSON says its age."""
    if answer.mimetype == "application/json" and at:
        return json.dumps({**json.loads(body), "asOf": iso(at)}, ensure_ascii=False).encode()
    if answer.mimetype != "text/html":
        return body
    rules = answer.headers["Content-Security-Policy"].split("; ")
    policy = "; ".join(rule for rule in rules if not rule.startswith("frame-ancestors"))  # headers alone may
    meta = f'{HEAD}\n  <meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
    return body.replace(HEAD.encode(), meta.encode(), 1)
