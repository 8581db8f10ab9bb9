"""Drawing: what a visitor would be answered now, marked with this moment."""

import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from flask import Flask
from sqlalchemy import select

from ..clock import now
from ..database import snapshot
from ..live import loading, views
from ..live.facts import IncidentFacts
from ..live.state import State
from ..models.embedding import ANY
from ..models.incident import Incident
from ..models.snapshot import Place
from ..web import public
from ..web.history import Month
from .files import LOGOS, by_id, json_name, version_of
from .past import Past
from .visitor import GONE, PAUSE, Visitor, dated, marked

SITE = {
    "api/openapi.json": "/api/openapi.json",
    "embed.js": "/embed.js",
    "offline.html": "/offline",
    "robots.txt": "/robots.txt",
    "sw.js": "/sw.js",
}
MOST_LISTED = 500  # incidents in the list for programs
MOST_INCIDENTS = 2_000  # of a page's own, those that began last, that have files of their own
AT_ONCE = 50  # of those that nothing recent leads to: the others wait for the next turn
MONTHS_AT_ONCE = 24
BETWEEN_PAUSES = 500  # incidents that are only looked at


@dataclass
class Drawing:
    """`versions`: of all that the page has now, as Snapshot.files. `files`: those to be written, by name.

    `postponed`: the names of what is to be drawn in another turn.
    """

    versions: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    postponed: set[str] = field(default_factory=set)

    @property
    def is_whole(self) -> bool:
        return not self.postponed

    def add(self, name: str, content: bytes, version: str = "") -> None:
        self.versions[name], self.files[name] = version, content


