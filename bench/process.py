"""A contender's process: started on its core, asked what it costs, ended."""

import os
import random
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from bench.place import ROOT, SERVER_CORE, on
from statuspage import config

START_SECONDS = 30.0


class Process:
    """A server that listens on `port`. Also a context manager, which ends it."""

    name: str
    obeys = False  # takes orders on stdin, and answers each with a line

    def __init__(self, words: list[str], environ: dict[str, str], port: int = 0) -> None:
        self.port = port or free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="bench-")
        self._log = Path(self.folder.name) / "log"
        with self._log.open("wb") as log, on(SERVER_CORE):
            self._process = subprocess.Popen(
                [word.format(port=self.port) for word in words],
                cwd=ROOT,
                env={**inherited(), **environ, "PORT": str(self.port)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if self.obeys else log,
                stderr=log,
                text=True,
                bufsize=1,
            )
        self.pid = self._process.pid
        self._wait_until_it_listens()

    def cpu(self) -> float:
        """Seconds of all its threads since it began, to the nanosecond."""
        return time.clock_gettime((~self.pid) << 3 | 2)  # as clock_getcpuclockid(3) does

    def memory(self) -> int:
        """Bytes that would be free without it. (Kernel buffers of its sockets are not in it.)"""
        lines = Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()
        return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))

    def settle(self, quiet: float = 0.02, patience: float = 20.0) -> None:
        """Return when it does next to nothing: less than `quiet` of a core for half a second."""
        until = time.monotonic() + patience
        calm = 0
        while calm < 3 and time.monotonic() < until:
            before = self.cpu()
            time.sleep(0.17)
            calm = calm + 1 if self.cpu() - before < 0.17 * quiet else 0

    def order(self, line: str) -> str:
        """Say a line to one that obeys, and take the answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()
        self.folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def _wait_until_it_listens(self) -> None:
        until = time.monotonic() + START_SECONDS
        while not answers(self.port):
            if self._process.poll() is not None or time.monotonic() > until:
                words = self.log
                self.stop()
                raise SystemExit(f"A contender did not start:\n{words}")
            time.sleep(0.02)


def inherited() -> dict[str, str]:
    """This process's environment without any setting of ours: servers run as shipped."""
    own = {setting.name for setting in config.SETTINGS}
    return {name: text for name, text in os.environ.items() if name not in own}


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """Below those that outgoing connections are given, so that none takes it meanwhile."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
