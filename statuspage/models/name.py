"""Names in the path: slugs and ids share one namespace, and the application's own words are reserved."""

import re

from sqlalchemy.orm import Mapped, mapped_column

from ..database import Model, db
from .errors import Conflict, Invalid

# Every first or second path segment that the application uses itself (tests/test_walls.py reads the route map
# and fails when one is missing), and `index`, the start page's file among the snapshots.
RESERVED = frozenset(
    """
    account admin api badge badge.svg calendar changes console consumers embed embed.js events
    favicon.ico feed groups healthz history history.atom history.rss incidents index join login logo logout
    maintenance manifest.json metrics offline openapi.json password readyz robots.txt services sessions
    setup sign-in sign-out socket.io static status stream subscribe sw.js theme.css websocket
    """.split()
)
SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


class Name(Model):
    """One path segment under `parent` (an organization's id, or nothing for the first segment)."""

    __tablename__ = "name"

    parent: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    owner_id: Mapped[str] = mapped_column(index=True)


def claim(name: str, owner_id: str, *, parent: str = "") -> None:
    """Take a path segment for an organization or tenant. Invalid if it cannot be one, Conflict if taken."""
    if not SLUG.fullmatch(name):
        raise Invalid("Use 1 to 40 lower-case letters, digits and inner hyphens.", "slug")
    if name in RESERVED:
        raise Invalid(f"“{name}” is a word the application uses itself. Choose another.", "slug")
    held = db.session.get(Name, (parent, name))
    if held and held.owner_id != owner_id:
        raise Conflict(f"“{name}” is taken. Choose another.", "slug")
    if not held:
        db.session.add(Name(parent=parent, name=name, owner_id=owner_id))
        db.session.flush()


def release(name: str, *, parent: str = "") -> None:
    held = db.session.get(Name, (parent, name))
    if held:
        db.session.delete(held)
        db.session.flush()
