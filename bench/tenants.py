"""A change of the whole organization: to many tenants' pages, five viewers each, and to as many of one."""

import statistics
import time

from bench import views
from bench.contenders import Ours
from bench.figures import Figures
from bench.load import Load
from bench.plan import Plan

VIEWERS = 5
CALM = 0.4  # seconds between changes, more than PUSH_INTERVAL


def measure(figures: Figures, plan: Plan) -> None:
    clients = plan.tenants * VIEWERS
    with Ours() as server:
        writer = server.write("tenants", str(plan.tenants), "0")
        views.begin(writer)
        views.end(writer)
        for figure, per in (("one page", 0), ("tenants", VIEWERS)):
            with Load() as load:
                views.join(server, load, clients, per=per)
                figures.note(f"{figure} last", "ours", _last(server, load, clients, plan))
                load.report()
            server.settle()


def _last(server: Ours, load: Load, clients: int, plan: Plan) -> float:
    times = []
    for _ in range(plan.changes + 1):
        time.sleep(CALM)
        seconds, _delivery = views.change(server, load, clients)
        times.append(seconds)
    return statistics.median(times[1:])
