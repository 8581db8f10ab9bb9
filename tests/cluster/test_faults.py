"""Three nodes, a writer that never stops, 300 clients over all transports, and everything that can break.

At the end each client's state equals a fresh load, its positions rose strictly and without a gap, nothing
came twice, and what the writer was told is done is there, once.
"""

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from tests.browser.visit import Visit
from tests.cluster.cluster import ORGANIZATION, Cluster, Writer
from tests.cluster.consumer import Consumer
from tests.cluster.crowd import Crowd

Launch = Callable[..., Browser]
MINUTE = 60.0
LINES = "^(INSERT INTO|UPDATE) event "  # what is new, and what is taken out of older ones
HEARD = 2.0  # seconds
FULL = 150.0  # seconds at most until all buffers are full, and their readers cut: they grow while they fill
TAKEN_OVER = 20.0
GHOSTS = 9.0  # three beats, the second that an answer is kept, and the asking
OLD_FIGURES = """
INSERT INTO figure (organization_id, span, at, tenant_id, name, value, peak)
SELECT 'org-456', 'minute', date_trunc('day', now(), 'UTC') - interval '60 days' + n * interval '1 minute',
    '', 'old', n, n
FROM generate_series(1, 30) AS n
"""
OLD_CONNECTIONS = """
INSERT INTO connection (id, since, organization_id, whole, view, transport, role, node, until, ended)
SELECT 'old-' || n, now() - interval '999 days', 'org-456', false, 'page', 'sse', '', 'old',
    now() - interval '998 days', 'left'
FROM generate_series(1, 1200) AS n
"""


@dataclass
class Night:
    """What a fault meets: nodes, a writer that never stops, and clients, some of which sleep at times."""

    cluster: Cluster
    writer: Writer
    sleepers: Crowd
    is_alone: bool  # on this machine: bounds hold


Fault = Callable[[Night], None]


def kill_a_node(night: Night) -> None:
    """In the middle of a commit: rows are written, and the lines of the log wait for a lock that we hold."""
    with night.cluster.hold("LOCK TABLE event IN SHARE MODE", LINES) as node_that_waits:
        node = node_that_waits()
        node.kill()
        killed = time.monotonic()
    if night.is_alone:
        night.cluster.until(lambda: night.cluster.name_of(node) not in night.cluster.nodes_with_clients())
        seconds = time.monotonic() - killed
        print(f"its clients count for {seconds:.1f} s")
        assert seconds < GHOSTS
    night.writer.go_on()
    node.start()
    night.writer.go_on()


def kill_a_node_that_has_committed(night: Night) -> None:
    """Before it hears so: nobody is answered, no doorbell rings. The writer asks again, by the same key."""
    replayed = night.writer.replayed
    with night.cluster.commits_that_can_be_held():
        with night.cluster.hold("SELECT pg_advisory_lock(1)", "^COMMIT") as node_that_waits:
            node = node_that_waits()
            node.kill()
        night.writer.go_on()
    assert night.writer.replayed == replayed + 1
    node.start()
    night.writer.go_on()


def kill_the_node_that_draws(night: Night) -> None:
    """Snapshots are one node's work at a time; another one goes on with them."""
    node = night.cluster.drawing()
    node.kill()
    killed = time.monotonic()
    night.writer.go_on()
    night.cluster.until(lambda: night.cluster.drawing() is not node)
    seconds = time.monotonic() - killed
    print(f"another node draws after {seconds:.1f} s")
    assert seconds < TAKEN_OVER
    node.start()
    night.writer.go_on()


def kill_the_node_that_rolls_up(night: Night) -> None:
    """When the sums are written and the mark is not moved: another one does it, and nothing counts twice."""
    night.cluster.sql("DELETE FROM mark; DELETE FROM figure")
    night.cluster.sql(OLD_FIGURES)
    _kill_the_node_at(night, "roll up figures", "mark", "^(INSERT INTO|UPDATE) mark")
    sums = "SELECT sum(value) FROM figure WHERE span = 'day' AND name = 'old'"
    night.cluster.until(lambda: night.cluster.sql(sums) == [(465,)])


