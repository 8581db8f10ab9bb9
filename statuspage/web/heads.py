"""Heads of requests, as bytes: what the page cache answers before a request is anything else.

The server's front asks with every head that comes in, in the hub of its event loop; so this is quick, and
never blocks. A head that is in any way unusual is read by the WSGI server, which knows all the ways.
"""

from functools import lru_cache

from ..live.transport.front import read_head
from .page_cache import Asked, Key, PageCache, key_of

MEMORABLE = 2000  # bytes of a head, at most
REMEMBERED = 2000  # heads: most that a browser sends are the same time and again


class Heads:
    """`proxies`: how many proxies in front are trusted to say how a request reached them (PROXIES)."""

    def __init__(self, cache: PageCache, proxies: int) -> None:
        self._cache = cache
        self._proxies = proxies
        self._read_again = lru_cache(REMEMBERED)(self._read)

    def answer(self, head: bytes) -> bytes | None:
        """The complete answer to this head (RFC 9112, 3), if it is at hand and true now."""
        found = self._read_again(head) if len(head) < MEMORABLE else self._read(head)
        answer = self._cache.find(*found) if found else None
        return answer.wire if answer else None

    def _read(self, head: bytes) -> tuple[Asked, Key] | None:
        """The question, and the key of its answer; None for what is not ours to answer."""
        said = read_head(head)
        if said is None:
            return None
        headers = said.fields
        if headers.get("connection", "keep-alive").lower() != "keep-alive":
            return None
        target = f"{said.path}?{said.query}" if said.query else said.path
        asked = Asked(said.method, target, headers.get("host", ""), self._scheme(headers), headers)
        key = key_of(asked)
        return (asked, key) if key else None

    def _scheme(self, headers: dict[str, str]) -> str:
        said = [word.strip() for word in headers.get("x-forwarded-proto", "").split(",")]
        trusted = self._proxies and len(said) >= self._proxies and said[-self._proxies]
        return trusted or "http"
