"""One way to follow a scope, whatever it travels over: `follow(kind, place, cursor)`."""

import http.client
import json
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

import requests

from statuspage.models.scope import Scope
from tests.live.listener import DEADLINE, Ear, Listener
from tests.live.place import Place

KINDS = ("websocket", "polling", "sse", "changes")
PATIENCE = 4 * DEADLINE  # seconds without a byte


@dataclass(frozen=True)
class Watch:
    """What is followed, and by right of which token: the organization; a tenant; or everything."""

    place: Place
    tenant: str | None = None
    whole: bool = False
    token: str | None = None
    view: str = "data"

    @classmethod
    def everything(cls, place: Place, view: str = "data") -> Self:
        """As a viewer."""
        return cls(place, whole=True, token=place.tokens["viewer"], view=view)

    @property
    def scope(self) -> Scope:
        return Scope(self.place.id, self.tenant, self.whole)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @property
    def path(self) -> str:
        return f"/{self.place.id}/{self.tenant}" if self.tenant else f"/{self.place.id}"

    def query(self, cursor: str | None, **more: str) -> dict[str, str]:
        query = {"cursor": cursor, "scope": "all" if self.whole else None, "view": self.view, **more}
        return {name: value for name, value in query.items() if value}


def follow(kind: str, watch: Watch, cursor: str | None = None) -> Ear:
    """An open connection that hears what is new there; it has a close()."""
    if kind == "sse":
        return EventStream(watch, cursor)
    if kind == "changes":
        return HeldPolls(watch, cursor)
    return SocketFollower(watch, cursor, kind)


class SocketFollower(Listener):
    def __init__(self, watch: Watch, cursor: str | None, transport: str) -> None:
        super().__init__(watch.place.server.url, transport, watch.token)
        tenant = {"tenantId": watch.tenant} if watch.tenant else {}
        self.joined = self.join(watch.place.id, **watch.query(cursor), **tenant)


class EventStream(Ear):
    """Server-sent events, read to the byte: `raw` is all of them, `last_id` what a browser sends back.

    One that is `stalled` reads nothing until read().
    """

    def __init__(
        self,
        watch: Watch,
        cursor: str | None,
        last_event_id: str | None = None,
        stalled: bool = False,
    ) -> None:
        super().__init__()
        self.raw = bytearray()
        self.last_id: str | None = None
        self._connection = http.client.HTTPConnection("127.0.0.1", watch.place.server.port, timeout=PATIENCE)
        headers = watch.headers | ({"Last-Event-ID": last_event_id} if last_event_id else {})
        url = f"{watch.path}/stream?{urlencode(watch.query(cursor))}"
        self._connection.request("GET", url, headers=headers)
        self._socket = self._connection.sock
        self.answer = self._connection.getresponse()
        self._reader = threading.Thread(target=self._read, daemon=True)
        if not stalled:
            self.read()

    def read(self) -> None:
        """Return when it began: every stream begins with a `head`."""
        self._reader.start()
        if self.answer.status == 200:
            self.expect("head")

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(2)
        if self._reader.ident:  # one that is stalled was never started
            self._reader.join(DEADLINE)
        for part in (self.answer, self._connection, self._socket):
            part.close()

    def _read(self) -> None:
        with suppress(OSError, http.client.HTTPException):
            fields: dict[str, str] = {}
            while line := self.answer.readline():
                self.raw += line
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    fields[name] = value
                else:
                    self._dispatch(fields)
                    fields = {}
        self.lose()

    def _dispatch(self, fields: dict[str, str]) -> None:
        self.last_id = fields.get("id", self.last_id)
        if "event" in fields:
            self.hear(fields["event"], json.loads(fields["data"]))


class HeldPolls(Ear):
    """One held poll after the other, for `wait` seconds each; a refusal is heard as `(404)`."""

    def __init__(self, watch: Watch, cursor: str | None, wait: float = 0.3) -> None:
        super().__init__()
        self._watch, self.cursor, self._closing = watch, cursor, False
        self._wait = wait
        self.answers: list[int] = []
        """The status of each."""
        self._session = requests.Session()
        if cursor is None:
            self.cursor = self._ask(0).json()["cursor"]
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing = True
        self._thread.join(PATIENCE)
        self._session.close()

    def _ask(self, wait: float) -> requests.Response:
        url = f"{self._watch.place.server.url}{self._watch.path}/changes"
        query = self._watch.query(self.cursor, wait=str(wait))
        return self._session.get(url, params=query, headers=self._watch.headers, timeout=PATIENCE)

    def _poll(self) -> None:
        with suppress(requests.RequestException):
            while not self._closing and (answer := self._ask(self._wait)).status_code in (200, 204):
                self.answers.append(answer.status_code)
                if answer.status_code == 200:
                    self._take(answer.json())
            if not self._closing:
                self.hear(f"({answer.status_code})")
        self.lose()

    def _take(self, news: dict[str, Any]) -> None:
        if self._watch.view != "data":
            self.hear("change", news)
        for event in news.get("events", ()):
            self.hear(event.pop("event"), event)
        if news.get("reset"):
            self.hear("reset", {"cursor": news["cursor"]})
        self.cursor = news["cursor"]
