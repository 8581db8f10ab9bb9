"""Which parts each HTML view has, and their partials. The top-level ids of a view never change."""

from collections.abc import Callable, Iterable
from typing import Any

from ...models.scope import Scope
from ...models.status import ServiceStatus
from ..board import Drawing
from ..state import State
from . import desk, embed, incidents, overview, page, service, team

DATA = "data"
ADMIN: dict[str, Callable[[State, Scope], Drawing]] = {
    "overview": overview.overview,
    "incidents": incidents.incidents,
    "report": incidents.report,
    "services": service.services,
    "sheet": desk.sheet,
    **team.SCREENS,
}
ADMIN_VERBS = {"members": "member.list", "tokens": "token.list"}  # where reading takes more than `admin.read`


def draw(view: str, state: State, scope: Scope) -> Drawing | None:
    """A view of a scope; None when there is no such view, or not (any more) what it shows."""
    kind, _, id = view.partition("/")
    if not state.has(scope):
        return None
    if kind == "page" and not id:
        return page.page(state, scope)
    if kind == "incident" and id:
        return page.incident(state, scope, id)
    if kind == "admin" and scope.whole and id in ADMIN:
        return ADMIN[id](state, scope)
    if kind == "admin" and scope.whole and incident_id(view):
        return incidents.incident(state, scope, incident_id(view) or "")
    if view in embed.VIEWS and not scope.whole:
        return embed.draw(view, state, scope)
    return None


def position(view: str, state: State, scope: Scope) -> int:
    """Where the view stands: what pages show is moved by no broadcast, what members and programs see is."""
    if view == DATA or needs_inside(view):
        return state.position(scope)
    return state.shown_position(scope)


def needs_inside(view: str) -> bool:
    """Whether the state must be loaded with what only members see."""
    return view.partition("/")[0] == "admin"


def needs_team(view: str) -> bool:
    """Whether the state must be loaded with members and tokens: what their view needs a verb for."""
    return needs_inside(view) and view.partition("/")[2] in ADMIN_VERBS


def verb(view: str) -> str:
    """What one must be allowed to do to see the view: a line of the table role × verb."""
    if not needs_inside(view):
        return "page.read"
    return ADMIN_VERBS.get(view.partition("/")[2], "admin.read")


def incident_id(view: str) -> str | None:
    """The incident that a view is about, so that the state is loaded with it."""
    kind, _, id = view.removeprefix("admin/").partition("/")
    return id if kind == "incident" and id else None


def sentence(lines: Iterable[Any], fallback: str) -> str:
    """What a screen reader says of these lines of the log."""
    said = [text for text in (_said(line) for line in lines) if text]
    return " ".join(said) if 0 < len(said) <= 3 else fallback


def _said(line: Any) -> str:
    data = line.data if isinstance(line.data, dict) else {}
    if line.name == "service-update" and line.type == "status-changed" and "status" in data:
        return f"{data['name']}: {ServiceStatus(data['status']).word}."
    if line.name == "incident-update" and "title" in data:
        return f"{data['title']}: {data['status'].capitalize()}."
    return ""
