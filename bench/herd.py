"""Runs herd.c: visitors who ask for pages over kept connections."""

import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.load import Void
from bench.place import BUILD, hurry

RECORD = struct.Struct("=QQII")


@dataclass
class Request:
    due: float  # time.monotonic()
    took: float  # seconds
    status: int
    body: int  # which of those seen


@dataclass
class Answers:
    count: int
    seconds: float
    p50: float
    p99: float
    share: float  # of a core, that the client needed
    bodies: int  # different ones
    length: int
    requests: list[Request]


class Herd:
    """Started at once; `answers()` waits for its end. Any answer but 200 or 304 voids the run."""

    def __init__(
        self,
        port: int,
        *paths: str,
        seconds: float,
        rate: float = 0,
        connections: int = 32,
        headers: tuple[str, ...] = (),
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-herd-")
        self._out = Path(self._folder.name, "requests")
        words = [f"port={port}", f"seconds={seconds}", f"rate={rate}", f"connections={connections}"]
        words += [f"out={self._out}"] if rate else []
        self._process = subprocess.Popen(
            [BUILD / "herd", *words, *paths, "--", *headers], stdout=subprocess.PIPE, text=True
        )
        if rate:
            hurry(self._process.pid)

    def answers(self) -> Answers:
        text, _ = self._process.communicate()
        if not text.startswith("answered"):
            raise Void(f"the herd {text.strip()}")
        found = {name: float(value) for name, value in (word.split("=") for word in text.split()[1:])}
        if found["ok"] + found["unchanged"] != found["requests"]:
            raise Void(f"{found['requests'] - found['ok'] - found['unchanged']:.0f} requests were refused")
        share = found["cpu"] / 1e9 / found["seconds"]
        return Answers(
            int(found["requests"]),
            found["seconds"],
            found["p50"] / 1e9,
            found["p99"] / 1e9,
            share,
            int(found["bodies"]),
            int(found["length"]),
            self._requests(),
        )

    def _requests(self) -> list[Request]:
        if not self._out.exists():
            return []
        with self._out.open("rb") as file:
            return [
                Request(due / 1e9, took / 1e9, *rest) for due, took, *rest in RECORD.iter_unpack(file.read())
            ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._folder.cleanup()


def percentile(times: list[float], share: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
