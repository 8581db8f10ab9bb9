"""Fan-out: one message to everybody, at growing crowds, over WebSocket and SSE, plain and packed."""

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.contenders import Bare, Contender, Node, Ours, Stock, offer_for
from bench.figures import Figures
from bench.load import Load, Void
from bench.plan import JUDGED, Plan

RSV1 = 0x40  # of a frame: it is packed
BLOCK = 2  # broadcasts that count before it is the other's turn; one that does not count warms
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
class Heard:
    """All that a figure is made of: messages of one size to one crowd."""

    told: list[Told] = field(default_factory=list)
    cpu: float = 0.0  # seconds of the server, for all of them together
    client_cpu: float = 0.0
    client_seconds: float = 0.0


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
    steps: list[int] | None = None  # of the crowds: those that it has; None: all
    sizes: tuple[int, ...] | None = None
    here: int = 0  # clients that have joined

    def hears(self, clients: int, size: int | None = None) -> bool:
        return (self.steps is None or clients in self.steps) and (
            size is None or self.sizes is None or size in self.sizes
        )

    def grow_to(self, clients: int) -> None:
        if clients > self.here:
            with self._named():
                self.server.join(self.load, clients - self.here, self.kind, offer=int(self.offer))
        self.here = clients

    def hear(self, size: int, heard: Heard) -> None:
        """A block of messages of this size to all who are here, the first one without being counted."""
        with self._named():
            self._tell(size)
            before, cpu = self.load.report(), self.server.cpu()
            heard.told += [self._tell(size) for _ in range(BLOCK)]
            heard.cpu += self.server.cpu() - cpu
            after = self.load.report()
            heard.client_cpu += after["cpu"] - before["cpu"]
            heard.client_seconds += after["at"] - before["at"]

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except Void as void:
            raise Void(f"{self.server.name}, {self.kind}, {self.packing}: {void}") from void

    def _tell(self, size: int) -> Told:
        begun = time.monotonic()
        number = self.send(size)
        answered = time.monotonic()
        delivery = self.load.wait(number, self.here)
        if self.wires:
            self.load.wire(number, str(self.wires / str(number)))
        return Told(answered - begun, delivery.last - begun, delivery.size, delivery.clients)

    def note(self, figures: Figures, size: int, heard: Heard) -> None:
        figure, name = f"{self.kind} {self.packing} {size} to {self.here}", self.server.name
        told, share = heard.told, heard.client_cpu / heard.client_seconds
        figures.note(f"cpu {figure}", name, heard.cpu / sum(one.clients for one in told))
        figures.note(f"last {figure}", name, statistics.median(one.last for one in told))
        figures.note(f"post {figure}", name, statistics.median(one.answered for one in told))
        figures.note(f"wire {figure}", name, statistics.median(one.wire for one in told))
        figures.note(f"client {figure}", name, share)
        figures.doubt(share, f"{name}, {figure}")


def _hear(figures: Figures, plan: Plan, sessions: list[Session], steps: list[int]) -> None:
    """Every size at every step, in blocks by turns: what the machine does meanwhile, it does to all."""
    for clients in steps:
        for session in sessions:
            if session.hears(clients):
                session.grow_to(clients)
        for session in sessions:
            session.server.settle(quiet=0.1, patience=5)  # who came is written down by then
        for size in plan.sizes:
            hearing = [session for session in sessions if session.hears(clients, size)]
            judged = size == JUDGED and clients in (plan.clients, plan.crowd)
            _measure(figures, hearing, size, plan.blocks * (3 if judged else 1))


def _measure(figures: Figures, sessions: list[Session], size: int, blocks: int) -> None:
    for session in sessions:
        session.hear(size, Heard())
    heard = [Heard() for _ in sessions]
    for _ in range(blocks):
        for session, its in zip(sessions, heard, strict=True):
            session.hear(size, its)
    for session, its in zip(sessions, heard, strict=True):
        session.note(figures, size, its)


def measure(figures: Figures, plan: Plan) -> None:
    """One round, in the other order every second time."""
    turns = [("socket", "plain"), ("socket", "packed"), ("stream", "plain")]
    for kind, packing in figures.in_turn(turns):
        with figures.unless_void("fanout"):
            _side_by_side(figures, plan, kind, packing)


def _side_by_side(figures: Figures, plan: Plan, kind: str, packing: str) -> None:
    """All on the same core at once: ours, the bare loop with the very bytes ours wrote, and the others."""
    steps = sorted({plan.few, plan.clients, plan.crowd, plan.most})
    with ExitStack() as life:
        wires = Path(life.enter_context(tempfile.TemporaryDirectory(prefix="bench-wire-")))
        ours = life.enter_context(Ours(COMPRESSION=str(int(packing == "packed"))))

        def session(server: Contender, send: Callable[[int], int], **fields: Any) -> Session:
            return Session(server, life.enter_context(Load()), send, kind, packing, **fields)

        mine = session(ours, ours.broadcast, offer=offer_for(figures, packing), wires=wires)
        mine.grow_to(steps[0])
        mine.hear(plan.sizes[0], Heard())
        header = _header(kind, [path.read_bytes() for path in wires.iterdir()])
        if kind == "socket" and (packing == "packed") != (header == PACKED):
            raise Void(f"the frames of {ours.name} that should be {packing} are not")
        bare = life.enter_context(Bare(kind, header))
        files = (wires / str(number) for number in itertools.count(1))
        its = session(bare, lambda _size: bare.send(next(files)))
        its.grow_to(steps[0])
        its.hear(plan.sizes[0], Heard())
        others: list[Session] = []
        if kind == "socket":
            node = life.enter_context(Node())
            others.append(session(node, node.broadcast, steps=steps[1:], sizes=(JUDGED,)))
        if (kind, packing) == ("socket", "plain"):  # it is far behind, and takes its time
            stock = life.enter_context(Stock())
            others.append(session(stock, stock.broadcast, steps=[plan.clients], sizes=(JUDGED,)))
        _hear(figures, plan, [mine, its, *others], steps)


def _header(kind: str, wires: list[bytes]) -> str:
    """The line that makes the client read these bytes as they are."""
    if kind == "socket":
        return PACKED if any(wire[0] & RSV1 for wire in wires) else ""
    return "" if wires[0].startswith((b"id:", b"event:", b"data:")) else "Transfer-Encoding: chunked"
