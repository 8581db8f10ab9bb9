"""`bin/bench [MEASUREMENT...]`: all of it, or a part. Exit status 1 when a bar is missed or a run is void."""

import argparse
import sys
import time
from collections.abc import Callable

from bench import bystanders, changes, crowd, fanout, first_view, pages, report, storm, tenants
from bench.bars import bars, judge
from bench.build import build
from bench.figures import Figures
from bench.load import allow_descriptors
from bench.place import CLIENT_CORES, alone, on
from bench.plan import Plan

MEASUREMENTS: dict[str, Callable[[Figures, Plan], None]] = {
    "fanout": fanout.measure,
    "crowd": crowd.measure,
    "page": pages.measure_herd,
    "fresh": pages.measure_fresh,
    "bystanders": bystanders.measure_broadcasts,
    "tenants": tenants.measure,
    "change": changes.measure,
    "storm": storm.measure,
    "mixed": bystanders.measure_mixed,
    "first_view": first_view.measure,
}


def main() -> int:
    wish = _wish()
    with alone():
        return _run(wish)


def _run(wish: argparse.Namespace) -> int:
    chosen = wish.measurements or list(MEASUREMENTS)
    clients = wish.clients or (200 if wish.quick else 5_000)
    plan = Plan.smoke(clients) if wish.quick else Plan.whole(clients, wish.most)
    build()
    allow_descriptors()
    figures, begun = Figures(), time.monotonic()
    with on(CLIENT_CORES):
        _measure(figures, plan, chosen, wish.rounds or (1 if wish.quick else 3))
    minutes = (time.monotonic() - begun) / 60

    verdicts = judge(figures, bars(plan, chosen))
    table, where = report.rows(verdicts), report.machine()
    print(report.as_text(table))
    for words in [*figures.remarks, *figures.voids]:
        print(words)
    print(f"{minutes:.1f} minutes; all figures: {report.write_json(figures, where, minutes)}")
    if wish.write and not figures.voids:
        report.write_document(table, figures, where, figures.round + 1, minutes)
    missed = [] if wish.quick else [verdict for verdict in verdicts if not verdict.holds]
    print(f"{len(missed)} bars missed, {len(figures.voids)} runs void")
    return 1 if missed or figures.voids else 0


def _measure(figures: Figures, plan: Plan, chosen: list[str], rounds: int) -> None:
    """Round after round, so that a slow minute of the machine falls on all contenders."""
    for figures.round in range(rounds):
        for name in chosen:
            begun = time.monotonic()
            with figures.unless_void(name):
                MEASUREMENTS[name](figures, plan)
            seconds = time.monotonic() - begun
            print(f"round {figures.round + 1} of {rounds}: {name}, {seconds:.0f} s", file=sys.stderr)


def _wish() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    parser.add_argument("measurements", nargs="*", metavar="MEASUREMENT", help=", ".join(MEASUREMENTS))
    parser.add_argument("--clients", type=int, help="where nothing else is said: 5000")
    parser.add_argument("--most", type=int, default=19_000, help="of the largest crowd: %(default)s")
    parser.add_argument("--rounds", type=int, help="3")
    parser.add_argument("--quick", action="store_true", help="a smoke run; its figures mean nothing")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    wish = parser.parse_args()
    if unknown := set(wish.measurements) - MEASUREMENTS.keys():
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}")
    if wish.write and (wish.quick or wish.measurements):
        parser.error("only a whole run is written")
    return wish


if __name__ == "__main__":
    sys.exit(main())
