"""A thousand edits at once: every client is current at the end, after a bounded number of messages."""

import time

from bench import views
from bench.contenders import Ours
from bench.figures import Figures
from bench.load import Load
from bench.plan import Plan

PUSHES = 1 / 0.2  # a second: one per PUSH_INTERVAL, as shipped
SPARE = 3


def measure(figures: Figures, plan: Plan) -> None:
    for view in ("page", "data"):
        with Ours() as server, Load() as load:
            if view == "page":
                views.join(server, load, plan.few)
            else:
                server.join(load, plan.few)
            _storm(figures, plan, server, load, view)


def _storm(figures: Figures, plan: Plan, server: Ours, load: Load, view: str) -> None:
    writer = server.write(view, str(plan.edits), str(server.number + 1))
    views.begin(writer)
    before, begun, cpu = load.report(), time.monotonic(), server.cpu()
    wrote = views.end(writer)
    seconds = load.wait(server.number + plan.edits, plan.few, 60).last - begun
    after = load.report()
    messages = (after["messages"] - before["messages"]) / plan.few
    segments = (after["segments"] - before["segments"]) / plan.few
    figures.note(f"storm {view} wrote", "ours", wrote)
    figures.note(f"storm {view} seconds", "ours", seconds)
    figures.note(f"storm {view} cpu", "ours", server.cpu() - cpu)
    figures.note(f"storm {view} messages", "ours", messages)
    figures.note(f"storm {view} writes", "ours", segments)
    if view == "page":
        figures.note("storm page bound", "ours", messages / (seconds * PUSHES + SPARE))
    else:
        figures.note("storm data bound", "ours", segments / plan.edits)
