"""bin/setup gives everyone the same packages, from wherever they get their packages, and quickly."""

import base64
import hashlib
import json
import re
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "static" / "vendor"
NODE_LOCKS = ["package-lock.json", "bench/node/package-lock.json"]
LOCKS = sorted(path.name for path in ROOT.glob("requirements*.txt")) + NODE_LOCKS
REQUIREMENTS = sorted(path.name for path in ROOT.glob("requirements*.in"))

# One line of a requirements*.in: name, perhaps an extra, one exact version, and why we need it.
PINNED_WITH_REASON = re.compile(r"[A-Za-z0-9.-]+(\[\w+\])?==\d[\w.]*  +# \S+ .+")


def manifest():
    return json.loads((VENDOR / "manifest.json").read_text())


@pytest.mark.parametrize("name", ["htmx", "socket.io"])
def test_integrity_in_the_manifest_is_that_of_the_served_bytes(name):
    entry = manifest()[name]
    digest = hashlib.sha384((VENDOR / entry["file"]).read_bytes()).digest()
    assert entry["integrity"] == "sha384-" + base64.b64encode(digest).decode()


@pytest.mark.parametrize("name", ["htmx", "socket.io"])
def test_a_browser_library_is_a_whole_module_named_by_its_content(name):
    file = VENDOR / manifest()[name]["file"]
    script = file.read_bytes()
    assert file.name == f"{name}-{hashlib.sha384(script).hexdigest()[:12]}.js"
    assert re.search(rb"export\s*(default|\{)", script)


def test_no_browser_library_asks_for_a_source_map_we_do_not_serve():
    for entry in manifest().values():
        assert b"sourceMappingURL" not in (VENDOR / entry["file"]).read_bytes()


@pytest.mark.parametrize("name", [*LOCKS, *REQUIREMENTS, "package.json"])
def test_packages_come_by_name_from_no_particular_host(name):
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(r"^--?(i|index-url|extra-index-url|find-links|f)\b", text, re.MULTILINE)


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_direct_requirement_is_pinned_and_has_a_reason(name):
    lines = (ROOT / name).read_text().splitlines()
    requirements = [line for line in lines if line and not line.startswith(("#", "-c "))]
    assert requirements
    for line in requirements:
        assert PINNED_WITH_REASON.fullmatch(line)


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_the_lock_holds_what_is_required(name):
    required = re.findall(r"^([\w.-]+)(?:\[\w+\])?==([\w.]+)", (ROOT / name).read_text(), re.MULTILINE)
    locked = versions((ROOT / name).with_suffix(".txt"))
    for package, version in required:
        assert locked[package.lower()] == version


def test_tests_run_on_the_versions_that_are_served():
    runtime, dev = versions(ROOT / "requirements.txt"), versions(ROOT / "requirements-dev.txt")
    for package in runtime.keys() & dev.keys():
        assert runtime[package] == dev[package]


def test_every_locked_python_package_has_a_hash():
    for lock in ROOT.glob("requirements*.txt"):
        for block in re.split(r"\n(?=[\w-]+==)", lock.read_text()):
            assert "--hash=sha256:" in block


@pytest.mark.parametrize("name", NODE_LOCKS)
def test_every_locked_node_package_has_an_integrity(name):
    packages = json.loads((ROOT / name).read_text())["packages"]
    for path, package in packages.items():
        assert path == "" or package["integrity"].startswith("sha512-")


def test_browser_libraries_are_asked_for_by_exact_version():
    package = json.loads((ROOT / "package.json").read_text())
    for version in [*package["dependencies"].values(), *package["devDependencies"].values()]:
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)


@pytest.mark.alone
def test_setup_is_quick_when_nothing_changed():
    before = time.monotonic()
    subprocess.run([ROOT / "bin" / "setup", "--dev"], check=True, capture_output=True)
    assert time.monotonic() - before < 2


def versions(lock):
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", lock.read_text(), re.MULTILINE))
