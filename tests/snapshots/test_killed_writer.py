"""A writer killed between any two steps: every file is whole, and the next one brings all of them to now.

Some of them, on SQLite, are cut off each time: see tests/faults/course.py.
"""

import os
import subprocess
import sys

import pytest

from statuspage import config
from tests.server import Server

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_kill_9_between_any_two_steps(tmp_path, make_database, kind):
    folder = tmp_path / "snapshots"
    url = make_database(kind, f"killed_writer_{kind}")
    with Server(tmp_path, DATABASE_URL=url, DEMO="1") as server:  # which makes the demo
        environ = server.environ
    said = subprocess.run(
        [sys.executable, "-m", "tests.snapshots.killed_writer", str(folder)],
        cwd=config.ROOT,
        env={**os.environ, **environ, "SNAPSHOTS": str(folder), "PUBLIC_URL": "https://status.example"},
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert said.returncode == 0, said.stderr
    assert int(said.stdout) > 40, "as many steps were tried"
