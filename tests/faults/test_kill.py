"""SQLite on one node, killed between any two statements, or between any two files of its snapshots: what was
acknowledged is there, nothing is half, and no file shows what is private.
"""

import json
import subprocess
import sys

import pytest

from statuspage.config import ROOT
from tests.faults.course import COURSE


@pytest.mark.parametrize(
    "which", ["some", pytest.param("all", marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
def test_a_kill_before_any_statement_leaves_the_last_commit_and_work_goes_on(tmp_path, which):
    """After the restart clients that come with their position show what a fresh load shows, too."""
    command = [sys.executable, "-m", "tests.faults.tree", str(tmp_path), which]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["wrong"] == []
    assert set(found["steps"]) == {step.name for step in COURSE}
    assert found["tried"] >= (found["points"] if which == "all" else len(COURSE))
