"""What is kept of the request that opened a session: what handlers may ask for, and nothing twice."""

from collections.abc import Iterator, MutableMapping
from typing import Any
from weakref import WeakValueDictionary

# Of the headers those that an event may have a use for, and that browsers say alike. What proxies add, an
# address or a trace, differs with each connection: no two would share their words.
HEADERS = {"HTTP_HOST", "HTTP_ORIGIN", "HTTP_USER_AGENT", "HTTP_ACCEPT_LANGUAGE"}
LONGEST = 500  # characters of a header that is kept
DROPPED = {"QUERY_STRING", "REMOTE_PORT"}  # a query may hold a session id
OWN = ("REMOTE_ADDR", "HTTP_COOKIE")  # what differs from client to client
KEPT = ("flask.app", "wsgi.errors")


class Words:
    """What thousands of browsers say alike."""

    __slots__ = ("__weakref__", "pairs")

    def __init__(self, pairs: tuple[tuple[str, Any], ...]) -> None:
        self.pairs = pairs


_known: WeakValueDictionary[Any, Words] = WeakValueDictionary()


class Remembered:
    """The request of one session; equal ones share all but address and cookies."""

    __slots__ = ("_own", "_words")

    def __init__(self, environ: dict[str, Any]) -> None:
        pairs = tuple(
            (name, value)
            for name, value in environ.items()
            if name in KEPT or (isinstance(value, str) and _is_kept(name, value))
        )
        words = _known.get(pairs)
        if words is None:
            words = _known[pairs] = Words(pairs)
        self._words = words
        self._own = tuple(environ.get(name) for name in OWN)

    @property
    def address(self) -> str | None:
        """REMOTE_ADDR: where it came from."""
        return self._own[0]

    def environ(self) -> dict[str, Any]:
        """As the environment of a request without a body (PEP 3333)."""
        environ = dict(self._words.pairs)
        environ.update((name, value) for name, value in zip(OWN, self._own, strict=True) if value is not None)
        environ["QUERY_STRING"] = ""
        return environ


def _is_kept(name: str, value: str) -> bool:
    if name.startswith("HTTP_"):
        return name in HEADERS and len(value) <= LONGEST
    return name not in DROPPED and name not in OWN


class Environs(MutableMapping[str, Any]):
    """python-socketio's table of environments by Engine.IO sid: made when asked for, kept by the sessions."""

    def __init__(self) -> None:
        self._requests: dict[str, Any] = {}

    def __setitem__(self, sid: str, request: Any) -> None:
        self._requests[sid] = request

    def __getitem__(self, sid: str) -> dict[str, Any]:
        return self._requests[sid].environ()

    def __delitem__(self, sid: str) -> None:
        del self._requests[sid]

    def __contains__(self, sid: object) -> bool:
        return sid in self._requests

    def __iter__(self) -> Iterator[str]:
        return iter(self._requests)

    def __len__(self) -> int:
        return len(self._requests)
