"""Under a WSGI server that is not ours the live part is slower, and as correct."""

import os
import subprocess
import sys

import pytest

from statuspage import config

# The contract has a bit of everything; --soak runs all that is not about our own server.
FILES = ["contract"]
MORE = "stream rooms polling access broadcast claims exactly_once hostile_input replay secrets signed_in"


@pytest.mark.timeout(600)
def test_the_live_suite_passes_under_another_server():
    files = FILES + MORE.split() if "SOAK" in os.environ else FILES
    words = [f"tests/live/test_{name}.py" for name in files]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not soak", *words],
        cwd=config.ROOT,
        env={**os.environ, "OTHER_SERVER": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-5000:]
