"""Three nodes, a writer that never stops, 300 clients over all transports, and everything that can break.

At the end each client's state equals a fresh load, its positions rose strictly and without a gap, nothing
came twice, and what the writer was told is done is there, once.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Browser

from tests.browser.visit import Visit
from tests.cluster.cluster import ORGANIZATION, Cluster, Writer
from tests.cluster.crowd import Crowd

pytestmark = pytest.mark.alone
Launch = Callable[..., Browser]

Fault = Callable[["Cluster", "Writer"], None]


def kill_a_node(cluster: Cluster, writer: Writer) -> None:
    """In the middle of whatever it does: the writer never stops."""
    cluster.nodes[1].kill()
    writer.go_on()
    cluster.nodes[1].start()
    writer.go_on()


def lose_valkey(cluster: Cluster, writer: Writer) -> None:
    cluster.valkey.freeze()
    writer.go_on()
    cluster.valkey.thaw()
    cluster.valkey.kill()
    writer.go_on()
    cluster.valkey.start()
    writer.go_on()


def restart_postgres(cluster: Cluster, writer: Writer) -> None:
    cluster.postgres.restart()
    writer.go_on()


def cut_a_node_from_the_doorbell(cluster: Cluster, writer: Writer) -> None:
    cluster.relay.cut()
    writer.go_on()
    cluster.relay.mend()
    writer.go_on()


def restart_all_in_turn(cluster: Cluster, writer: Writer) -> None:
    for node in cluster.nodes:
        node.stop()
        node.start()
        writer.go_on(5)


def freeze_a_node(cluster: Cluster, writer: Writer) -> None:
    """Its lease runs out and its clients are not answered, but it does not know."""
    os.kill(cluster.nodes[0].pid, signal.SIGSTOP)
    writer.go_on(5)
    os.kill(cluster.nodes[0].pid, signal.SIGCONT)
    writer.go_on()


FAULTS: list[Fault] = [
    kill_a_node,
    lose_valkey,
    cut_a_node_from_the_doorbell,
    restart_postgres,
    freeze_a_node,
    restart_all_in_turn,
]


@pytest.fixture
def cluster(tmp_path) -> Iterator[Cluster]:
    with Cluster(tmp_path, nodes=3) as found:
        yield found


def converge(launch: Launch, cluster: Cluster, faults: list[Fault], rounds: int = 1) -> None:
    with Crowd(cluster.url, 100, 40, 100, 60) as crowd, launch() as browser:
        visits = [Visit(browser.new_context(), cluster.url) for _ in range(2)]
        for visit in visits:
            visit.page.goto(cluster.url + "/acme")
        writer = Writer(cluster)
        writer.go_on(5)
        for fault in faults * rounds:
            begun = time.monotonic()
            fault(cluster, writer)
            print(f"{fault.__name__}: {time.monotonic() - begun:.1f} s, {writer.count} writes")
        writer.stop()
        with cluster.api() as api:
            check(cluster, crowd, writer, api)
        for visit in visits:
            visit.expect_same_as_fresh(cluster.url)
    for node in cluster.nodes:
        assert "Traceback" not in node.log, node.log[-3000:]


def check(cluster: Cluster, crowd: Crowd, writer: Writer, api: httpx.Client) -> None:
    cursor = api.get("/status", params={"organizationId": ORGANIZATION}).json()["cursor"]
    late = crowd.wait(int(cursor.split(":")[1]), 30)
    assert late["count"] == 0, late
    found = crowd.report()
    assert found["wrong"] == []
    assert found["doubled"] == []
    assert found["different"] == [], (found["example"][:500], found["fresh"][:500])
    assert set(found["marks"]) == {len(writer.acknowledged)}
    messages: list[str] = []
    for incident in api.get("/incidents", params={"organizationId": ORGANIZATION, "limit": 100}).json()[
        "items"
    ]:
        messages += [update["message"] for update in incident["updates"]]
    assert sorted(messages) == sorted(writer.updates)


@pytest.mark.timeout(180)
def test_whatever_breaks_nothing_is_lost(launch, cluster):
    converge(launch, cluster, FAULTS)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("nodes", [2, 3])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_each_fault_for_a_minute(launch, tmp_path, fault, nodes):
    with Cluster(tmp_path, nodes) as found:
        converge(launch, found, [fault], rounds=8)
