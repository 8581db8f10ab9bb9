"""How soon a change is on the other node, and what it costs when everybody comes back at once."""

import json
import re
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser

from bench.build import build
from bench.contenders import SOCKET_PATH
from bench.herd import Herd
from bench.load import Load, allow_descriptors
from bench.mark import mark
from bench.writer import LENGTH
from tests.browser.latency import delays as delays_of
from tests.browser.latency import record
from tests.browser.visit import Visit
from tests.cluster.cluster import ORGANIZATION, Cluster
from tests.live.listener import Listener
from tests.proxies import eventually
from tests.server import Server, new_postgres_database

pytestmark = pytest.mark.alone
CHANGES = 40
CALM = 0.3  # seconds between changes of a page: none waits for the one before


@pytest.fixture
def cluster(tmp_path) -> Iterator[Cluster]:
    with Cluster(tmp_path, nodes=2) as found:
        yield found


def delays(cluster: Cluster, changes: int) -> tuple[list[float], list[float]]:
    """Seconds until a client of the node that made a change has it, and until one of the other has."""
    here, there = (Listener(node.url, "websocket") for node in cluster.nodes)
    found: tuple[list[float], list[float]] = ([], [])
    with httpx.Client(headers={"Authorization": f"Bearer {cluster.token}"}, timeout=10) as client:
        for ear in (here, there):
            ear.join(ORGANIZATION)
            ear.heard_at = {}
            ear.client.on("service-update", lambda event, ear=ear: heard(ear, event))
        for number in range(changes):
            body = {"type": "service-update", "data": {"mark": number}, "organizationId": ORGANIZATION}
            begun = time.monotonic()
            answer = client.post(f"{cluster.nodes[0].url}/api/websocket/broadcast", json=body)
            id = answer.json()["ids"][0]
            for ear, kept in zip((here, there), found, strict=True):
                ear.until(lambda ear=ear, id=id: id in ear.heard_at)
                kept.append(ear.heard_at[id] - begun)
    for ear in (here, there):
        ear.close()
    return found


def on_screens(launch: Callable[..., Browser], cluster: Cluster, changes: int) -> list[list[float]]:
    """The same until it is in an open page, of the node that makes the changes and of the other one."""
    with launch() as browser, cluster.api() as api:
        service = api.get("/services", params={"organizationId": ORGANIZATION}).json()["items"][0]["id"]
        pages = [Visit(browser.new_context(), node.url).open().page for node in cluster.nodes]
        for page in pages:
            record(page, service)
        sent = {}
        for number in range(changes):
            sent[number] = time.time()
            api.patch(f"{cluster.nodes[0].url}/api/services/{service}", json={"name": f"Change {number}."})
            time.sleep(CALM)
        return [delays_of(page, service, sent) for page in pages]


def heard(ear: Listener, event: dict) -> None:
    ear.heard_at[event["id"]] = time.monotonic()
    ear.hear("service-update", event)


def p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


@pytest.mark.timeout(120)
def test_the_other_node_is_as_quick_as_this_one(cluster, launch):
    delays(cluster, 5)  # warm
    here, there = delays(cluster, CHANGES)
    print(f"p95 here {p95(here) * 1000:.1f} ms, on the other node {p95(there) * 1000:.1f} ms")
    assert p95(there) <= 1.5 * p95(here)
    here, there = on_screens(launch, cluster, CHANGES)
    print(f"on the screen p95 here {p95(here) * 1000:.0f} ms, on the other node {p95(there) * 1000:.0f} ms")
    assert p95(there) <= 1.5 * p95(here)
    cluster.valkey.kill()
    (_, heard), (_, seen) = delays(cluster, 10), on_screens(launch, cluster, 10)
    print(f"without the doorbell heard within {max(heard):.2f} s, on the screen within {max(seen):.2f} s")
    assert max(heard + seen) < 2


def statements(server: Server) -> float:
    found = re.search(r"^statuspage_database_statements_total (\S+)$", metrics(server), re.MULTILINE)
    assert found
    return float(found[1])


def metrics(server: Server) -> str:
    return httpx.get(server.url + "/metrics").text


