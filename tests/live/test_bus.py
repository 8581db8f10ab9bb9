"""The doorbell between processes rings everywhere, and comes back by itself when its engine does."""

import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from statuspage.live import bus
from statuspage.live.bus import remote
from statuspage.live.bus.postgres import CHANNEL
from tests.engines import Valkey

PATIENCE = 20.0


class Ear:
    """A process that listens."""

    def __init__(self, url: str, database_url: str = "") -> None:
        self.bus = bus.create(url, database_url)
        self.heard: list[str] = []
        self._news = threading.Condition()
        self.bus.listen(self._hear)
        self.bus.start()

    def _hear(self, organization_id: str) -> None:
        with self._news:
            self.heard.append(organization_id)
            self._news.notify_all()

    def wait_for(self, organization_id: str) -> None:
        with self._news:
            assert self._news.wait_for(lambda: organization_id in self.heard, PATIENCE), self.heard


def until_heard(one: Ear, other: Ear, name: str) -> None:
    """Ring again and again, as every commit does, until the other side has it: a ring may get lost."""
    for attempt in range(int(PATIENCE / 0.2)):
        one.bus.ring(f"{name}-{attempt}")
        with other._news:
            if other._news.wait_for(lambda: any(word.startswith(f"{name}-") for word in other.heard), 0.2):
                return
    raise AssertionError(f"{name} was never heard")


@pytest.fixture(autouse=True)
def hurry(monkeypatch) -> None:
    """What takes seconds takes tenths."""
    monkeypatch.setattr(remote, "KEEP_ALIVE", 0.2)
    monkeypatch.setattr(remote, "SILENCE", 0.6)
    monkeypatch.setattr("statuspage.live.bus.redis.SECONDS", 0.5)


@pytest.fixture
def ear() -> Iterator[Callable[..., Ear]]:
    """`ear(url)`: another process that listens, until the test is over."""
    ears: list[Ear] = []

    def make(*urls: str) -> Ear:
        ears.append(Ear(*urls))
        return ears[-1]

    yield make
    for one in ears:
        one.bus.stop()


@pytest.fixture
def valkey(tmp_path) -> Iterator[Valkey]:
    with Valkey(tmp_path) as server:
        yield server


def test_over_valkey_whatever_happens_to_it(valkey, ear):
    one, other = ear(valkey.url), ear(valkey.url)
    until_heard(one, other, "first")
    assert one.heard[0] == "first-0", "the process itself hears it at once"
    until_heard(other, one, "echo")  # by now one's own would have come back, too
    assert len(one.heard) == len(set(one.heard)), "and once"
    valkey.freeze()
    one.bus.ring("frozen")
    until_heard(one, one, "still")
    valkey.thaw()
    until_heard(one, other, "thawed")
    valkey.kill()
    one.bus.ring("while it was away")  # may be lost: who listens looks by itself, too
    valkey.start()
    until_heard(other, one, "back")
    until_heard(one, other, "back")
    assert one.bus.age is not None
    assert one.bus.age < remote.SILENCE
    assert one.bus.connections > 1


def test_over_the_database_itself_though_its_links_are_cut(postgres, ear):
    one, other = ear("postgres", postgres), ear("postgres", postgres)
    until_heard(one, other, "first")
    until_heard(other, one, "second")
    assert len(one.heard) == len(set(one.heard))
    with psycopg.connect(postgres, autocommit=True) as operator:
        cut = operator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            f" AND pid <> pg_backend_pid() AND (query LIKE '%{CHANNEL}%' OR query LIKE '%pg_notify%')"
        )
        assert len(cut.fetchall()) == 4, "an ear and a mouth each"
    until_heard(one, other, "third")
    until_heard(other, one, "fourth")
    assert min(one.bus.connections, other.bus.connections) == 2


class DeafLink:
    """A connection that looks alive: it takes every ring, and brings none."""

    def send(self, text: str) -> None:
        pass

    def receive(self, seconds: float) -> list[str]:
        time.sleep(0.001)
        return []

    def close(self) -> None:
        pass


def test_a_deaf_doorbell_shows_and_is_linked_anew_ever_less_often(monkeypatch):
    monkeypatch.setattr(remote, "SILENCE", 0.01)
    linked, ages, pauses = threading.Semaphore(0), [], []

    def connect() -> DeafLink:
        ages.append(bell.age)
        linked.release()
        return DeafLink()

    bell = remote.RemoteBus(connect)
    monkeypatch.setattr(bell._over, "wait", pauses.append)
    assert bell.age is None, "it is not to hear anything yet"
    bell.start()
    for _ in range(4):
        assert linked.acquire(timeout=PATIENCE)
    bell.stop()
    assert ages == sorted(ages)
    assert ages[3] > 3 * remote.SILENCE
    assert pauses[0] < pauses[1] < pauses[2]


def test_without_an_engine_it_is_a_call(ear):
    one = ear("")
    one.bus.ring("acme")
    assert one.heard == ["acme"]
    assert one.bus.age is None
