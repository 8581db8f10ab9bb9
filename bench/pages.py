"""The page itself: to a herd, against nginx; and right after a change, while people keep coming."""

import statistics
import time

from bench.contenders import Nginx, Ours, packed
from bench.figures import Figures
from bench.herd import Herd, percentile
from bench.load import Void
from bench.plan import Plan
from bench.process import Process

CODINGS = {"identity": (), "gzip": ("Accept-Encoding: gzip",)}
PAGE, ROUTE = "/acme", "/<org>"
WARM_SECONDS = 0.5
RATE = 500  # requests a second
AFTER = 0.5  # seconds that a change is looked at
CHANGES = 4


def measure_herd(figures: Figures, plan: Plan) -> None:
    """As fast as it goes, over 32 kept connections: requests a second, and CPU per request."""
    with Ours() as server:
        page = server.request("GET", PAGE)
        with Nginx(page, packed(page)) as nginx:
            sides = [
                (server, {"identity": PAGE, "gzip": PAGE}),
                (nginx, {"identity": "/page", "gzip": "/packed"}),
            ]
            for coding, headers in CODINGS.items():
                for process, paths in figures.in_turn(sides):
                    _ask(figures, plan, process, coding, paths[coding], headers)


def _ask(
    figures: Figures, plan: Plan, process: Process, coding: str, path: str, headers: tuple[str, ...]
) -> None:
    with Herd(process.port, path, seconds=WARM_SECONDS, headers=headers) as herd:
        herd.answers()  # warm
    cpu = process.cpu()
    with Herd(process.port, path, seconds=plan.herd_seconds, headers=headers) as herd:
        answers = herd.answers()
    if answers.bodies != 1:
        raise Void(f"{path} had {answers.bodies} different bodies")
    name = process.name
    figures.note(f"page {coding}", name, answers.count / answers.seconds)
    figures.note(f"page cpu {coding}", name, (process.cpu() - cpu) / answers.count)
    figures.note(f"page length {coding}", name, answers.length)
    figures.note(f"page client {coding}", name, answers.share)
    figures.doubt(answers.share, f"{name}, page, {coding}")


def measure_fresh(figures: Figures, plan: Plan) -> None:
    """500 requests a second, and a change now and then: how much longer the others wait for the new page."""
    gap = 0.5 if plan.quick else 1.5
    rate = RATE / 10 if plan.quick else RATE
    with Ours() as server:
        with Herd(server.port, PAGE, seconds=WARM_SECONDS, rate=rate) as herd:
            herd.answers()  # warm
        drawn = _drawn(server)
        with Herd(server.port, PAGE, seconds=gap * (CHANGES + 1), rate=rate, connections=128) as herd:
            moments = []
            for i in range(CHANGES):
                time.sleep(gap)
                moments.append(time.monotonic())
                _change(server, i)
            requests = herd.answers().requests
        figures.note("fresh drawn", "ours", (_drawn(server) - drawn) / CHANGES)
    before = statistics.median(r.took for r in requests if r.due < moments[0])
    after: list[float] = []
    for moment in moments:
        took = sorted(r.took for r in requests if moment <= r.due < moment + AFTER)
        after += took[:-1]  # the longest one is the one that rendered
    figures.note("fresh before", "ours", before)
    figures.note("fresh more", "ours", percentile(after, 0.99) - before)


def _drawn(server: Ours) -> float:
    """How often the page was rendered: requests for it that the page cache did not answer."""
    counted = f'statuspage_request_seconds_count{{method="GET",route="{ROUTE}",status="200"}} '
    lines = server.request("GET", "/metrics").decode().splitlines()
    return sum(float(line.removeprefix(counted)) for line in lines if line.startswith(counted))


def _change(server: Ours, i: int) -> None:
    status = ("major_outage", "operational")[i % 2]
    server.request("PATCH", "/api/services/service-1", {"status": status})