CLIENTS, VIEWERS = 4_000, 1_000  # of the data, and of the page
MISSED, EDIT = (1, 2, 3), 4  # numbers of broadcasts, and of an edit that pages show too
STATEMENTS = {"sqlite": 300, "postgresql": 400}  # most write down, in batches of a hundred, who is connected
OTHERS = ("/acme", "/globex", "/acme/history", f"/api/status?organizationId={ORGANIZATION}", "/embed/acme")
MEMBERS = (f"/api/incidents?organizationId={ORGANIZATION}", f"/api/services?organizationId={ORGANIZATION}")
PATIENCE = {"sqlite": 0.25, "postgresql": 0.75}
"""Seconds that the slowest of a hundred other requests may take meanwhile: the first of each page is drawn
there, and with PostgreSQL it waits for a turn of the crowded loop after each of its queries."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_five_thousand_come_back_at_once(tmp_path, request, database):
    """After a kill -9, to a process that knows nothing yet: all are current again, no request fails, and
    others hardly notice."""
    build()
    allow_descriptors()
    settings = {"LOG_LEVEL": "warning"}
    if database == "postgresql":
        url = new_postgres_database(request.getfixturevalue("postgres"), "herd")
        settings |= {"DATABASE_URL": url, "DEMO": "1"}
    with Server(tmp_path / "instance", **settings) as server, Load() as load, Load() as viewers:
        token = {"Authorization": f"Bearer {server.token}"}
        as_member = (f"Authorization: Bearer {server.token}",)
        cursor = httpx.get(f"{server.url}/api/status?organizationId={ORGANIZATION}").json()["cursor"]

        def tell(number: int) -> None:
            data = {"mark": mark(number, 512)}
            body = {"type": "service-update", "data": data, "organizationId": ORGANIZATION}
            httpx.post(f"{server.url}/api/websocket/broadcast", json=body, headers=token).raise_for_status()

        def edit(number: int) -> None:
            words = {"description": mark(number, LENGTH, plain=True)}
            httpx.patch(f"{server.url}/api/services/service-1", json=words, headers=token).raise_for_status()

        def come_back(load: Load, clients: int, view: str) -> float:
            claim = {"organizationId": ORGANIZATION, "cursor": cursor, "view": view}
            words = json.dumps(["authenticate", claim], separators=(",", ":"))
            strict = int(view == "data")
            return load.connect(server.port, clients, words, path=SOCKET_PATH, window=clients, strict=strict)

        for number in MISSED:
            tell(number)
        edit(EDIT)
        server.kill()
        server.start()
        before = statements(server)
        with (
            Herd(server.port, *OTHERS, seconds=4, rate=50) as herd,
            Herd(server.port, *MEMBERS, seconds=4, rate=10, headers=as_member) as members,
            ThreadPoolExecutor() as both,
        ):
            coming = both.submit(come_back, viewers, VIEWERS, "page")
            seconds = max(come_back(load, CLIENTS, "data"), coming.result())
            others, theirs = herd.answers(), members.answers()
        load.wait(EDIT, CLIENTS)  # each of them, once and in order, by everybody
        viewers.wait(EDIT, VIEWERS)
        eventually(lambda: "statuspage_unwritten 0.0" in metrics(server))  # who is connected, in the database
        cost = statements(server) - before
        print(f"{CLIENTS + VIEWERS} came back in {seconds:.1f} s, with {cost:.0f} statements")
        print(f"Of others' requests meanwhile the p99 is {others.p99 * 1000:.0f} ms")
        print(f"Of members' requests, each with its queries, {theirs.p99 * 1000:.0f} ms")
        assert f'statuspage_replays_total{{source="memory"}} {CLIENTS:.1f}' in metrics(server)
        tell(EDIT + 1)
        edit(EDIT + 2)
        load.wait(EDIT + 2, CLIENTS)
        viewers.wait(EDIT + 2, VIEWERS)
        assert cost < STATEMENTS[database]
        assert max(others.p99, theirs.p99) < PATIENCE[database]
        assert f'statuspage_connections{{transport="websocket"}} {CLIENTS + VIEWERS:.1f}' in metrics(server)
        assert "Traceback" not in server.log


WRITERS, READERS = 60, 60  # each more than a node has connections to the database
SOON = 5.0  # seconds


def test_whoever_asks_is_answered_while_sixty_wait_to_write(tmp_path, request):
    """Greenlets of a real server share its few connections: no writer who waits keeps a reader waiting."""
    url = new_postgres_database(request.getfixturevalue("postgres"), "pool")
    with (
        Server(tmp_path / "instance", DATABASE_URL=url, DEMO="1") as server,
        httpx.Client(
            base_url=f"{server.url}/api",
            headers={"Authorization": f"Bearer {server.token}"},
            limits=httpx.Limits(max_connections=WRITERS + READERS),
            timeout=30,
        ) as client,
        ThreadPoolExecutor(WRITERS + READERS) as pool,
    ):

        def read(_: int) -> tuple[int, float]:
            begun = time.monotonic()
            answer = client.get("/incidents", params={"organizationId": ORGANIZATION})
            return answer.status_code, time.monotonic() - begun

        def write(number: int) -> int:
            return client.patch("/services/service-1", json={"description": f"Edit {number}"}).status_code

        with psycopg.connect(url) as holder:
            holder.execute("SELECT * FROM organization FOR UPDATE")
            writers = [pool.submit(write, number) for number in range(WRITERS)]
            answers = list(pool.map(read, range(READERS)))
            assert not any(writer.done() for writer in writers)
        assert {status for status, _ in answers} == {200}
        assert max(seconds for _, seconds in answers) < SOON
        assert {writer.result() for writer in writers} == {200}
