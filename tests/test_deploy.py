"""deploy/: what is written beside it stays on the machine."""

import subprocess

import pytest

from statuspage.config import ROOT


@pytest.mark.parametrize("name", ["deploy/.env", "deploy/kept.backup"])
def test_secrets_get_neither_into_git_nor_into_an_image(name):
    assert subprocess.run(["git", "check-ignore", "--quiet", name], cwd=ROOT).returncode == 0
    for ignored in (".dockerignore", ".containerignore"):
        lines = (ROOT / ignored).read_text().splitlines()
        assert {f"**/{name.rpartition('/')[2]}", f"**/*.{name.rpartition('.')[2]}"} & {*lines}, ignored
