"""The bars: what a figure may be, as a ratio to another contender's in the same round, or in itself."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from bench.figures import Figures, Key
from bench.plan import JUDGED, Plan

Words = Callable[[float], str]


def micro(value: float) -> str:
    return f"{value * 1e6:.3g} µs"


def milli(value: float) -> str:
    return f"{value * 1e3:.3g} ms"


def kilobytes(value: float) -> str:
    return f"{value / 1024:.3g} KB"


def size_of(value: float) -> str:
    return f"{value:,.0f} B"


def per_second(value: float) -> str:
    return f"{value:,.0f}/s"


def number(value: float) -> str:
    return f"{value:.3g}"


@dataclass(frozen=True)
class Bar:
    measurement: str
    what: str
    figure: Key
    against: Key | None  # of which it is a multiple; without one the figure itself has the limit
    limit: float | None  # None: shown, and nothing is asked of it
    words: Words
    at_least: bool = False
    aim: float | None = None


@dataclass(frozen=True)
class Verdict:
    bar: Bar
    values: list[float]  # what the limit is for, of each round
    figure: float | None
    against: float | None

    @property
    def value(self) -> float | None:
        return statistics.median(self.values) if self.values else None

    @property
    def holds(self) -> bool:
        if self.bar.limit is None:
            return True
        if self.value is None:
            return False
        return self.value >= self.bar.limit if self.bar.at_least else self.value <= self.bar.limit


def judge(figures: Figures, bars: list[Bar]) -> list[Verdict]:
    return [_judge(figures, bar) for bar in bars]


def _judge(figures: Figures, bar: Bar) -> Verdict:
    if bar.against:
        values = figures.ratios(bar.figure, bar.against)
    else:
        values = list(figures.values.get(bar.figure, {}).values())
    return Verdict(
        bar, values, figures.median(bar.figure), figures.median(bar.against) if bar.against else None
    )


def bars(plan: Plan, chosen: list[str]) -> list[Bar]:
    """Those of the chosen measurements, in their order; what only informs comes after what is asked."""
    everything = [*_fanout(plan), *_crowd(plan), *_pages(), *_others(plan)]
    return [bar for name in chosen for bar in everything if bar.measurement == name]


# fmt: off
def _fanout(plan: Plan) -> list[Bar]:
    def at(kind: str, packing: str, size: int, clients: int) -> str:
        return f"{kind} {packing} {size} to {clients}"

    found = []
    for packing in ("plain", "packed"):
        plain = at("socket", "plain", JUDGED, plan.clients)
        main, crowd = at("socket", packing, JUDGED, plan.clients), at("socket", packing, JUDGED, plan.crowd)
        cpu, last = f"CPU per delivery, 2 KB, WebSocket, {packing}", f"until the last of {plan.crowd:,} has it, {packing}"
        found += [
            Bar("fanout", f"{cpu} : bare loop", (f"cpu {main}", "ours"), (f"cpu {main}", "bare"), 1.4, micro),
            Bar("fanout", f"{cpu} : Node", (f"cpu {main}", "ours"), (f"cpu {main}", "Node"), 0.9, micro, aim=0.6),
            Bar("fanout", f"{cpu} : stock", (f"cpu {main}", "ours"), (f"cpu {plain}", "stock"), 0.35, micro),
            Bar("fanout", f"{last} : bare loop", (f"last {crowd}", "ours"), (f"last {crowd}", "bare"), 1.5, milli),
            Bar("fanout", f"{last} : Node", (f"last {crowd}", "ours"), (f"last {crowd}", "Node"), 1.0, milli, aim=0.7),
        ]
    stream = at("stream", "plain", JUDGED, plan.clients)
    found += [
        Bar("fanout", "CPU per delivery, 2 KB, SSE : bare loop", (f"cpu {stream}", "ours"), (f"cpu {stream}", "bare"), 1.3, micro),
    ]
    for packing in ("plain", "packed"):
        crowd, few, most = (at("socket", packing, JUDGED, clients) for clients in (plan.crowd, plan.few, plan.most))
        found += [
            Bar("fanout", f"the operator's POST : until the last of {plan.crowd:,} has it, {packing}", (f"post {crowd}", "ours"), (f"last {crowd}", "ours"), 0.2, milli),
            Bar("fanout", f"CPU per delivery at {plan.most:,} : at {plan.few:,}, {packing}", (f"cpu {most}", "ours"), (f"cpu {few}", "ours"), 1.15, micro),
        ]
    packed, plain = at("socket", "packed", JUDGED, plan.clients), at("socket", "plain", JUDGED, plan.clients)
    found.append(Bar("fanout", "bytes on the wire of 2 KB, packed : plain", (f"wire {packed}", "ours"), (f"wire {plain}", "ours"), None, size_of))
    for kind, packing in (("socket", "plain"), ("socket", "packed"), ("stream", "plain")):
        for clients in sorted({plan.few, plan.clients, plan.crowd, plan.most}):
            for size in plan.sizes:
                what = f"{kind} {packing}, {size / 1024:.2g} KB to {clients:,}"
                key = at(kind, packing, size, clients)
                found.append(Bar("fanout", f"CPU, {what} : bare loop", (f"cpu {key}", "ours"), (f"cpu {key}", "bare"), None, micro))
                found.append(Bar("fanout", f"last, {what} : bare loop", (f"last {key}", "ours"), (f"last {key}", "bare"), None, milli))
                found.append(Bar("fanout", f"the client's share of a core, {what}", (f"client {key}", "ours"), None, None, number))
    return found


def _crowd(plan: Plan) -> list[Bar]:
    crowd = f"{plan.clients:,}"
    return [
        Bar("crowd", "memory per idle visitor, WebSocket", ("memory socket", "ours"), None, 4096, kilobytes),
        Bar("crowd", "memory per idle visitor, SSE", ("memory stream", "ours"), None, 1536, kilobytes),
        Bar("crowd", "memory per idle visitor : Node", ("memory socket", "ours"), ("memory socket", "Node"), None, kilobytes),
        Bar("crowd", "idle CPU per connection and second, a ping every 5 s : Node", ("idle socket", "ours"), ("idle socket", "Node"), 0.5, micro),
        Bar("crowd", "connections joined per second : Node", ("joins socket", "ours"), ("joins socket", "Node"), 0.7, per_second, at_least=True, aim=1.0),
        Bar("crowd", f"{crowd} vanish at once, CPU of the clean-up : Node", ("vanish socket", "ours"), ("vanish socket", "Node"), 1.2, milli),
        Bar("crowd", f"{crowd} come back at once, joined per second : Node", ("storm socket", "ours"), ("storm socket", "Node"), None, per_second, at_least=True),
        Bar("crowd", "CPU per join when they come back : Node", ("storm cpu socket", "ours"), ("storm cpu socket", "Node"), None, micro),
        Bar("crowd", "idle CPU per connection and second, SSE", ("idle stream", "ours"), None, None, micro),
        Bar("crowd", "streams joined per second", ("joins stream", "ours"), None, None, per_second),
    ]


def _pages() -> list[Bar]:
    found = []
    for coding in ("identity", "gzip"):
        found += [
            Bar("page", f"page from cache, {coding}, requests : nginx", (f"page {coding}", "ours"), (f"page {coding}", "nginx"), 0.5, per_second, at_least=True),
            Bar("page", f"page from cache, {coding}, CPU per request : nginx", (f"page cpu {coding}", "ours"), (f"page cpu {coding}", "nginx"), 2.0, micro),
            Bar("page", f"the herd's share of a core, {coding}, at nginx", (f"page client {coding}", "nginx"), None, None, number),
        ]
    return [
        *found,
        Bar("fresh", "page after a change at 500 requests/s, p99 of the others above their median before", ("fresh more", "ours"), None, 0.05, milli),
        Bar("fresh", "the page is rendered, for each change", ("fresh drawn", "ours"), None, 1.0, number),
        Bar("fresh", "the median before", ("fresh before", "ours"), None, None, milli),
    ]


def _others(plan: Plan) -> list[Bar]:
    storm = f"{plan.edits:,} edits at once, {plan.few:,} viewers"
    return [
        Bar("first_view", "first view of the demo page, everything", ("first view", "ours"), None, 61_440, kilobytes),
        Bar("tenants", f"an organization-wide change, {plan.tenants:,} pages of 5 viewers : one page", ("tenants last", "ours"), ("one page last", "ours"), 3.0, milli),
        Bar("bystanders", f"other requests during broadcasts to {plan.crowd:,}, ten a second, p99", ("bystanders", "ours"), None, 0.03, milli),
        Bar("change", "bytes of a typical change to a page, packed : plain", ("change page", "packed"), ("change page", "plain"), 0.35, size_of),
        Bar("change", "bytes of a typical change to a program, packed : plain", ("change data", "packed"), ("change data", "plain"), None, size_of),
        Bar("storm", f"{storm}, HTML: messages : one per PUSH_INTERVAL and 3", ("storm page bound", "ours"), None, 1.0, number),
        Bar("storm", f"{storm}, data: writes : events", ("storm data bound", "ours"), None, 0.5, number),
        Bar("storm", "the same, HTML: messages to each viewer", ("storm page messages", "ours"), None, None, number),
        Bar("storm", "the same, HTML: until all are current", ("storm page seconds", "ours"), None, None, milli),
        Bar("storm", "the same, HTML: the writing of it", ("storm page wrote", "ours"), None, None, milli),
        Bar("storm", "the same, data: the writing of it", ("storm data wrote", "ours"), None, None, milli),
        Bar("storm", "the same, data: until all have everything", ("storm data seconds", "ours"), None, None, milli),
        Bar("mixed", f"{plan.clients:,} of whom 10 % do not read, edits every 100 ms: p99 of other requests", ("mixed", "ours"), None, None, milli),
        Bar("mixed", "the same: memory that it took", ("mixed memory", "ours"), None, None, kilobytes),
        Bar("mixed", "the same: cut for not reading", ("mixed cut", "ours"), None, None, number),
    ]
# fmt: on
