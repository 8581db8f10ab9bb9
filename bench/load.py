"""Steers the load generator, load.c, and voids the run when it does."""

import resource
import subprocess
from dataclasses import dataclass
from typing import Any, Self

from bench.place import BUILD

ORGANIZATION = "org-456"


class Void(Exception):
    """A payload was lost, doubled, garbled or late, or somebody could not join: the figures mean nothing."""


@dataclass
class Delivery:
    clients: int
    first: float  # time.monotonic()
    last: float
    bytes: int  # of all frames
    size: int  # of the frame that came to the first client


class Load:
    """A crowd of clients in another process. Also a context manager, which ends it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [BUILD / "load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def connect(self, port: int, clients: int, join: str = "", **fields: Any) -> float:
        """Bring so many; the seconds until all have joined. Anybody who cannot voids the run."""
        words = " ".join(f"{name}={value}" for name, value in fields.items())
        tail = f" join={join}" if join else ""
        answer = self._ask(f"connect port={port} clients={clients} {words}{tail}")
        if int(answer["failed"]):
            raise Void(f"{answer['failed']} of {clients} could not join: {answer['why']}")
        return int(answer["nanoseconds"]) / 1e9

    def wait(self, number: int, clients: int, seconds: int = 30) -> Delivery:
        """Until so many have it; who has not in time voids the run."""
        answer = self._ask(f"wait number={number} clients={clients} seconds={seconds}")
        if int(answer["clients"]) < clients or answer["void"]:
            reason = answer["void"] or "some did not get it in time"
            raise Void(f"{answer['clients']} of {clients} have number {number}: {reason}")
        return Delivery(
            int(answer["clients"]),
            int(answer["first"]) / 1e9,
            int(answer["last"]) / 1e9,
            int(answer["bytes"]),
            int(answer["size"]),
        )

    def wire(self, number: int, path: str) -> None:
        """Write the bytes that brought this number to a file."""
        self._ask(f"wire number={number} file={path}")

    def report(self) -> dict[str, int]:
        """Counts of all that came, `cpu` and `at` in nanoseconds; a void run ends here."""
        answer = self._ask("report")
        if answer.pop("void"):
            raise Void(answer["void"])
        return {name: int(value) for name, value in answer.items()}

    def vanish(self, clients: int) -> None:
        self._ask(f"vanish clients={clients}")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def _ask(self, line: str) -> dict[str, str]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise Void("the load generator ended")
        head, separator, free = answer.partition(" why=" if " why=" in answer else " void=")
        fields = dict(word.split("=", 1) for word in head.split()[1:])
        return {**fields, separator.strip(" ="): free.strip()} if separator else fields


def descriptor_limit() -> int:
    """How many clients fit into one process, with some descriptors to spare."""
    return min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 60_000) - 1_000


def allow_descriptors() -> None:
    """What the contenders inherit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
