"""The table, as text and as docs/performance.md; and everything as JSON."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.bars import Verdict
from bench.figures import Figures
from bench.place import BENCH, CORES, RESULTS, ROOT

HEAD = ["what", "bar", "measured", "rounds", "ours", "the other", ""]
DOCUMENT = ROOT / "docs" / "performance.md"
TEMPLATE = BENCH / "performance.template.md"


def rows(verdicts: list[Verdict]) -> list[list[str]]:
    return [_row(verdict) for verdict in verdicts]


def _row(verdict: Verdict) -> list[str]:
    bar = verdict.bar
    form = "{:.2f}×".format if bar.against else bar.words
    limit = "" if bar.limit is None else ("≥ " if bar.at_least else "≤ ") + form(bar.limit)
    aim = f" (aim {form(bar.aim)})" if bar.aim else ""
    if verdict.value is None or verdict.figure is None:
        return [bar.what, limit + aim, "not measured", "", "", "", "" if verdict.holds else "MISSED"]
    spread = f"{form(min(verdict.values))} – {form(max(verdict.values))}" if len(verdict.values) > 1 else ""
    other = bar.words(verdict.against) if verdict.against is not None else ""
    mark = "" if bar.limit is None else "ok" if verdict.holds else "MISSED"
    return [bar.what, limit + aim, form(verdict.value), spread, bar.words(verdict.figure), other, mark]


def as_text(table: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in [HEAD, *table]) for i in range(len(HEAD))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [HEAD, *table]
    ]
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """What it ran on, and which code."""
    cpu = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    changed = " and changes" if _git("status", "--porcelain", "statuspage", "bench") else ""
    return {
        "cpu": cpu,
        "cores": len(CORES),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "node": subprocess.check_output(["node", "--version"], text=True).strip(),
        "commit": _git("rev-parse", "--short", "HEAD") + changed,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": os.getloadavg()[0],
    }


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def write_json(figures: Figures, where: dict[str, Any], minutes: float) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{where['at'].replace(':', '').replace('+0000', '')}.json"
    values = {f"{figure} | {who}": list(rounds.values()) for (figure, who), rounds in figures.values.items()}
    document = {
        "machine": where,
        "minutes": minutes,
        "remarks": figures.remarks,
        "voids": figures.voids,
        "figures": values,
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path


def write_document(
    table: list[list[str]], figures: Figures, where: dict[str, Any], rounds: int, minutes: float
) -> None:
    """docs/performance.md, whole: what is asked for first, the rest below it."""
    asked = [row for row in table if row[1]]
    rest = [row for row in table if not row[1]]
    DOCUMENT.write_text(
        TEMPLATE.read_text().format(
            **where,
            rounds=rounds,
            minutes=round(minutes),
            asked=_markdown(asked),
            rest=_markdown([[*row[:1], *row[2:6]] for row in rest], ["what", *HEAD[2:6]]),
            remarks="".join(f"\n{words}\n" for words in figures.remarks),
        )
    )


def _markdown(table: list[list[str]], head: list[str] | None = None) -> str:
    head = head or HEAD
    lines = [head, ["---"] * len(head), *table]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines)
