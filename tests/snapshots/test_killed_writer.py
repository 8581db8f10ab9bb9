"""A writer killed between any two steps: every file is whole, and the next one brings all of them to now."""

import os
import subprocess
import sys

import pytest

from statuspage import config
from tests.server import Server

SOAK = pytest.mark.soak


@pytest.mark.parametrize(
    ("kind", "stride"),
    [("sqlite", 7), pytest.param("sqlite", 1, marks=SOAK), pytest.param("postgresql", 1, marks=SOAK)],
)
def test_kill_9_between_any_two_steps(tmp_path, make_database, kind, stride):
    folder = tmp_path / "snapshots"
    url = make_database(kind, f"killed_writer_{stride}")
    with Server(tmp_path, DATABASE_URL=url, DEMO="1") as server:  # which makes the demo
        environ = server.environ
    said = subprocess.run(
        [sys.executable, "-m", "tests.snapshots.killed_writer", str(folder), str(stride)],
        cwd=config.ROOT,
        env={**os.environ, **environ, "SNAPSHOTS": str(folder), "PUBLIC_URL": "https://status.example"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert said.returncode == 0, said.stderr
    assert int(said.stdout) > 40 / stride, "as many steps were tried"
