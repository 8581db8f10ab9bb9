"""Fan-out: one message to everybody, at growing crowds, over WebSocket and SSE, plain and packed."""

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import Bare, Contender, Node, Ours, Stock, offer_for
from bench.figures import Figures
from bench.load import Load, Void
from bench.plan import Plan

RSV1 = 0x40  # of a frame: it is packed
WARM = 3  # broadcasts before those that count, at each crowd and size
PACKED = (
    "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"
)


@dataclass
class Told:
    """One message that everybody has."""

    answered: float  # seconds until the operator had the answer
    last: float  # seconds until the last client had it
    wire: int  # bytes to each
    clients: int


@dataclass
class Session:
    """One server's life: the crowd grows from step to step, and hears every size at each."""

    server: Contender
    load: Load
    send: Callable[[int], int]  # a message of so many characters; its number
    kind: str = "socket"  # or "stream"
    packing: str = "plain"  # or "packed"
    offer: bool = True  # the clients' of permessage-deflate
    wires: Path | None = None  # where the bytes of each message are kept, named by its number
    here: int = 0  # clients that have joined

    def run(self, figures: Figures, plan: Plan, steps: list[int], sizes: tuple[int, ...]) -> None:
        for clients in steps:
            self.grow_to(clients)
            for size in sizes:
                self.hear(figures, size, plan.repeats)

    def grow_to(self, clients: int) -> None:
        if clients > self.here:
            with self._named():
                self.server.join(self.load, clients - self.here, self.kind, offer=int(self.offer))
        self.here = clients

    def hear(self, figures: Figures, size: int, repeats: int) -> None:
        """Messages of this size to all who are here: some that warm, then those that count."""
        with self._named():
            for _ in range(WARM):
                self._tell(size, self.here)
            self._measure(figures, size, self.here, repeats)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except Void as void:
            raise Void(f"{self.server.name}, {self.kind}, {self.packing}: {void}") from void

    def _measure(self, figures: Figures, size: int, clients: int, repeats: int) -> None:
        before, cpu = self.load.report(), self.server.cpu()
        told = [self._tell(size, clients) for _ in range(repeats)]
        cpu, after = self.server.cpu() - cpu, self.load.report()
        share = (after["cpu"] - before["cpu"]) / (after["at"] - before["at"])
        figure, name = f"{self.kind} {self.packing} {size} to {clients}", self.server.name
        figures.note(f"cpu {figure}", name, cpu / sum(one.clients for one in told))
        figures.note(f"last {figure}", name, statistics.median(one.last for one in told))
        figures.note(f"post {figure}", name, statistics.median(one.answered for one in told))
        figures.note(f"wire {figure}", name, statistics.median(one.wire for one in told))
        figures.note(f"client {figure}", name, share)
        figures.doubt(share, f"{name}, {figure}")

    def _tell(self, size: int, clients: int) -> Told:
        begun = time.monotonic()
        number = self.send(size)
        answered = time.monotonic()
        delivery = self.load.wait(number, clients)
        if self.wires:
            self.load.wire(number, str(self.wires / str(number)))
        return Told(answered - begun, delivery.last - begun, delivery.size, delivery.clients)


def measure(figures: Figures, plan: Plan) -> None:
    """One round of all contenders, in the other order every second time."""
    steps = sorted({plan.few, plan.clients, plan.crowd, plan.most})
    turns: list[Callable[[], None]] = [
        lambda: _ours_and_bare(figures, plan, steps, "socket", "plain"),
        lambda: _other(figures, plan, steps[1:], Node),
        lambda: _ours_and_bare(figures, plan, steps, "socket", "packed"),
        lambda: _other(figures, plan, [plan.clients], Stock),
        lambda: _ours_and_bare(figures, plan, steps, "stream", "plain"),
    ]
    for turn in figures.in_turn(turns):
        with figures.unless_void("fanout"):
            turn()


def _ours_and_bare(figures: Figures, plan: Plan, steps: list[int], kind: str, packing: str) -> None:
    """Both on the same core at once, in turn: ours, then the bare loop with the very bytes ours wrote."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-wire-") as folder,
        Ours(COMPRESSION=str(int(packing == "packed"))) as ours,
        Load() as load,
        Load() as other_load,
    ):
        files = (Path(folder, str(number)) for number in itertools.count(1))
        mine = Session(ours, load, ours.broadcast, kind, packing, offer_for(figures, packing), Path(folder))
        mine.grow_to(steps[0])
        mine.hear(Figures(), plan.sizes[0], 1)
        header = _header(kind, [path.read_bytes() for path in Path(folder).iterdir()])
        if kind == "socket" and (packing == "packed") != (header == PACKED):
            raise Void(f"the frames of {ours.name} that should be {packing} are not")
        with Bare(kind, header) as bare:
            its = Session(bare, other_load, lambda _size: bare.send(next(files)), kind, packing)
            its.grow_to(steps[0])
            its.hear(Figures(), plan.sizes[0], 1)
            for clients in steps:
                mine.grow_to(clients)
                its.grow_to(clients)
                for size in plan.sizes:
                    mine.hear(figures, size, plan.repeats)
                    its.hear(figures, size, plan.repeats)


def _header(kind: str, wires: list[bytes]) -> str:
    """The line that makes the client read these bytes as they are."""
    if kind == "socket":
        return PACKED if any(wire[0] & RSV1 for wire in wires) else ""
    return "" if wires[0].startswith((b"id:", b"event:", b"data:")) else "Transfer-Encoding: chunked"


def _other(figures: Figures, plan: Plan, steps: list[int], start: type[Node] | type[Stock]) -> None:
    with start() as server, Load() as load:
        Session(server, load, server.broadcast).run(figures, plan, steps, (2048,))
