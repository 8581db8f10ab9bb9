"""Complete answers as bytes: what everybody is sent of a public scope, as long as its view stands.

`find()` needs no WSGI environment and no Flask, asks no database and never blocks, so that a server may
call it with nothing but the head of a request. An answer is never kept by time: see PageCache.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from email.utils import formatdate
from functools import cached_property
from http import HTTPStatus
from typing import NamedTuple

from werkzeug.http import parse_etags

from ..live import views
from ..live.channel import Channel
from ..live.hub import Hub
from ..live.state import State
from ..models.scope import Scope
from ..models.session import COOKIE
from .packing import encoding_of

CACHE_BYTES = 32 * 1024 * 1024
LARGEST = CACHE_BYTES // 16  # an answer above this is not kept
LONGEST = 500  # characters of a target
OVERHEAD = 1000  # bytes of an entry beside its answers
READS = ("GET", "HEAD")
# One who proves who he is, or whose question the key does not hold, is answered by Flask.
NEVER = frozenset(
    """
    authorization origin range if-range if-match if-unmodified-since content-length transfer-encoding
    upgrade expect
    """.split()
)


class Asked(NamedTuple):
    """The head of a request. `headers` by lower-case name; `target` and `host` as they were sent."""

    method: str
    target: str
    host: str
    scheme: str
    headers: dict[str, str]


class Key(NamedTuple):
    """All that may make a difference between two visitors' answers at one position of one build."""

    scheme: str
    host: str
    target: str
    encoding: str


class Shown(NamedTuple):
    """What an answer shows: a scope as it is in a state; `at_start`, as the only organization there is.

    It moves as this view of the scope does: see views.position().
    """

    scope: Scope
    state: State
    view: str
    at_start: bool = False