class Artist:
    """Draws what a visitor sees, and only what is another than the files that are there."""

    def __init__(self, app: Flask) -> None:
        self._app, self._ask = app, Visitor(app)
        self._build: str = app.extensions["live"].build
        self._state: State | None = None
        self._told: dict[str, tuple[IncidentFacts, str]] = {}  # incidents of it, and their versions, by id
        self._past = Past()

    def page(self, place: Place, state: State, had: Mapping[str, str]) -> Drawing:
        """The files of a page. `had`: the versions that are there. Hidden when it is not public."""
        at, path, drawing = now(), place.path, Drawing()
        drawing.add(f"{path[1:]}.html", self._ask.get(path, at))
        history = self._ask.get(f"{path}/history", at)
        drawing.add(f"{path[1:]}/history.html", history)
        if state.is_of_today:  # else it may be of another month by now
            drawing.add(f"{path[1:]}/history/{Month.of(state.today)}.html", history)
        drawing.add(f"{path[1:]}/history.atom", self._ask.get(f"{path}/history.atom", at))
        linked = _linked(path, drawing)
        drawing.add(f"{path[1:]}/badge.svg", self._ask.get(f"{path}/badge.svg", at))
        query = _query(place)
        drawing.add(json_name(place, "status"), self._ask.get("/api/status", at, query))
        for which in ("", "open", "resolved"):
            wish = {**query, "status": which} if which else query
            incidents = self._ask.all_of("/api/incidents", at, wish, MOST_LISTED)
            drawing.add(json_name(place, "incidents", which), dated(incidents, at))
        for noun in ("services", "groups"):
            found = self._ask.all_of(f"/api/{noun}", at, query)
            drawing.add(json_name(place, noun), dated(found, at))
            self._add_items(drawing, place, noun, found["items"], had, at)
        if ANY in state.embed_origins:  # a proxy knows no list of sites
            drawing.add(f"embed{path}.html", self._ask.get(f"/embed{path}", at))
            drawing.add(f"embed{path}.full.html", self._ask.get(f"/embed{path}", at, {"view": "full"}))
        _add_by_id(drawing, place)
        if state.logo and not place.tenant_id:
            drawing.add(f"{path[1:]}/logo.{LOGOS[state.logo_type or '']}", self._ask.get(f"{path}/logo", at))
        self._add_incidents(drawing, place, state, linked, had, at)
        self._add_months(drawing, place, state, had, at)
        self._add_earlier(drawing, place, state, had, at)
        return drawing

    def let_go(self) -> None:
        """Keep nothing of what was read for a turn."""
        self._state, self._told, self._past = None, {}, Past()

    def start_page(self) -> Drawing:
        """`/`: whatever is public now."""
        drawing = Drawing()
        drawing.add("index.html", self._ask.get("/", now()))
        return drawing

    def site(self) -> Drawing:
        """What belongs to no page, and changes with the build only."""
        drawing = Drawing()
        for file, asset in self._app.extensions["assets"].by_file.items():
            drawing.add(f"static/{file}", asset.content)
        for name, path in SITE.items():
            drawing.add(name, self._ask.get(path, None))
        return drawing

    # --- what is drawn only when it is another than the one that is there ------------------------------

    def _add_items(
        self,
        drawing: Drawing,
        place: Place,
        noun: str,
        items: list[Any],
        had: Mapping[str, str],
        at: datetime,
    ) -> None:
        """The page's own, for programs; also when the refresh is due."""
        for item in items:
            if item["tenantId"] == (place.tenant_id or None):
                name, version = f"api/{noun}/{item['id']}.json", version_of(item, self._era(at))
                drawing.versions[name] = version
                if had.get(name) != version:
                    drawing.files[name] = dated(item, at)

    def _add_incidents(
        self,
        drawing: Drawing,
        place: Place,
        state: State,
        linked: set[str],
        had: Mapping[str, str],
        at: datetime,
    ) -> None:
        """Those that the page speaks of. What is over keeps its age; the others have it refreshed."""
        told = self._read(place, state, linked)
        whole = replace(state, incidents={incident.id: incident for incident, _ in told})
        around = self._around(place, state)
        for incident, facts in told:
            over = incident.resolved_at is not None
            version = version_of(facts, around, None if over else self._era(at))
            for path in _paths(place, incident.id, own=incident.tenant_id == (place.tenant_id or None)):
                self._add_of_incident(drawing, path, version, place, whole, had, at)

    def _add_months(
        self, drawing: Drawing, place: Place, state: State, had: Mapping[str, str], at: datetime
    ) -> None:
        """What the history goes back to: a few at a time, the newest first."""
        missing: dict[str, tuple[Month, str]] = {}
        around = self._around(place, state)
        for over in self._past.months(place, state):
            name = f"{place.path[1:]}/history/{over.newest}.html"
            version = version_of(over, around, None if over.is_settled else self._era(at))
            if had.get(name) == version:
                drawing.versions[name] = version
            else:
                missing[name] = over.newest, version
        drawing.postponed |= set(list(missing)[MONTHS_AT_ONCE:])
        gone = {*GONE, 422}  # a month that the history does not have any more
        for name in missing.keys() - drawing.postponed:
            month, version = missing[name]
            if content := self._ask.find(f"{place.path}/history", at, {"month": str(month)}, gone):
                drawing.add(name, content, version)

    def _add_earlier(
        self, drawing: Drawing, place: Place, state: State, had: Mapping[str, str], at: datetime
    ) -> None:
        """The page's own incidents that nothing recent leads to: a few at a time, the newest first."""
        missing: dict[str, str] = {}
        scope = place.scope
        named = [(one.id, one.name) for one in state.services_of(scope) if one.tenant_id == scope.tenant_id]
        around = version_of(named, self._around(place, state))
        for number, begun in enumerate(self._past.begun(place, state)[:MOST_INCIDENTS], 1):
            if number % BETWEEN_PAUSES == 0:
                time.sleep(PAUSE)
            paths = _paths(place, begun.id)
            if _file(paths[0]) in drawing.versions:
                continue
            version = version_of(begun, around, None if begun.resolved_at else self._era(at))
            if all(had.get(_file(path)) == version for path in paths):
                drawing.versions |= {_file(path): version for path in paths}
            else:
                missing[begun.id] = version
        now_due = list(missing)[:AT_ONCE]
        drawing.postponed |= {_file(p) for id in missing.keys() - {*now_due} for p in _paths(place, id)}
        whole = replace(state, incidents=_still_there(state, now_due))
        for id in whole.incidents:
            for path in _paths(place, id):
                self._add_of_incident(drawing, path, missing[id], place, whole, had, at)

    def _add_of_incident(
        self,
        drawing: Drawing,
        path: str,
        version: str,
        place: Place,
        whole: State,
        had: Mapping[str, str],
        at: datetime,
    ) -> None:
        """One of its documents. `whole`: the state, with this incident in it."""
        name = _file(path)
        if had.get(name) == version:
            drawing.versions[name] = version
        elif content := self._of_incident(path, place, whole, at):
            drawing.add(name, content, version)

    def _of_incident(self, path: str, place: Place, state: State, at: datetime) -> bytes | None:
        """None when it was deleted meanwhile."""
        if path.endswith("/updates"):
            return dated(self._ask.all_of(path, at, {}), at)
        if path.startswith("/api/"):
            return self._ask.find(path, at)
        view, scope = f"incident/{path.rpartition('/')[2]}", place.scope
        drawn = views.draw(view, state, scope)
        if drawn is None:
            return None
        with self._ask.visit(path, at):  # without a board, which would be kept for those who look at it
            answer = public.answer(scope, state, view, state.shown_cursor(scope), drawn)
            return marked(self._app.process_response(answer), at)

    def _read(self, place: Place, state: State, ids: set[str]) -> list[tuple[IncidentFacts, str]]:
        """Those that the page may show, for what is linked may have been typed. All tenants share them."""
        if self._state is not state:
            self._state, self._told = state, {}
        for id, incident in _still_there(state, ids - self._told.keys()).items():
            self._told[id] = incident, version_of(incident, state.affected(incident))
        found = [self._told[id] for id in sorted(ids) if id in self._told]
        return [(incident, facts) for incident, facts in found if place.scope.shows(incident.tenant_id)]

    def _around(self, place: Place, state: State) -> str:
        """The version of what stands around everything, and of the time zone it is told in."""
        looks = (state.name, state.logo, state.accent, state.indexed, state.timezone)
        return version_of(self._build, place.path, state.title(place.scope), *looks)

    def _era(self, at: datetime) -> int:
        """It ends when the refresh is due."""
        return int(at.timestamp() // self._app.config["SNAPSHOT_REFRESH"])


def _still_there(state: State, ids: Collection[str]) -> dict[str, IncidentFacts]:
    """Those of these that are incidents of the organization."""
    if not ids:
        return {}
    mine = (Incident.organization_id == state.id, Incident.id.in_(ids))
    with snapshot() as session:
        return loading.read_incidents(session, session.scalars(select(Incident.id).where(*mine)).all())


def _paths(place: Place, id: str, *, own: bool = True) -> list[str]:
    """The documents of an incident on a page; programs find it once."""
    page = f"{place.path}/incidents/{id}"
    return [page, f"/api/incidents/{id}", f"/api/incidents/{id}/updates"] if own else [page]


def _file(path: str) -> str:
    return f"{path[1:]}.{'json' if path.startswith('/api/') else 'html'}"


def _query(place: Place) -> dict[str, str]:
    query = {"organizationId": place.organization_id}
    return {**query, "tenantId": place.tenant_id} if place.tenant_id else query


def _add_by_id(drawing: Drawing, place: Place) -> None:
    """What links, readers of feeds and widgets that know ids ask for: the same documents."""
    for name, like in by_id(place).items():
        if like in drawing.files:
            drawing.add(name, drawing.files[like])


def _linked(path: str, drawing: Drawing) -> set[str]:
    """The incidents that these documents of a page lead to, by id."""
    link = re.compile(rf"{re.escape(path)}/incidents/([a-z0-9-]+)".encode())
    return {id.decode() for content in drawing.files.values() for id in link.findall(content)}
