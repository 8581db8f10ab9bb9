"""The clients of clients/crowd.mjs, in a process of their own."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any, Self

CROWD = Path(__file__).parents[1] / "clients" / "crowd.mjs"


class Crowd:
    """So many of each transport, at `url`. Also a context manager."""

    def __init__(self, url: str, sockets: int, pollings: int, streams: int, polls: int) -> None:
        counts = [str(count) for count in (sockets, pollings, streams, polls)]
        self._process = subprocess.Popen(
            ["node", str(CROWD), url, *counts], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.clients = self._read()["ready"]

    def wait(self, seq: int, seconds: float) -> dict[str, Any]:
        return self._ask(f"wait {seq} {int(seconds * 1000)}")

    def report(self) -> dict[str, Any]:
        return self._ask("report")

    def lag(self) -> dict[str, Any]:
        """Milliseconds from a broadcast's writing to its hearing, since the last time that this was asked."""
        return self._ask("lag")

    def freeze(self) -> None:
        """As phones that sleep: the connections stay, and nobody reads."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def _ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "The crowd ended."
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
