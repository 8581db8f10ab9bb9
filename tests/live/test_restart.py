"""Servers die and come back, and other processes write: nothing is missed."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import pytest
import requests
from sqlalchemy import text

from statuspage.database import db, transaction
from statuspage.live.transport.process import GRACE
from statuspage.models import node
from tests.live.following import KINDS, HeldPolls, Watch, follow
from tests.live.listener import Listener
from tests.live.place import Place
from tests.live.quick_beat import BEAT_SECONDS
from tests.live.test_exactly_once import difference, writers
from tests.server import Server


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that tests may kill."""
    with Server(tmp_path_factory.mktemp("mortal")) as server:
        yield server


def test_whoever_comes_back_after_a_kill_with_a_position_misses_nothing(mortal):
    place = Place.found(mortal)
    start = place.head
    before = {kind: follow(kind, Watch(place), start) for kind in KINDS}
    first = place.say()
    for follower in before.values():
        follower.expect("incident-update", id=first)
    mortal.kill()
    for follower in before.values():
        follower.expect_end(10)
        follower.close()
    place.say(times=3)  # the database lives on: another node writes
    mortal.start()
    place.say()
    after = {kind: follow(kind, Watch(place), before[kind].ids[-1]) for kind in KINDS}
    last = place.say()
    for kind, follower in after.items():
        follower.expect("incident-update", id=last)
        follower.close()
        assert difference(before[kind].ids + follower.ids, place.log(after=start)) == {}, kind
        assert follower.all("reset") == []


def test_a_server_killed_while_others_write_comes_back_to_a_whole_log(mortal):
    place = Place.found(mortal)
    start, heard = place.head, []
    for _ in range(2):
        with writers(place):
            follower = follow("websocket", Watch(place), heard[-1] if heard else start)
            follower.until(lambda ear=follower: len(ear.ids) > 3)
            mortal.kill()
            follower.expect_end(10)
        follower.close()
        heard += follower.ids
        mortal.start()
    last = place.say()
    follower = follow("websocket", Watch(place), heard[-1])
    follower.expect("incident-update", 10, id=last)
    follower.close()
    assert difference(heard + follower.ids, place.log(after=start)) == {}


