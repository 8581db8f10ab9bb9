"""A crowd comes, waits and goes: joins per second, what waiting costs, the clean-up, and the storm back."""

import time

from bench.contenders import Contender, Node, Ours
from bench.figures import Figures
from bench.load import Load
from bench.plan import Plan

PING_SECONDS = 5  # for all alike, so that pings are seen in a short time; shipped is 25
WARM_CLIENTS = 300
AT_ONCE = 64  # handshakes under way
STORM = 1_000  # the same, when a crowd comes back


def measure(figures: Figures, plan: Plan) -> None:
    turns: list[tuple[type[Ours] | type[Node], str]] = [(Ours, "socket"), (Node, "socket"), (Ours, "stream")]
    for start, kind in figures.in_turn(turns):
        with (
            figures.unless_void(f"crowd, {start.name}, {kind}"),
            start(PING_INTERVAL=str(PING_SECONDS)) as server,
            Load() as load,
        ):
            _life(figures, plan, server, load, kind)


def _life(figures: Figures, plan: Plan, server: Contender, load: Load, kind: str) -> None:
    name = server.name
    _warm(server, load, kind)
    empty = server.memory()

    seconds = server.join(load, plan.clients, kind, window=AT_ONCE)
    figures.note(f"joins {kind}", name, plan.clients / seconds)
    server.settle(quiet=0.1, patience=5)
    figures.note(f"memory {kind}", name, (server.memory() - empty) / plan.clients)

    figures.note(f"idle {kind}", name, _idle(server, plan))
    load.wait(server.broadcast(2048), plan.clients)  # and all of them are still there

    cpu = server.cpu()
    load.vanish(plan.clients)
    server.settle()
    figures.note(f"vanish {kind}", name, server.cpu() - cpu)

    cpu = server.cpu()
    seconds = server.join(load, plan.clients, kind, window=STORM)
    figures.note(f"storm {kind}", name, plan.clients / seconds)
    figures.note(f"storm cpu {kind}", name, (server.cpu() - cpu) / plan.clients)
    load.wait(server.broadcast(2048), plan.clients)


def _warm(server: Contender, load: Load, kind: str) -> None:
    """What is loaded and compiled once belongs to the server, not to its visitors."""
    for _ in range(2):
        server.join(load, WARM_CLIENTS, kind)
        load.wait(server.broadcast(2048), WARM_CLIENTS)
        load.vanish(WARM_CLIENTS)
        server.settle()


def _idle(server: Contender, plan: Plan) -> float:
    """Seconds of CPU per connection and second."""
    begun, cpu = time.monotonic(), server.cpu()
    time.sleep(plan.idle_seconds)
    return (server.cpu() - cpu) / (time.monotonic() - begun) / plan.clients
