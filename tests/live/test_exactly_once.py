"""Every event of the scope once and in order, while writers write and clients come and go."""

import contextlib
import itertools
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import requests
import websocket
from prometheus_client.parser import text_string_to_metric_families

from tests.live.following import KINDS, EventStream, Watch, follow
from tests.live.listener import DEADLINE, Listener
from tests.live.place import Place

LARGE = "x" * 8000
JOURNEYS = 5  # times that a traveller comes and goes


@contextmanager
def writers(place: Place, count: int = 2) -> Iterator[None]:
    """So many threads write, without a pause, to the organization and its tenants, while the body runs."""
    stop = threading.Event()
    failures: list[Exception] = []

    def write(seed: int) -> None:
        dice = random.Random(seed)
        try:
            while not stop.is_set():
                tenant = dice.choice([None, place.north, place.south])
                place.flip(tenant) if dice.random() < 0.5 else place.say(
                    tenant=tenant, times=dice.randint(1, 9)
                )
        except Exception as failure:
            failures.append(failure)

    threads = [threading.Thread(target=write, args=(seed,), daemon=True) for seed in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(DEADLINE)
    assert not failures


class Traveller(threading.Thread):
    """Follows a scope, goes away and comes back with the position it has. `ids`: all that it heard."""

    def __init__(self, kind: str, watch: Watch, start: str) -> None:
        super().__init__(daemon=True)
        self.kind, self.watch, self.start_at = kind, watch, start
        self.ids: list[str] = []
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            for _ in range(JOURNEYS):
                self.journey()
        except (Exception, AssertionError) as failure:
            self.failure = failure

    def journey(self, last: str | None = None) -> None:
        """Until something new was heard; with `last`, until that was."""
        ear = follow(self.kind, self.watch, self.position)
        try:
            ear.until(lambda: last in ear.ids if last else ear.ids, 4 * DEADLINE)
        finally:
            ear.close()
        assert ear.all("reset") == []
        self.ids += ear.ids

    @property
    def position(self) -> str:
        return self.ids[-1] if self.ids else self.start_at

    def close(self) -> None:
        """Nothing is open between two journeys."""


class Wanderer(Traveller):
    """Leaves and joins again on one connection."""

    def run(self) -> None:
        self.listener = Listener(self.watch.place.server.url, self.kind, self.watch.token)
        super().run()

    def close(self) -> None:
        self.listener.close()

    def journey(self, last: str | None = None) -> None:
        wish = {"organizationId": self.watch.place.id} | self.watch.query(self.position)
        before = len(self.listener.ids)
        answer = self.listener.ask("join-organization", wish)
        assert answer["reset"] is False
        self.listener.until(
            lambda: last in self.listener.ids if last else len(self.listener.ids) > before, 4 * DEADLINE
        )
        self.listener.ask("leave-organization", {"organizationId": self.watch.place.id})
        self.ids = list(self.listener.ids)


@pytest.mark.parametrize("whole", [False, True])
def test_whoever_comes_and_goes_while_others_write_hears_everything_once(either_server, whole):
    place = Place.found(either_server)
    watch = Watch.everything(place) if whole else Watch(place, place.north)
    start = place.head
    travellers = [Traveller(kind, watch, start) for kind in KINDS]
    if whole:
        travellers += [Wanderer(kind, watch, start) for kind in ("websocket", "polling")]
    with writers(place):
        for traveller in travellers:
            traveller.start()
        for traveller in travellers:
            traveller.join(60)
    assert [traveller.failure for traveller in travellers] == [None] * len(travellers)
    last = place.say()
    for traveller in travellers:
        traveller.journey(last)
        assert difference(traveller.ids, place.log(watch.scope, start)) == {}, traveller.kind
        traveller.close()


def difference(heard: list[str], log: list[str]) -> dict[str, list[str]]:
    """What is wrong with what was heard, in few words."""
    wrong = {
        "missing": sorted(set(log) - set(heard)),
        "strange": sorted(set(heard) - set(log)),
        "doubled": sorted({id for id in heard if heard.count(id) > 1}),
        "out of order": [a for a, b in itertools.pairwise(heard) if _number(a) > _number(b)],
    }
    return {words: ids for words, ids in wrong.items() if ids}


def _number(id: str) -> int:
    return int(id.split(":")[1])


class SlowReader:
    """A WebSocket client that reads only when told to, through a small window."""

    def __init__(self, place: Place, cursor: str | None = None) -> None:
        small = ((socket.SOL_SOCKET, socket.SO_RCVBUF, 8192),)
        url = f"ws://127.0.0.1:{place.server.port}/socket.io/?EIO=4&transport=websocket"
        self.ids: list[str] = []
        self._socket = websocket.create_connection(
            url, sockopt=small, timeout=4 * DEADLINE, skip_utf8_validation=True
        )
        self._socket.recv()
        self._socket.send("40")
        self._socket.recv()
        wish = {"organizationId": place.id} | ({"cursor": cursor} if cursor else {})
        self._socket.send("42" + json.dumps(["join-organization", wish]))

    def read_until(self, last: str | None) -> None:
        """All, until this event; with None, until the server hangs up."""
        while last is None or last not in self.ids[-1:]:
            try:
                text = self._socket.recv()
            except (websocket.WebSocketConnectionClosedException, OSError):
                text = ""
            if not text:
                assert last is None, "The server hung up."
                return
            if text.startswith("42"):
                _, payload = json.loads(text[2:])
                self.ids += [payload["id"]] if "id" in payload else []

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def closing() -> Iterator[Callable]:
    """`closing(client)` is the client, which the test's end will close."""
    with ExitStack() as stack:
        yield lambda client: stack.enter_context(contextlib.closing(client))


def test_a_slow_reader_of_a_long_replay_holds_up_nobody_and_misses_nothing(place, server, closing):
    start = place.head
    place.say(LARGE, times=1200)
    slow = closing(SlowReader(place, start))
    stream = closing(EventStream(Watch(place), start, stalled=True))
    elsewhere = Place.found(server)
    witness = closing(EventStream(Watch(elsewhere), None))
    for _ in range(2):
        last = place.say(times=600)  # memory moves on: the replay must go back to the log
        witness.expect("incident-update", id=elsewhere.say())
    slow.read_until(last)
    assert difference(slow.ids, place.log(after=start)) == {}
    stream.read()
    stream.expect("incident-update", 4 * DEADLINE, id=last)
    assert difference(stream.ids, place.log(after=start)) == {}


def test_who_does_not_keep_up_is_cut_and_counted_and_comes_back_with_its_cursor(place, server, closing):
    start, cuts = place.head, cut(server)
    slow = closing(SlowReader(place, start))
    witness = closing(EventStream(Watch(place), None))
    for _ in range(4):
        last = place.say(LARGE, times=750)
        witness.expect("incident-update", 4 * DEADLINE, id=last)
    slow.read_until(None)
    heard, log = slow.ids, place.log(after=start)
    assert 0 < len(heard) < len(log)
    assert cut(server) == cuts + 1
    again = closing(SlowReader(place, heard[-1]))
    again.read_until(last)
    assert difference(heard + again.ids, log) == {}


def cut(server) -> float:
    """How many were cut because they are too slow, as the server says."""
    families = text_string_to_metric_families(requests.get(f"{server.url}/metrics", timeout=5).text)
    samples = [sample for family in families for sample in family.samples]
    return sum(
        one.value for one in samples if one.name == "statuspage_cut_total" and "slow" in one.labels["why"]
    )
