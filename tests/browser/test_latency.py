"""From the request that changes something to the open page: under a second, by every transport."""

import itertools
import math
import subprocess
import sys
import time
from contextlib import ExitStack, nullcontext
from pathlib import Path
from statistics import median

import pytest

from tests.browser.gate import Gate
from tests.browser.latency import delays, record
from tests.browser.visit import RUNGS

pytestmark = [pytest.mark.alone, pytest.mark.cuts_the_network]

CHANGES = 100
PACE = 0.04  # seconds between changes: faster than pages are pushed, so that some travel together
WITHIN = 1.0  # seconds, for 99 of 100

numbers = itertools.count()  # no number comes twice


def measure(visits, change) -> dict[str, list[float]]:
    """Seconds from sending each change until its number, or a later one, is in the DOM of each page."""
    for visit in visits.values():
        record(visit.page, "service-1")
    sent = {}
    for number in itertools.islice(numbers, CHANGES):
        due = time.monotonic() + PACE
        sent[number] = time.time()
        change(f"Change {number}.")
        time.sleep(max(0.0, due - time.monotonic()))
    return {rung: delays(visit.page, "service-1", sent) for rung, visit in visits.items()}


def p99(times: list[float]) -> float:
    return times[math.ceil(len(times) * 0.99) - 1]


def report(title: str, measured: dict[str, list[float]]) -> None:
    print(f"\n{title}: {CHANGES} changes, milliseconds from the request to the DOM")
    for rung, times in measured.items():
        p50, slow, slowest = (1000 * seconds for seconds in (median(times), p99(times), times[-1]))
        print(f"  {rung:20} p50 {p50:5.0f}   p99 {slow:5.0f}   max {slowest:5.0f}")


@pytest.fixture
def a_page_on_each_rung(server, visitor):
    with ExitStack() as gates:
        visits = {}
        for rung, refused in RUNGS.items():
            gate = gates.enter_context(Gate(server.url))
            gate.refuse(*refused)
            visits[rung] = visitor(gate.url).open(by=rung)
        yield visits


def test_99_of_100_changes_are_in_the_page_within_a_second(a_page_on_each_rung, server, api, write, subtests):
    def rename(name):
        api("PUT", "/services/service-1", {"name": name})

    cases = {
        "Three pages": (rename, 0),
        "Changed by another process": (lambda name: write("service-1", name=name), 0),
        "Among 500 more pages": (rename, 500),
    }
    for title, (change, others) in cases.items():
        with subtests.test(title), crowd(server.url, others) if others else nullcontext():
            measured = measure(a_page_on_each_rung, change)
            report(title, measured)
            assert all(p99(times) < WITHIN for times in measured.values())


class crowd:
    """So many page clients, in a process of their own, until the block ends."""

    def __init__(self, url: str, count: int) -> None:
        self._command = [sys.executable, Path(__file__).with_name("crowd.py"), url, str(count)]

    def __enter__(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout.readline() == "ready\n"

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        assert self._process.returncode == 0
