"""A thousand edits from eight threads at two processes: nothing fails, is lost, doubled or out of order.

A quarter of them, without --soak.
"""

import json
import os
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import httpx
import pytest

from statuspage.database import db, transaction
from statuspage.models.event import DATA_NAMES, Event
from statuspage.models.membership import Membership
from statuspage.models.organization import Organization
from statuspage.models.role import Role
from statuspage.models.status import ServiceStatus
from statuspage.models.token import ApiToken
from statuspage.models.user import User
from tests.conftest import DATABASES
from tests.live.listener import Ear, NodeListener
from tests.server import Server

EDITS, THREADS = (1000 if "SOAK" in os.environ else 250), 8
PATIENCE = 30.0  # seconds for the last event to arrive everywhere


@pytest.fixture(params=DATABASES)
def nodes(request, make_database, tmp_path) -> Iterator[tuple[Server, Server]]:
    """Two processes on one database, nothing else between them."""
    url = make_database(request.param, f"thousand_{request.param}")
    settings = {"DATABASE_URL": url, "SECRET_KEY": "test", "HOST": "127.0.0.1", "LOG_LEVEL": "warning"}
    with Server(tmp_path / "one", **settings) as one, Server(tmp_path / "two", **settings) as two:
        yield one, two


@pytest.fixture
def token(nodes) -> str:
    with nodes[0].app.app_context(), transaction():
        organization = Organization.create(id="org-456", slug="acme", name="Acme")
        user = User.create(name="Robin")
        Membership.grant(user, Role.EDITOR, organization)
        return ApiToken.create(user, Role.EDITOR, organization)[1]


class HttpEar(Ear):
    """A data client over plain HTTP, with a thread of its own."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self.client = httpx.Client(timeout=PATIENCE)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """After the server has stopped, which ends what is still held."""
        self.gone = True
        self._thread.join(PATIENCE)
        self.client.close()

    def _listen(self) -> None: ...


class Stream(HttpEar):
    """Over SSE."""

    def _listen(self) -> None:
        name = ""
        with (
            suppress(httpx.HTTPError),
            self.client.stream("GET", f"{self._url}/acme/stream?view=data") as answer,
        ):
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                if line.startswith("data: "):
                    self.hear(name, json.loads(line.removeprefix("data: ")))


class Poller(HttpEar):
    """Over held polls."""

    def _listen(self) -> None:
        self._cursor = self._ask(wait=0).json()["cursor"]
        self.hear("head")
        with suppress(httpx.HTTPError):
            while not self.gone:
                self._take(self._ask(cursor=self._cursor, wait=2))

    def _ask(self, **query) -> httpx.Response:
        return self.client.get(f"{self._url}/acme/changes", params={"view": "data", **query})

    def _take(self, answer: httpx.Response) -> None:
        if answer.status_code == 200:
            news = answer.json()
            assert not news["reset"]
            self._cursor = news["cursor"]
            for event in news["events"]:
                self.hear(event["event"], event)


class Editor:
    """One thread's work: a service and incidents of its own, and one service that everybody edits."""

    def __init__(self, url: str, token: str, shared: str, seed: int) -> None:
        self._random = random.Random(seed)
        self._client = httpx.Client(
            base_url=f"{url}/api", headers={"Authorization": f"Bearer {token}"}, timeout=60
        )
        self._shared = shared
        self._incident: str | None = None
        self.own = self.ask("POST", "/services", organizationId="org-456", name=f"Service {seed}")["id"]

    def close(self) -> None:
        self._client.close()

    def ask(self, method: str, path: str, **body) -> dict:
        answer = self._client.request(method, path, json=body)
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        return answer.json()

    def work(self, edits: int) -> None:
        for _ in range(edits):
            self._random.choice((self._own_status, self._shared_status, self._incident_step))()

    def _status(self) -> str:
        return self._random.choice(list(ServiceStatus)).value

    def _own_status(self) -> None:
        self.ask("PUT", f"/services/{self.own}", status=self._status(), position=self._random.randrange(1000))

    def _shared_status(self) -> None:
        self.ask("PATCH", f"/services/{self._shared}", status=self._status())

    def _incident_step(self) -> None:
        if self._incident is None:
            services = {self.own: self._status(), self._shared: self._status()}
            new = {"organizationId": "org-456", "title": "Trouble", "message": "x", "services": services}
            self._incident = self.ask("POST", "/incidents", **new)["id"]
        else:
            step = self._random.choice(("identified", "monitoring", "resolved"))
            self.ask("POST", f"/incidents/{self._incident}/updates", status=step, message=step)
            self._incident = None if step == "resolved" else self._incident


def log(server: Server) -> list[tuple[int, str]]:
    """(number, name) of every line of the organization, in order."""
    with server.app.app_context():
        query = db.session.query(Event.seq, Event.name).filter_by(organization_id="org-456")
        return [tuple(row) for row in query.order_by(Event.seq)]


@pytest.mark.timeout(300)
def test_numbers_are_gapless_and_every_data_client_gets_every_event_once_in_order(nodes, token):
    one, two = nodes
    with ExitStack() as stack:
        listeners: list[Ear] = []
        for server, transport in ((one, "websocket"), (two, "polling")):
            listener = NodeListener(server.url, transport)
            stack.callback(listener.close)
            listener.join("org-456")
            listeners.append(listener)
        for ear in (Stream(one.url), Stream(two.url), Poller(two.url)):
            stack.callback(ear.close)
            ear.expect("head", PATIENCE)
            listeners.append(ear)
        for server in nodes:  # before the ears are closed: it ends what is still held
            stack.callback(server.stop)

        first = len(log(one))
        first_editor = Editor(one.url, token, "", THREADS)
        shared = first_editor.own
        editors = [Editor((one, two)[n % 2].url, token, shared, n) for n in range(THREADS)]
        with ThreadPoolExecutor(THREADS) as threads:
            for done in [threads.submit(editor.work, EDITS // THREADS) for editor in editors]:
                done.result()
        for editor in (first_editor, *editors):
            editor.close()

        lines = log(one)
        assert [seq for seq, _ in lines] == list(range(1, len(lines) + 1))
        assert len(lines) >= EDITS
        expected = [seq for seq, name in lines[first:] if name in DATA_NAMES]
        for listener in listeners:
            listener.until(lambda listener=listener: len(listener.ids) >= len(expected), PATIENCE)
            got = [int(id.split(":")[1]) for id in listener.ids]
            assert got == expected, listener
    assert "Traceback" not in one.log + two.log
