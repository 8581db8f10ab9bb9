"""What is tried on SQLite alone, for it is quick, passes on PostgreSQL too: screens, servers, browsers."""

import os
import subprocess
import sys

import pytest

from statuspage import config
from tests.server import OTHER_DATABASE

ELSEWHERE = (  # they name their database, or the database has no say in them
    "bench cluster faults live/test_other_server.py live/transport snapshots/test_proxies.py "
    "test_docs.py test_other_database.py"
).split()


@pytest.mark.soak
@pytest.mark.alone
@pytest.mark.timeout(1800)
def test_the_suite_passes_on_postgresql_where_it_is_usually_on_sqlite() -> None:
    words = [f"--ignore=tests/{name}" for name in ELSEWHERE]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "-m", "not soak and not alone", *words, "tests"],
        cwd=config.ROOT,
        env={**{name: text for name, text in os.environ.items() if name != "SOAK"}, OTHER_DATABASE: "yes"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-5000:]