def kill_the_node_that_prunes(night: Night) -> None:
    night.cluster.sql(OLD_CONNECTIONS)
    _kill_the_node_at(night, "prune", "connection", r"^DELETE FROM connection WHERE \(")
    night.cluster.until(lambda: night.cluster.sql("SELECT * FROM connection WHERE node = 'old'") == [])


def _kill_the_node_at(night: Night, job: str, table: str, statement: str) -> None:
    with night.cluster.hold(f"LOCK TABLE {table} IN SHARE MODE", statement) as node_that_waits:
        night.cluster.make_due(job)
        node = node_that_waits()
        node.kill()
    night.writer.go_on()
    node.start()
    night.writer.go_on()


def lose_valkey(night: Night) -> None:
    night.cluster.valkey.freeze()
    night.writer.go_on()
    hear_soon(night)
    night.cluster.valkey.thaw()
    night.cluster.valkey.kill()
    night.writer.go_on()
    hear_soon(night)
    night.cluster.valkey.start()
    night.writer.go_on()


def cut_a_node_from_the_doorbell(night: Night) -> None:
    night.cluster.relay.cut()
    night.writer.go_on()
    hear_soon(night)
    night.cluster.relay.mend()
    night.writer.go_on()


def hear_soon(night: Night) -> None:
    """Without the doorbell a node looks by itself."""
    seconds = night.cluster.seconds_until_heard()
    print(f"heard after {seconds:.3f} s")
    assert seconds < HEARD


def restart_postgres(night: Night) -> None:
    night.cluster.postgres.restart()
    night.writer.go_on()


def freeze_a_node(night: Night) -> None:
    """Its clients are not answered, and it does not know."""
    os.kill(night.cluster.nodes[0].pid, signal.SIGSTOP)
    night.writer.go_on(5)
    os.kill(night.cluster.nodes[0].pid, signal.SIGCONT)
    night.writer.go_on()


def stop_reading(night: Night) -> None:
    """Some clients hang: their connections are there, and nobody reads."""
    night.sleepers.freeze()
    night.writer.go_on(20)
    night.sleepers.thaw()
    night.writer.go_on(5)


def stop_reading_until_all_is_full(night: Night) -> None:
    """What lies between them and the nodes is full, and they are cut: nobody else waits for them."""

    def cut() -> float:
        return night.cluster.metric("statuspage_cut_total")

    before, filled, deadline = cut(), 0, time.monotonic() + FULL
    night.sleepers.freeze()
    while cut() == before:
        filled += 1
        assert time.monotonic() < deadline
        night.writer.fill(50)
        night.writer.go_on(10)
    night.sleepers.thaw()
    print(f"{cut() - before:.0f} cut after {filled} fillings")
    night.writer.go_on(5)


def restart_all_in_turn(night: Night) -> None:
    for node in night.cluster.nodes:
        node.stop()
        node.start()
        night.writer.go_on(5)


def write_by_two_clocks(night: Night) -> None:
    """Nothing breaks, but that one node's clock is an hour ahead, as it always is here."""
    night.writer.go_on(30)


FAULTS: list[Fault] = [
    kill_a_node,
    kill_a_node_that_has_committed,
    lose_valkey,
    cut_a_node_from_the_doorbell,
    restart_postgres,
    freeze_a_node,
    stop_reading,
    restart_all_in_turn,
]

LONGER: list[Fault] = [
    kill_the_node_that_draws,
    kill_the_node_that_rolls_up,
    kill_the_node_that_prunes,
    stop_reading_until_all_is_full,
    write_by_two_clocks,
]


