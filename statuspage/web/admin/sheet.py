"""A sheet: an admin screen around a form that overwrites nothing unseen. Live is how things are meanwhile."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from flask import Response, current_app, json, render_template, request

from ...database import db, transaction
from ...models.idempotency import earlier, remember
from ...schemas.text import plain_breaks
from ..auth import current_user
from ..form import Form
from .place import Place

VIEW = "admin/sheet"


def around(place: Place, screen: str, title: str) -> dict[str, Any]:
    """What admin/layout.html needs, for a screen of this name in the rail."""
    known = {"place": place, "role": place.role, "base": place.base, "screen": screen}
    title = f"{title} · {place.organization.name} admin"
    db.session.rollback()  # the board reads a snapshot of its own; hold none meanwhile
    channel = current_app.extensions["live"].hub.channel(place.scope.organization_id)
    board = channel.board(place.scope, VIEW)
    with channel.lock:
        parts, cursor = {part.id: part.html for part in board.drawing.parts}, str(board.cursor)
    return {**known, "title": title, "view": VIEW, "parts": parts, "cursor": cursor}


def sheet(template: str, place: Place, screen: str, title: str, **context: Any) -> Response:
    """A screen without a form of its own to fill in."""
    page = render_template(template, **around(place, screen, title), **context)
    return Response(page, headers={"Cache-Control": "no-store"})


def once(place: Place, verb: Callable[[], None]) -> bool:
    """Do it under the organization's lock; False when the same form was sent before: then it is done."""
    user = current_user()
    caller, key = f"form:{user.id}", request.form.get("key", "")[:100]
    with transaction(place.organization, by=user.id):
        if key and earlier(caller, key, request.path):
            return False
        verb()
        if key:
            remember(caller, key, request.path, 204, None)
    return True


def version(form: Form[Any], now: Mapping[str, Any], status: int | None) -> str:
    """What the form carries: the version that was opened, until a newer one was shown (409)."""
    return _version_of(now) if status == 409 or not form.sent else request.form.get("version", "")


def _version_of(values: Mapping[str, Any]) -> str:
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


class Overtaken(Exception):
    """Somebody else saved something since the form was opened: it is shown, 409."""


def is_overtaken(form: Form[Any], now: Mapping[str, Any]) -> bool:
    """Whether somebody else saved something else since the form was opened. Says what, beside each field.

    `now` is what the fields would show. The form that is shown then may be sent again: it was seen.
    """
    opened = request.form.get("version")
    if not opened or opened == _version_of(now):
        return False
    for name, value in now.items():
        if str(plain_breaks(form.values.get(name, ""))).strip() != value:
            form.errors[name] = (
                f"Somebody else just saved “{value or 'nothing'}”. Save again to put yours in its place."
            )
    return bool(form.errors)