class Answer:
    """A status, its headers, and the bytes of the body (none for HEAD and 304)."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name: str) -> str | None:
        return next((value for each, value in self.headers if each.lower() == name), None)

    @property
    def is_for_all(self) -> bool:
        """Whether it may be said again, and tells by itself where it ends."""
        whole = self.status != HTTPStatus.OK or self.header("content-length") is not None
        return whole and self.header("set-cookie") is None

    @property
    def wire(self) -> bytes:
        """The whole of it as HTTP/1.1 (RFC 9112), to be written as it is to a connection that stays open."""
        return b"".join((self._begin, _date.now(), self._rest))

    @cached_property
    def _begin(self) -> bytes:
        return f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\nDate: ".encode("latin-1")

    @cached_property
    def _rest(self) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        return f"\r\n{lines}\r\n".encode("latin-1") + self.body

    @property
    def size(self) -> int:
        return 2 * (len(self.body) + sum(len(name) + len(value) + 4 for name, value in self.headers))


class _Date:
    """The date of answers (RFC 9110, 6.6.1), written once a second."""

    def __init__(self) -> None:
        self._written = (0, b"")

    def now(self) -> bytes:
        second, text = int(time.time()), self._written
        if text[0] != second:
            text = self._written = (second, formatdate(second, usegmt=True).encode())
        return text[1]


_date = _Date()


class Entry:
    """What is answered to one key: the whole, without its body to HEAD, and to one who has it already."""

    def __init__(self, channel: Channel, shown: Shown) -> None:
        self.channel = channel
        self.scope = shown.scope
        self.state = shown.state
        self.view = shown.view
        self.at_start = shown.at_start
        self.whole: Answer | None = None
        self.head: Answer | None = None
        self.unchanged: Answer | None = None
        self.tag = ""

    def keep(self, answer: Answer) -> None:
        self.tag = answer.header("etag") or ""
        if answer.status == HTTPStatus.NOT_MODIFIED:
            self.unchanged = answer
        else:
            self.whole = answer
            self.head = Answer(answer.status, answer.headers, b"")

    @property
    def size(self) -> int:
        return OVERHEAD + sum(answer.size for answer in (self.whole, self.unchanged) if answer)

    def holds_at(self, state: State) -> bool:
        """Whether nothing that the scope shows is different in this state."""
        was, scope, view = self.state, self.scope, self.view
        return was is state or (
            was.epoch == state.epoch
            and state.has(scope)
            and views.position(view, was, scope) == views.position(view, state, scope)
        )

    def answer(self, asked: Asked) -> Answer | None:
        headers = asked.headers
        if (known := headers.get("if-none-match")) is not None:
            if self.tag and _names(known, self.tag):
                return self.unchanged
        elif "if-modified-since" in headers and (self.whole is None or self.whole.header("last-modified")):
            return None
        return self.whole if asked.method == "GET" else self.head


class PageCache:
    """Answers of this process, valid exactly as long as their view's position is the one they were made at.

    The organization's channel must be open and must know that nothing is new; a position that passed takes
    its answers along. Memory is bounded: what was asked for the longest ago goes first.
    """

    def __init__(self, hub: Hub, size: int = CACHE_BYTES) -> None:
        self._hub = hub
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._keys: dict[str, set[Key]] = {}  # of each organization
        self._lock = threading.Lock()  # never held over I/O
        self._limit = size
        self.size = 0
        self.answered = 0  # from memory
        hub.on_move = self.forget_passed

    def find(self, asked: Asked, key: Key | None = None) -> Answer | None:
        """The answer, if it is at hand and true now; None: ask Flask. `key`: as key_of() gave it before."""
        key = key or key_of(asked)
        if key is None or (entry := self._entries.get(key)) is None or not self._holds(entry):
            return None
        try:
            self._entries.move_to_end(key)
        except KeyError:  # another thread has dropped it meanwhile
            return None
        self.answered += 1
        return entry.answer(asked)

    def _holds(self, entry: Entry) -> bool:
        channel, state = entry.channel, entry.channel.state
        if self._hub.channels.get(state.id) is not channel or channel.gone or channel.stale:
            return False
        if not entry.holds_at(state) or not state.is_of_today:
            return False
        if entry.at_start and self._hub.only_public != state.id:
            return False
        entry.state = state
        channel.used_at = time.monotonic()
        return True

    def channel_of(self, asked: Asked) -> Channel | None:
        """Whose news may only have to be looked for: an answer is at hand, but its channel is stale."""
        key = key_of(asked)
        entry = self._entries.get(key) if key else None
        return entry.channel if entry and entry.channel.stale else None

    def keep(self, asked: Asked, answer: Answer, shown: Shown) -> bool:
        """Keep what somebody without proof was answered, who saw the scope in this state or a later one."""
        key, id = key_of(asked), shown.scope.organization_id
        channel = self._hub.channels.get(id)
        if key is None or channel is None or not answer.is_for_all or answer.size > LARGEST:
            return False
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.channel is not channel or not entry.holds_at(shown.state):
                self._drop(key)
                entry = self._entries[key] = Entry(channel, shown)
                self._keys.setdefault(id, set()).add(key)
            else:
                self.size -= entry.size
            entry.keep(answer)
            self.size += entry.size
            while self.size > self._limit:
                self._drop(next(iter(self._entries)))
            # Looked at after it was put there: what moves later takes it away itself.
            if not entry.holds_at(channel.state):
                self._drop(key)
            return key in self._entries

    def forget_passed(self, channel: Channel) -> None:
        """The channel has moved, or is no more: what it showed before goes."""
        id = channel.organization_id
        with self._lock:
            for key in list(self._keys.get(id, ())):
                entry = self._entries[key]
                if (
                    entry.channel is not self._hub.channels.get(id)
                    or channel.gone
                    or not entry.holds_at(channel.state)
                ):
                    self._drop(key)

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self.size -= entry.size
        keys = self._keys[entry.scope.organization_id]
        keys.discard(key)
        if not keys:
            del self._keys[entry.scope.organization_id]

    def __len__(self) -> int:
        return len(self._entries)


def key_of(asked: Asked) -> Key | None:
    """Under which an answer is kept; None where none may be, or none is answered."""
    if asked.method not in READS or not NEVER.isdisjoint(asked.headers):
        return None
    if not 0 < len(asked.host) < LONGEST or len(asked.target) > LONGEST:
        return None
    if COOKIE in asked.headers.get("cookie", ""):
        return None
    return Key(asked.scheme, asked.host, asked.target, encoding_of(asked.headers.get("accept-encoding", "")))


def _names(known: str, tag: str) -> bool:
    """Whether If-None-Match names this tag, weakly compared (RFC 9110, 8.8.3.2)."""
    return known == tag or parse_etags(known).contains_weak(tag.removeprefix("W/").strip('"'))
