"""A process that has the server imported, and forks one in a tenth of the time that a start takes.

It says the process id of a new server for each line of JSON on stdin: `{"environ": {…}, "log": "path"}`.
The tests of one process share one of it: see fork().
"""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).parents[1]
FORKS = hasattr(os, "pidfd_open")  # Linux
PR_SET_PDEATHSIG = 1  # prctl(2)


class Forked:
    """A process that is not a child of this one, asked as subprocess.Popen is."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """None as long as it runs; how it ended is not known."""
        return 0 if self._ends_within(0) else None

    def wait(self, timeout: float) -> int:
        if not self._ends_within(timeout):
            raise subprocess.TimeoutExpired("a forked server", timeout)
        return 0

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _ends_within(self, seconds: float) -> bool:
        return bool(select.select([self._handle], [], [], seconds)[0])

    def _send(self, number: int) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._handle, number)

    def __del__(self) -> None:
        os.close(self._handle)


def fork(environ: dict[str, str], log: Path) -> Forked:
    """A new server with this environment, which writes to this log."""
    parent = _parent()
    assert parent.stdin
    assert parent.stdout
    parent.stdin.write(json.dumps({"environ": environ, "log": str(log)}) + "\n")
    parent.stdin.flush()
    return Forked(int(parent.stdout.readline()))


@cache
def _parent() -> subprocess.Popen:
    """It ends when its stdin does, with this process."""
    command = [sys.executable, "-m", "tests.fork_server"]
    return subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def _become_a_server_when_told(orders: TextIO) -> None:
    """Returns in a child."""
    from gevent import monkey

    fork = monkey.get_original("os", "fork")  # gevent's would begin to watch children
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries them
    for line in iter(orders.readline, ""):
        if pid := fork():
            print(pid, flush=True)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a test run that is killed leaves none
        order = json.loads(line)
        log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for stream, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
            os.dup2(source, stream)
        os.environ.clear()
        os.environ.update(order["environ"])
        return
    sys.exit()


if __name__ == "__main__":
    from gevent import monkey

    monkey.patch_all()

    import app
    from statuspage.server import main

    _become_a_server_when_told(sys.stdin)
    main(app.create_app())
