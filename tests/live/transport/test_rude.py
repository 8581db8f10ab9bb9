"""However rudely clients leave, nothing is kept for them."""

import contextlib
import os
import threading
import time

import httpx
import pytest

from tests.live.transport.rude import WAYS, Crowd
from tests.live.transport.wire import DEADLINE, until

CLIENTS = 100_000 if "SOAK" in os.environ else 10_000
FIRST = 4000  # after so many as many are here at once, and as much memory is in use, as ever will be
KEPT = ("descriptors", "greenlets", "rooms", "sessions", "environs", "pausing", "streams")
IMPATIENT = {"ping_interval": 0.5, "ping_timeout": 0.5, "connect_timeout": 0.5, "upgrade_timeout": 0.5}


@pytest.mark.timeout(600)  # the soak takes its time
def test_nothing_is_left_of_ten_thousand_rude_clients(start):
    """Nor of their sessions, rooms, greenlets and buffers; memory returns to what it was."""
    site = start(**IMPATIENT)
    site.websocket().close()  # what the first one needs, it leaves to all others
    crowd = Crowd(site.port)
    empty = until(lambda: (now := site.http.get("/census").json())["sessions"] == 0 and now)
    most = {name: empty[name] for name in KEPT}
    with news(site):
        crowd.come_and_go(FIRST)
    before = settled(site, most)
    most |= {"objects": before["objects"] + CLIENTS / 100, "kilobytes": before["kilobytes"] * 1.1}
    with news(site):
        crowd.come_and_go(CLIENTS - FIRST)
    settled(site, most)
    assert len(crowd.seen) == 4 * len(WAYS)
    assert [way for way, late in crowd.late.items() if late > crowd.came[way] / 2] == []
    said = site.log.read_text()
    assert "Traceback" not in said, said


@contextlib.contextmanager
def news(site):
    """Meanwhile everybody who is there is told something, ten times a second."""
    over, answers = threading.Event(), set()

    def tell():
        with httpx.Client(base_url=site.url, timeout=DEADLINE) as http:
            while not over.wait(0.1):
                params = {"first": 0, "last": 5, "size": 2000}
                answers.add(http.post("/broadcast", params=params).status_code)

    thread = threading.Thread(target=tell)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert answers == {200}


def settled(site, most):
    """What is kept, once it is no more than this; whoever says nothing is given up within a second or two."""
    deadline = time.monotonic() + DEADLINE
    while True:
        census = site.http.get("/census").json()
        left = {name: census[name] - limit for name, limit in most.items() if census[name] > limit}
        if not left:
            return census
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
