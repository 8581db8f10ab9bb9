"""What a scope heard after a position: from memory if that reaches back, else from the log, page by page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from ..database import snapshot
from ..models.organization import Organization
from ..models.scope import Scope
from . import counts, feed
from .feed import Line
from .message import Cursor

if TYPE_CHECKING:
    from .channel import Channel

PAGE_BYTES = 1 << 20  # of JSON: a client takes it in before it is sent the next page
KEPT = 8  # pages of the log that a channel keeps for the next client, for a minute


class Page(NamedTuple):
    """Data lines of a scope, up to `cursor`; `more` after that. `source` of them, as counts.py names it."""

    lines: list[Line]
    cursor: Cursor
    more: bool = False
    source: str = counts.MEMORY

    @property
    def reset(self) -> bool:
        """What came after the position is not to be had."""
        return self.source == counts.RESET


def after(channel: Channel, scope: Scope, cursor: Cursor) -> Page:
    """The first page of what came after the cursor. It is empty only when there was nothing."""
    channel.reach(cursor)
    while True:
        with channel.lock:
            now = channel.state
            end = Cursor(now.epoch, now.seq)
            if cursor.epoch != end.epoch or cursor.seq > end.seq:
                return Page([], end, source=counts.RESET)
            if now.position(scope) <= cursor.seq:
                return Page([], end)
            if not channel.remembers(cursor):
                channel.recall()
            if channel.remembers(cursor):
                return _page(channel.memory.after(cursor.seq), scope, end)
        page = channel.pages.page((scope, cursor), lambda: _read(scope, cursor, end))  # noqa: B023
        if page.reset:
            return page._replace(cursor=end)
        if page.lines:
            return page
        cursor = page.cursor


def _page(lines: Iterable[Line], scope: Scope, end: Cursor) -> Page:
    """The scope's data lines among these, which are all up to `end`; as many as a page holds."""
    found: list[Line] = []
    size = 0
    for line in lines:
        if not line.is_data or not scope.shows(line.tenant_id):
            continue
        if size >= PAGE_BYTES or len(found) == feed.PAGE:
            return Page(found, Cursor(end.epoch, found[-1].seq), more=True)
        found.append(line)
        size += line.size
    return Page(found, end)


def _read(scope: Scope, cursor: Cursor, end: Cursor) -> Page:
    """The same from the log.

    What is forgotten of it may have held nothing for this scope: then the client missed nothing. A position
    from before the epoch was never given to anybody: it is guessed, and reads nothing.
    """
    with snapshot() as session:
        row = session.get(Organization, scope.organization_id)
        if row is None or row.epoch != cursor.epoch or cursor.seq < row.epoch_birth:
            return Page([], end, source=counts.RESET)
        begin = max(cursor.seq, row.pruned_through)
        if cursor.seq < begin and feed.last_pruned(session, row, scope) > cursor.seq:
            return Page([], end, source=counts.RESET)
        lines = feed.stream(session, row.id, cursor.epoch, begin, end.seq, scope)
        return _page(lines, scope, end)._replace(more=True, source=counts.DATABASE)


class Pages:
    """Pages of the log that several clients ask for at once: the first one reads for all of them."""

    def __init__(self) -> None:
        self._pages: dict[tuple[Scope, Cursor], _Shared] = {}
        self._door = threading.Lock()  # guards `_pages`; never held over I/O

    def page(self, key: tuple[Scope, Cursor], read: Callable[[], Page]) -> Page:
        """The page of this key. What was read before clear() is given to nobody who asks after it."""
        while True:
            with self._door:
                pages, shared = self._pages, self._pages.get(key)
                if shared is None:
                    while len(pages) >= KEPT:
                        del pages[next(iter(pages))]
                    shared = pages[key] = _Shared()
            with shared.lock:
                if shared.page is None:
                    shared.page = read()
                    return shared.page
                if pages is self._pages:
                    return shared.page

    def clear(self) -> None:
        """Lines may read differently now."""
        with self._door:
            self._pages = {}

    def drop(self, older_than: float) -> None:
        """Forget pages from before this monotonic moment."""
        with self._door:
            for key, shared in list(self._pages.items()):
                if shared.since < older_than:
                    del self._pages[key]


class _Shared:
    """A page, once whoever holds the lock has read it."""

    __slots__ = ("lock", "page", "since")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.page: Page | None = None
        self.since = time.monotonic()
