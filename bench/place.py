"""Where things are and run: the folders of the bench, and which core is whose."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
BUILD = BENCH / "build"
RESULTS = BENCH / "results"
NODE = BENCH / "node"

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = {CORES[-1]}
CLIENT_CORES = set(CORES[:-1]) or {CORES[0]}


@contextmanager
def on(cores: set[int]) -> Iterator[None]:
    """Who is started in this block stays on these cores, with all its threads, where that is allowed."""
    mine = os.sched_getaffinity(0)
    with suppress(OSError):
        os.sched_setaffinity(0, cores)
    yield
    with suppress(OSError):
        os.sched_setaffinity(0, mine)


@contextmanager
def alone() -> Iterator[None]:
    """Two that measure at once measure each other: the second ends with a sentence."""
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("Another bin/bench is at work here; wait until it ends.") from None
        yield


def hurry(pid: int) -> None:
    """Let this one go first, where that is allowed: who measures waiting must not wait for a core itself."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, -10)
