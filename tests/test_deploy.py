"""deploy/: what is written beside it stays on the machine; what it sets are settings."""

import re
import shutil
import subprocess

import pytest
import yaml

from statuspage.config import ROOT, SETTINGS

NAMES = {setting.name for setting in SETTINGS}


@pytest.mark.parametrize("name", ["deploy/.env", "deploy/kept.backup"])
def test_secrets_get_neither_into_git_nor_into_an_image(name):
    assert subprocess.run(["git", "check-ignore", "--quiet", name], cwd=ROOT).returncode == 0
    for ignored in (".dockerignore", ".containerignore"):
        lines = (ROOT / ignored).read_text().splitlines()
        assert {f"**/{name.rpartition('/')[2]}", f"**/*.{name.rpartition('.')[2]}"} & {*lines}, ignored


def test_readme_and_guide_set_two_nodes_up_alike():
    blocks = [
        re.search(r"```sh\ncd deploy\n.*?```", (ROOT / name).read_text(), re.S)
        for name in ("README.md", "docs/deploying.md")
    ]
    assert blocks[0]
    assert blocks[1]
    assert blocks[0][0] == blocks[1][0]


def test_what_the_files_set_are_settings():
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    for node in ("node_a", "node_b"):
        assert set(compose["services"][node]["environment"]) <= NAMES
    image = (ROOT / "deploy/Containerfile").read_text()
    assert {*re.findall(r"(\w+)=", "".join(re.findall(r"^ENV (.*)$", image, re.M)))} <= NAMES
    unit = (ROOT / "deploy/statuspage@.service").read_text()
    said = {*re.findall(r"(\w+)=", " ".join(re.findall(r"^Environment=(.*)$", unit, re.M)))}
    assert "NODE" in said
    assert said <= NAMES


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd on this machine")
def test_systemd_understands_its_unit(tmp_path):
    unit = tmp_path / "statuspage@a.service"
    text = (ROOT / "deploy/statuspage@.service").read_text()
    unit.write_text(text.replace("/opt/statuspage", str(ROOT)))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