def test_a_consumer_gets_all_that_it_did_not_acknowledge_whoever_was_killed(mortal):
    """Over Socket.IO, and what it leaves there, over REST."""
    place = Place.found(mortal)
    consumer = {"organizationId": place.id, "consumerId": "billing"}
    bearer, url = {"Authorization": f"Bearer {place.tokens['viewer']}"}, f"{mortal.url}/api"

    def take_up() -> Listener:
        listener = Listener(mortal.url, "websocket", place.tokens["viewer"])
        assert listener.ask("authenticate", consumer)["success"]
        return listener

    def waiting(**query: Any) -> dict[str, Any]:
        answer = requests.get(f"{url}/events", {"consumer": "billing", **query}, headers=bearer, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    with contextlib.closing(take_up()) as first:
        last = place.say(times=5)
        first.expect("incident-update", id=last)
        handled = first.ids[2]
        assert first.ask("ack", {"id": handled})["cursor"] == handled
    mortal.kill()
    place.say(times=3)  # another node writes
    mortal.start()
    last = place.say(times=2)
    expected = place.log(after=handled)
    with contextlib.closing(take_up()) as second:
        second.expect("incident-update", id=last)
        assert second.ids == expected
        second.ask("ack", {"id": expected[3]})
    first_page = waiting(limit=2)
    assert [event["id"] for event in first_page["events"]] == expected[4:6]
    assert (first_page["cursor"], first_page["more"]) == (expected[5], True)
    for _ in range(2):
        rest = waiting()
        acknowledged = {"id": rest["cursor"]}
        assert [event["id"] for event in rest["events"]] == expected[4:]
    requests.put(
        f"{url}/consumers/billing/cursor", json=acknowledged, headers=bearer, timeout=30
    ).raise_for_status()
    assert waiting()["events"] == []
    with ThreadPoolExecutor(1) as hand:
        held = hand.submit(waiting, wait=25)
        later = place.say()
        assert [event["id"] for event in held.result()["events"]] == [later]


@pytest.mark.alone
@pytest.mark.parametrize("kind", KINDS)
def test_what_another_process_writes_is_heard_within_a_second(server, kind):
    place = Place.found(server)
    with contextlib.closing(follow(kind, Watch(place), place.head)) as follower:
        for _ in range(3):
            id = place.flip()
            committed = time.monotonic()
            follower.expect("service-update", id=id)
            assert time.monotonic() - committed < 1


def test_a_command_in_another_process_is_heard(server, transport):
    place = Place.found(server)
    with contextlib.closing(follow(transport, Watch(place))) as follower:
        server.command("service", "status", place.services[None], "major_outage")
        event = follower.expect("service-update", type="status-changed")
        assert event["data"]["status"] == "major_outage"
        assert follower.expect("status-update")["data"]["status"] == "major_outage"
        server.command("organization", "update", place.id, "--visibility", "private")
        follower.expect_end()


@pytest.mark.skipif("OTHER_SERVER" in os.environ, reason="our own server drains")
def test_a_node_that_drains_serves_each_client_until_its_turn_and_none_misses_anything(mortal):
    """There is another node, where they could go; here they come back to the successor."""
    place, quiet = Place.found(mortal), Place.found(mortal)
    with mortal.app.app_context(), transaction():
        node.beat("another", "another")
    start = place.head
    before = [(kind, follow(kind, Watch(place), start)) for kind in KINDS * 4]
    first = place.say()
    for _, follower in before:
        follower.expect("incident-update", id=first)
    held = [HeldPolls(Watch(quiet), quiet.head, wait=25) for _ in range(4)]
    kept = requests.Session()
    waiting = f"{mortal.url}/api/websocket/info?organizationId={quiet.id}"
    soon(lambda: kept.get(waiting, timeout=5).json()["connections"] == len(held))
    os.kill(mortal.pid, signal.SIGTERM)
    begun = time.monotonic()
    while not any(follower.gone for _, follower in before):
        place.say()
    asked = kept.get(f"{mortal.url}/readyz", timeout=5)
    assert (asked.status_code, asked.json()["draining"], asked.headers["Connection"]) == (503, True, "close")
    while not all(follower.gone for _, follower in before):
        place.say()  # another node writes
    assert 1 < time.monotonic() - begun < 8
    for poll in held:
        poll.expect_end()
        assert poll.answers == [204]
        poll.close()
    for _, follower in before:
        follower.close()
    assert len({len(follower.ids) for _, follower in before}) > 4, "they went at different moments"
    mortal.stop()
    mortal.start()
    after = [follow(kind, Watch(place), follower.ids[-1]) for kind, follower in before]
    last = place.say()
    for (kind, earlier), later in zip(before, after, strict=True):
        later.expect("incident-update", id=last)
        later.close()
        assert difference(earlier.ids + later.ids, place.log(after=start)) == {}, kind
        assert later.all("reset") == []
    assert "Traceback" not in mortal.log


class QuickBeat(Server):
    """A node that is taken for dead soon."""

    command_line = ["-m", "tests.live.quick_beat"]


@pytest.mark.skipif("OTHER_SERVER" in os.environ, reason="it names its own server")
def test_of_a_killed_node_nobody_is_here_after_three_beats(tmp_path, monkeypatch):
    """As another node tells: this process."""
    monkeypatch.setattr(node, "beat_seconds", lambda: BEAT_SECONDS)
    with QuickBeat(tmp_path, NODE="killed") as server, ExitStack() as stack:
        place, other = Place.found(server), server.app.test_client()
        followers = [stack.enter_context(closing(follow("sse", Watch(place)))) for _ in range(2)]

        def nodes() -> dict[str, int]:
            server.app.extensions["live"].elsewhere.forget()
            return other.get(f"/api/websocket/info?organizationId={place.id}").json["nodes"]

        soon(lambda: nodes() == {"killed": 2})
        begun = time.monotonic()
        soon(lambda: time.monotonic() - begun > 4 * BEAT_SECONDS and nodes() == {"killed": 2})  # it beats
        server.kill()
        killed = time.monotonic()
        soon(lambda: nodes() == {})
        assert time.monotonic() - killed < 3 * BEAT_SECONDS + 2
        for follower in followers:
            follower.expect_end()


def soon(check: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "It did not happen."


def test_a_server_told_to_stop_lets_everybody_go(tmp_path):
    with Server(tmp_path) as server:
        place = Place.found(server)
        followers = [follow(kind, Watch(place)) for kind in KINDS]
        server.stop()
        for follower in followers:
            follower.expect_end()
            follower.close()
        assert "Traceback" not in server.log


WAITS = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid")


@pytest.mark.skipif("OTHER_SERVER" in os.environ, reason="our own server waits")
def test_who_writes_while_the_server_stops_is_answered_however_long_its_turn_takes(tmp_path, make_database):
    """Another node, this process, has the lock for longer than anything else is waited for."""
    settings = {"DATABASE_URL": make_database("postgresql", "stopped"), "SECRET_KEY": "test"}
    with Server(tmp_path, HOST="127.0.0.1", **settings) as server, ThreadPoolExecutor(1) as hand:
        place = Place.found(server)
        path = f"/api/services/{place.services[None]}"
        bearer = {"Authorization": f"Bearer {place.tokens['editor']}"}
        ask = {"headers": bearer, "timeout": 30}
        with place.writing():
            written = hand.submit(requests.patch, server.url + path, json={"name": "Renamed"}, **ask)
            soon(lambda: db.session.scalar(WAITS) > 0)
            os.kill(server.pid, signal.SIGTERM)
            time.sleep(GRACE + 2)
        assert (written.result().status_code, written.result().json()["name"]) == (200, "Renamed")
        server.stop()
        server.start()
        assert requests.get(server.url + path, **ask).json()["name"] == "Renamed"
        assert "Traceback" not in server.log
