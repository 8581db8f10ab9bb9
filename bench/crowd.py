"""A crowd comes, waits and goes: joins per second, what waiting costs, the clean-up, and the storm back."""

import time
from contextlib import ExitStack
from dataclasses import dataclass

from bench.contenders import Contender, Node, Ours
from bench.figures import Figures
from bench.load import Load
from bench.plan import Plan

PING_SECONDS = 5  # for all alike, so that pings are seen in a short time; shipped is 25
WARM_CLIENTS = 300
AT_ONCE = 64  # handshakes under way
STORM = 1_000  # the same, when a crowd comes back


def measure(figures: Figures, plan: Plan) -> None:
    turns: list[list[type[Ours] | type[Node]]] = [[Ours, Node], [Ours]]
    for kind, starts in figures.in_turn(list(zip(("socket", "stream"), turns, strict=True))):
        with figures.unless_void(f"crowd, {kind}"), ExitStack() as life:
            lives = [
                Life(
                    life.enter_context(start(PING_INTERVAL=str(PING_SECONDS))),
                    life.enter_context(Load()),
                    kind,
                )
                for start in figures.in_turn(starts)
            ]
            _live(figures, plan, lives)


@dataclass
class Life:
    """A server and its crowd."""

    server: Contender
    load: Load
    kind: str
    empty: int = 0  # bytes that it takes without anybody

    def join(self, clients: int, **fields: int) -> float:
        return self.server.join(self.load, clients, self.kind, **fields)

    def hear(self, clients: int) -> None:
        """All of them are there, or the run is void."""
        self.load.wait(self.server.broadcast(2048), clients)


def _live(figures: Figures, plan: Plan, lives: list[Life]) -> None:
    """Each step by each in turn; they wait together, so that both have the same machine."""
    for life in lives:
        _warm(life)
    for life in lives:
        _come(figures, plan, life)
    _wait(figures, plan, lives)
    for life in lives:
        life.hear(plan.clients)
        _go(figures, plan, life)
    for life in lives:
        _come_back(figures, plan, life)


def _come(figures: Figures, plan: Plan, life: Life) -> None:
    server, kind = life.server, life.kind
    seconds = life.join(plan.clients, window=AT_ONCE)
    figures.note(f"joins {kind}", server.name, plan.clients / seconds)
    server.settle(quiet=0.1, patience=5)
    figures.note(f"memory {kind}", server.name, (server.memory() - life.empty) / plan.clients)


def _wait(figures: Figures, plan: Plan, lives: list[Life]) -> None:
    """Seconds of CPU per connection and second."""
    begun, before = time.monotonic(), [life.server.cpu() for life in lives]
    time.sleep(plan.idle_seconds)
    seconds = time.monotonic() - begun
    for life, cpu in zip(lives, before, strict=True):
        figures.note(
            f"idle {life.kind}", life.server.name, (life.server.cpu() - cpu) / seconds / plan.clients
        )


def _go(figures: Figures, plan: Plan, life: Life) -> None:
    server = life.server
    cpu = server.cpu()
    life.load.vanish(plan.clients)
    server.settle()
    figures.note(f"vanish {life.kind}", server.name, server.cpu() - cpu)


def _come_back(figures: Figures, plan: Plan, life: Life) -> None:
    server, kind = life.server, life.kind
    cpu = server.cpu()
    seconds = life.join(plan.clients, window=STORM)
    figures.note(f"storm {kind}", server.name, plan.clients / seconds)
    figures.note(f"storm cpu {kind}", server.name, (server.cpu() - cpu) / plan.clients)
    life.hear(plan.clients)


def _warm(life: Life) -> None:
    """What is loaded and compiled once belongs to the server, not to its visitors."""
    for _ in range(2):
        life.join(WARM_CLIENTS)
        life.hear(WARM_CLIENTS)
        life.load.vanish(WARM_CLIENTS)
        life.server.settle()
    life.empty = life.server.memory()
