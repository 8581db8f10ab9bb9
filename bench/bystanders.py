"""Those who ask for something else meanwhile: during broadcasts to a crowd, and while some do not read."""

import time
from collections.abc import Callable

from bench import views
from bench.contenders import Ours
from bench.figures import Figures
from bench.herd import Herd
from bench.load import Load
from bench.plan import Plan

PATHS = ("/acme", "/api/status?organizationId=org-456", "/acme/changes?view=data")
RATE = 60  # requests a second
GAP = 0.1  # seconds between broadcasts
DEAF = 10  # of a hundred


def measure_broadcasts(figures: Figures, plan: Plan) -> None:
    """The p99 of others while a crowd hears ten messages a second."""
    with Ours() as server, Load() as load:
        server.join(load, plan.crowd)
        tell = lambda: server.broadcast(2048)  # noqa: E731
        figures.note("bystanders", "ours", _p99(server, load, plan, plan.crowd, tell))


def measure_mixed(figures: Figures, plan: Plan) -> None:
    """Edits, of which each makes every page another; a tenth of the crowd has stopped reading."""
    with Ours() as server, Load() as load:
        server.join(load, plan.clients, deaf=DEAF)
        before = server.memory()
        listening = plan.clients - plan.clients * DEAF // 100
        figures.note("mixed", "ours", _p99(server, load, plan, listening, lambda: views.edit(server)))
        figures.note("mixed memory", "ours", server.memory() - before)
        figures.note("mixed cut", "ours", load.report()["cut"])


def _p99(server: Ours, load: Load, plan: Plan, clients: int, tell: Callable[[], int]) -> float:
    seconds = 1.0 if plan.quick else 5.0
    for _ in range(3):
        load.wait(tell(), clients)
    with Herd(server.port, *PATHS, seconds=seconds, rate=RATE, connections=64) as herd:
        begun = time.monotonic()
        for i in range(int(seconds / GAP)):
            time.sleep(max(0.0, begun + i * GAP - time.monotonic()))
            number = tell()
        answers = herd.answers()
        load.wait(number, clients, 60)
    return answers.p99