def converge(launch: Launch, cluster: Cluster, faults: list[Fault], seconds: float = 0.0) -> None:
    """These faults, one after the other, and again until so many seconds are over; then all is checked."""
    with (
        Crowd(cluster.url, 90, 36, 90, 54) as crowd,
        Crowd(cluster.url, 10, 4, 10, 6) as sleepers,
        launch() as browser,
    ):
        visits = [Visit(browser.new_context(), cluster.url) for _ in range(2)]
        for visit in visits:
            visit.page.goto(cluster.url + "/acme")
        consumer, writer = Consumer(cluster), Writer(cluster)
        writer.go_on(5)
        night = Night(cluster, writer, sleepers, is_alone=seconds > 0)
        over = time.monotonic() + seconds
        while True:
            for fault in faults:
                begun = time.monotonic()
                fault(night)
                print(f"{fault.__name__}: {time.monotonic() - begun:.1f} s, {writer.count} writes")
            if time.monotonic() >= over:
                break
        writer.stop()
        consumer.stop()
        assert (consumer.wrong, consumer.marks) == ([], writer.acknowledged)
        assert consumer.again > 0
        with cluster.api() as api:
            for listening in (crowd, sleepers):
                check(listening, writer, api)
            check_writes(writer, api)
            check_work(cluster, api)
        for visit in visits:
            visit.expect_same_as_fresh(cluster.url)
    for node in cluster.nodes:
        assert "Traceback" not in node.log, node.log[-3000:]


def check(crowd: Crowd, writer: Writer, api: httpx.Client) -> None:
    cursor = api.get("/status", params={"organizationId": ORGANIZATION}).json()["cursor"]
    late = crowd.wait(int(cursor.split(":")[1]), 30)
    assert late["count"] == 0, late
    found = crowd.report()
    assert found["wrong"] == []
    assert found["doubled"] == []
    assert found["different"] == [], (found["example"][:500], found["fresh"][:500])
    assert set(found["marks"]) == {len(writer.acknowledged)}


def check_writes(writer: Writer, api: httpx.Client) -> None:
    """All that was acknowledged is there, once."""
    messages: list[str] = []
    moments: list[str] = []
    after: str | None = ""
    while after is not None:
        query = {"organizationId": ORGANIZATION, "limit": 100, **({"after": after} if after else {})}
        page = api.get("/incidents", params=query).json()
        for incident in page["items"]:
            messages += [update["message"] for update in incident["updates"]]
            moments += [incident["startedAt"], *(update["createdAt"] for update in incident["updates"])]
        after = page["next"]
    assert sorted(messages) == sorted(writer.updates)
    services = api.get("/services", params={"organizationId": ORGANIZATION, "limit": 100}).json()["items"]
    found = {one["id"]: (one["ownStatus"], one["description"]) for one in services}
    assert {id: found[id] for id in writer.services} == writer.services
    latest = datetime.fromisoformat(max(moments))  # whichever node wrote it: one is an hour ahead
    assert latest < datetime.now(UTC) + timedelta(seconds=5)


def check_work(cluster: Cluster, api: httpx.Client) -> None:
    """What is done once, on whichever node lives, is done; no claim goes by the clock that is wrong."""
    services = api.get("/services", params={"organizationId": ORGANIZATION, "limit": 100}).json()["items"]
    drawn = cluster.snapshots / f"site/api/services/{ORGANIZATION}.json"
    cluster.until(lambda: drawn.exists() and json.loads(drawn.read_text())["items"] == services)
    for name, due, claimed in cluster.claims():
        assert claimed < 61, name
        assert due < 3601, name


@pytest.mark.timeout(480)  # beside other tests, as a machine with neighbours
def test_whatever_breaks_nothing_is_lost(launch: Launch, tmp_path: Path) -> None:
    with Cluster(tmp_path, nodes=3) as cluster:
        converge(launch, cluster, FAULTS)


@pytest.mark.alone
@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("nodes", [2, 3])
@pytest.mark.parametrize("fault", [*FAULTS, *LONGER], ids=lambda fault: fault.__name__)
def test_each_fault_for_a_minute(launch: Launch, tmp_path: Path, fault: Fault, nodes: int) -> None:
    with Cluster(tmp_path, nodes) as cluster:
        converge(launch, cluster, [fault], MINUTE)


@pytest.mark.alone
@pytest.mark.soak
@pytest.mark.timeout(600)
def test_two_nodes_need_nothing_beyond_postgresql(launch: Launch, tmp_path: Path) -> None:
    faults = [fault for fault in FAULTS if fault not in (lose_valkey, cut_a_node_from_the_doorbell)]
    with Cluster(tmp_path, nodes=2, bus="postgres") as cluster:
        converge(launch, cluster, faults, MINUTE)
