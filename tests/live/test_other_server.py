"""Under a WSGI server that is not ours the live part is slower, and as correct."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from statuspage import config

HERE = Path(__file__).parent
SHORT = {"werkzeug": ["contract"], "gunicorn": ["stream"]}  # --soak runs all, under both
OURS = {"cleanup", "dispatcher", "front", "other_server"}  # about our own server, or without any
TWO_PROCESSES = {"restart"}  # a killed master's worker goes on for a moment


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("server", SHORT)
def test_the_live_suite_passes_under_another_server(server):
    names = SHORT[server]
    if "SOAK" in os.environ:
        without = OURS | TWO_PROCESSES if server == "gunicorn" else OURS
        names = sorted({path.stem.removeprefix("test_") for path in HERE.glob("test_*.py")} - without)
    words = [f"tests/live/test_{name}.py" for name in names]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not soak", *words],
        cwd=config.ROOT,
        env={**os.environ, "OTHER_SERVER": server},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-5000:]
