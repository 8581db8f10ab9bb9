"""Nodes on one PostgreSQL and one Valkey behind one Caddy, and a writer that never stops."""

import itertools
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import httpx
import libfaketime
import psycopg
from prometheus_client.parser import text_string_to_metric_families

from statuspage.database import new_id, transaction
from statuspage.models.membership import Membership
from statuspage.models.organization import Organization
from statuspage.models.role import Role
from statuspage.models.service import Service
from statuspage.models.token import ApiToken
from statuspage.models.user import User
from tests.engines import Postgres, Valkey
from tests.proxies import Caddy
from tests.server import Server

ORGANIZATION = "org-456"
PATIENCE = 60.0
LARGE = 7_500  # bytes, twice as many as hexadecimal digits: about what a broadcast may have
DRAWING = "SELECT node.name FROM job JOIN node ON node.id = job.claimed_by WHERE job.name = 'snapshots'"
CLAIMS = """
SELECT name, extract(epoch FROM due_at - now()), coalesce(extract(epoch FROM claimed_until - now()), 0)
FROM job
"""
GATE = """
CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON event DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.type = 'broadcast') EXECUTE FUNCTION gate();
"""


class Relay:
    """A wire between a node and an engine that can be cut, and mended."""

    def __init__(self, port: int) -> None:
        self._port, self._whole = port, True
        self._ends: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def cut(self) -> None:
        self._whole = False
        for end in list(self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._whole = True

    def close(self) -> None:
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self._whole:
                    near.close()
                    continue
                try:
                    far = socket.create_connection(("127.0.0.1", self._port), timeout=2)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                self._ends |= {near, far}
                for one, other in ((near, far), (far, near)):
                    thread = threading.Thread(target=self._pass_on, args=(one, other), daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)
        self._ends.discard(one)
        one.close()


class Cluster:
    """So many `nodes`. The last one's clock is an hour ahead, and its wire to the doorbell can be cut.

    `bus`: "valkey", or "postgres" to do without it.
    """

    def __init__(self, folder: Path, nodes: int, bus: str = "valkey") -> None:
        self._bus = bus
        self._stack = ExitStack()
        self.postgres = self._stack.enter_context(Postgres())
        self.valkey = self._stack.enter_context(Valkey(folder))
        self.relay = Relay(self.valkey.port)
        self.snapshots = folder / "snapshots"
        self._stack.callback(self.relay.close)
        self.nodes = [self._node(folder, number, last=number == nodes - 1) for number in range(nodes)]
        for node in self.nodes:
            self._stack.enter_context(node)
        self.token = self._found(ORGANIZATION, slug="acme", services=8)
        proxy = Caddy(folder / "proxy", self.nodes, self.snapshots, tls=False)
        self.url = self._stack.enter_context(proxy).url

    def _node(self, folder: Path, number: int, *, last: bool) -> Server:
        valkey = f"redis://127.0.0.1:{self.relay.port}/0" if last else self.valkey.url
        return Server(
            folder / f"node{number}",
            around=clock_ahead() if last else None,
            DATABASE_URL=self.postgres.url,
            SECRET_KEY="test",
            HOST="127.0.0.1",
            NODE="abc"[number],
            PROXIES="1",
            BUS_URL=valkey if self._bus == "valkey" else self._bus,
            HEAD_INTERVAL="2",
            PUBLIC_URL="https://status.example",
            SNAPSHOTS=str(self.snapshots),
            LOG_LEVEL="info",
        )

    def _found(self, id: str, slug: str, services: int = 0) -> str:
        """A new organization; the token of an admin."""
        with self.nodes[0].app.app_context(), transaction():
            organization = Organization.create(id=id, slug=slug, name=slug.title())
            for number in range(services):
                Service.create(organization, None, name=f"Service {number}")
            user = User.create(name="Robin")
            Membership.grant(user, Role.ADMIN, organization)
            return ApiToken.create(user, Role.ADMIN, organization)[1]

    def api(self) -> httpx.Client:
        return httpx.Client(
            base_url=self.url + "/api", headers={"Authorization": f"Bearer {self.token}"}, timeout=4
        )

    def seconds_until_heard(self) -> float:
        """From the answer of the first node to a broadcast until who waits at the last one hears it.

        Neither goes through the proxy. The organization is new: no write but this one tells of its news.
        """
        id, mark = new_id(), new_id()
        token = self._found(id, slug=id)
        body = {"type": "incident-update", "data": {"said": mark}, "organizationId": id}
        headers = {"Authorization": f"Bearer {token}"}
        with (
            httpx.Client(base_url=self.nodes[0].url, headers=headers, timeout=15) as writer,
            httpx.Client(base_url=self.nodes[-1].url, timeout=15) as listener,
            ThreadPoolExecutor(1) as beside,
        ):
            found: list[str] = []  # the position there; it may take its time beside other tests
            self.until(lambda: found.append(self._cursor(listener, id)) or bool(found))
            query = {"view": "data", "wait": 12, "cursor": found[0]}
            hearing = beside.submit(lambda: (listener.get(f"/{id}/changes", params=query), time.monotonic()))
            self.until(lambda: self._is_held(listener, id))
            writer.post("/api/websocket/broadcast", json=body).raise_for_status()
            answered = time.monotonic()
            answer, heard = hearing.result()
        assert mark in answer.text
        return heard - answered

    def _cursor(self, node: httpx.Client, organization: str) -> str:
        cursor: str = node.get("/api/status", params={"organizationId": organization}).json()["cursor"]
        return cursor

    def _is_held(self, node: httpx.Client, organization: str) -> bool:
        info = node.get("/api/websocket/info", params={"organizationId": organization}).json()
        return bool(info["connections"])

    @contextmanager
    def hold(self, lock: str, query: str) -> Iterator[Callable[[], Server]]:
        """Take a lock by this statement; gives what finds the first node whose query, like this, waits."""
        with (
            psycopg.connect(self.postgres.url) as holder,
            psycopg.connect(self.postgres.url, autocommit=True) as watcher,
        ):
            holder.execute(lock)
            yield lambda: self._waiting(watcher, query)

    def _waiting(self, watcher: psycopg.Connection, query: str) -> Server:
        question = (
            "SELECT application_name FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ %s"
        )
        found: list[tuple[str]] = []

        def somebody_waits() -> bool:
            found[:] = watcher.execute(question, [query]).fetchall()
            return bool(found)

        self.until(somebody_waits)
        name = found[0][0].removeprefix("statuspage ")
        return self.nodes["abc".index(name)]

    def name_of(self, node: Server) -> str:
        return "abc"[self.nodes.index(node)]

    @contextmanager
    def commits_that_can_be_held(self) -> Iterator[None]:
        """Each commit of a broadcast goes through an advisory lock, when everything else is done."""
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute(GATE)
            yield
            connection.execute("DROP FUNCTION gate CASCADE")

    def drawing(self) -> Server:
        """The node that draws snapshots, as soon as one does."""
        found: list[tuple[str]] = []
        self.until(lambda: found.extend(self.sql(DRAWING)) or bool(found))
        return self.nodes["abc".index(found[0][0])]

    def metric(self, name: str) -> float:
        """Of all nodes together, whatever its labels."""
        texts = [httpx.get(node.url + "/metrics").text for node in self.nodes]
        return sum(
            sample.value
            for text in texts
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        )

    def claims(self) -> list[tuple[str, float, float]]:
        """(job, seconds until it is due, until its claim is over), by the database's clock."""
        return self.sql(CLAIMS)

    def sql(self, statement: str) -> list[Any]:
        """Its rows, if it gives any; beside the nodes, and committed."""
        with psycopg.connect(self.postgres.url) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def make_due(self, job: str) -> None:
        self.sql(
            f"UPDATE job SET due_at = now(), claimed_by = NULL, claimed_until = NULL WHERE name = '{job}'"
        )

    def nodes_with_clients(self) -> set[str]:
        """By name, as the first node says it that answers."""
        with self.api() as api:
            answer = api.get("/websocket/info", params={"organizationId": ORGANIZATION})
            return set(answer.raise_for_status().json()["nodes"])

    def until(self, check: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(httpx.HTTPError):
                if check():
                    return
            assert time.monotonic() < deadline, "It did not happen."
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self._stack.close()


def clock_ahead() -> dict[str, str]:
    """What shifts a process by an hour."""
    library = Path(libfaketime.__file__).parent / "vendor/libfaketime/src/libfaketime.so.1"
    return {"LD_PRELOAD": str(library), "FAKETIME": "+1h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


class Writer:
    """Writes through the proxy, one thing after another, each until it is acknowledged, by the same key."""

    def __init__(self, cluster: Cluster, pause: float = 0.05, seed: int = 1) -> None:
        self.acknowledged: list[str] = []  # marks of broadcasts
        self.updates: list[str] = []  # messages of incident updates
        self.services: dict[str, tuple[str, str]] = {}  # by id, status and description as they were set last
        self.replayed = 0  # answers to what had been done before they were first answered
        self._random = random.Random(seed)
        self._client, self._pause = cluster.api(), pause
        self._over = threading.Event()
        self._progress = threading.Condition()
        self.count = 0
        self.problem: str | None = None
        self._filling = threading.Event()
        self._services = [
            service["id"] for service in self._ask("GET", "/services?organizationId=" + ORGANIZATION)["items"]
        ]
        self._incident: str | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def go_on(self, writes: int = 6) -> None:
        """Return when so many more were acknowledged."""
        with self._progress:
            goal = self.count + writes
            done = self._progress.wait_for(lambda: self.count >= goal or self.problem, PATIENCE)
            assert done, "The writer stands still."
            assert not self.problem, self.problem

    def fill(self, broadcasts: int) -> None:
        """So many large ones, as quickly as they are acknowledged, that no compression makes small."""
        goal = len(self.acknowledged) + broadcasts
        self._filling.set()
        with self._progress:
            assert self._progress.wait_for(lambda: len(self.acknowledged) >= goal or self.problem, PATIENCE)
            assert not self.problem, self.problem
        self._filling.clear()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(PATIENCE)
        assert not self.problem, self.problem
        self._client.close()

    def _run(self) -> None:
        try:
            for number in itertools.count():
                if self._over.wait(0 if self._filling.is_set() else self._pause):
                    return
                if self._filling.is_set():
                    self._broadcast(number, filling=self._random.randbytes(LARGE).hex())
                else:
                    (self._broadcast, self._status, self._step)[number % 3](number)
                with self._progress:
                    self.count += 1
                    self._progress.notify_all()
        except BaseException as error:
            with self._progress:
                self.problem = repr(error)
                self._progress.notify_all()

    def _broadcast(self, number: int, filling: str = "") -> None:
        mark = f"mark-{number}"
        data = {"mark": mark, "at": int(time.time() * 1000), "filling": filling}
        body = {"type": "service-update", "data": data, "organizationId": ORGANIZATION}
        self._ask("POST", "/websocket/broadcast", body)
        self.acknowledged.append(mark)

    def _status(self, number: int) -> None:
        status = self._random.choice(("operational", "degraded", "partial_outage", "major_outage"))
        id, description = self._random.choice(self._services), f"Edit {number}"
        self._ask("PATCH", f"/services/{id}", {"status": status, "description": description})
        self.services[id] = status, description

    def _step(self, number: int) -> None:
        message = f"Message {number}"
        if self._incident is None:
            new = {"organizationId": ORGANIZATION, "title": f"Trouble {number}", "message": message}
            services = {self._random.choice(self._services): "major_outage"}
            self._incident = self._ask("POST", "/incidents", {**new, "services": services})["id"]
        else:
            step = self._random.choice(("identified", "monitoring", "resolved"))
            self._ask("POST", f"/incidents/{self._incident}/updates", {"status": step, "message": message})
            self._incident = None if step == "resolved" else self._incident
        self.updates.append(message)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = patiently(self._client, method, path, body)
        self.replayed += answer.headers.get("Idempotent-Replayed") == "true"
        return answer.json()


def patiently(client: httpx.Client, method: str, path: str, body: Any = None) -> httpx.Response:
    """Until it is answered; what is posted is posted by the same key again."""
    headers = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(httpx.HTTPError):
            answer = client.request(method, path, json=body, headers=headers)
            if answer.is_success:
                return answer
            assert answer.status_code >= 500, (method, path, answer.status_code, answer.text)
        assert time.monotonic() < deadline, (method, path, "was never answered")
        time.sleep(0.1)
