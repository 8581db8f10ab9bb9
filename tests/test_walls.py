"""The walls of the house: who may import whom, how long a file may be, what the routes reserve."""

import ast
from pathlib import Path

import pytest

from statuspage.config import ROOT
from statuspage.models.name import RESERVED

PACKAGE = ROOT / "statuspage"
# What a room may import of the others. (schemas are seen by live and web, and see only models' enums.)
MAY_IMPORT = {
    "clock": set(),
    "config": set(),
    "threads": set(),
    "database": {"clock"},
    "models": {"clock", "config", "database", "threads"},
    "jobs": {"clock", "config", "database", "models"},
    "backup": {"clock", "config", "database", "models"},
    "schemas": {"models.status", "models.access", "models.event"},
    "live": {"clock", "config", "database", "models", "schemas", "logs"},
    "snapshots": {"clock", "config", "database", "models", "live", "threads", "web"},
    "logs": {"clock"},
    "web": {"clock", "config", "database", "models", "schemas", "live", "logs", "threads"},
}
NEVER = {
    "models": {"socketio", "flask_socketio", "redis", "flask"},
    "backup": {"socketio", "flask_socketio", "redis"},
    "web": {"socketio", "flask_socketio", "engineio", "redis"},
}
LONGEST = 340
GRAB_BAGS = {"utils", "util", "helpers", "helper", "common", "misc", "services", "managers", "manager"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(name: str) -> str:
    return name.split(".")[0]


def imports(path: Path) -> set[str]:
    """Absolute names of what a module imports; our own without `statuspage.`, as `models.access`."""
    package = path.relative_to(PACKAGE).parent.parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module or "")
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            base = [step for step in base if step]
            found |= (
                {".".join([*base, alias.name]) for alias in node.names}
                if not node.module
                else {".".join(base)}
            )
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    room = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if room not in MAY_IMPORT:
        return  # create_app, server, cli, demo: the wiring sees everything
    ours = {name for name in imports(path) if room_of(name) in {*MAY_IMPORT, "cli", "demo", "server"}}
    foreign = {name for name in ours if room_of(name) != room}
    allowed = {
        name for name in foreign if MAY_IMPORT[room] & {name, room_of(name), ".".join(name.split(".")[:2])}
    }
    assert foreign == allowed
    outside = {room_of(name) for name in imports(path)} - {room_of(name) for name in ours}
    assert not outside & NEVER.get(room, set())
    assert "redis" not in outside or path.parent == PACKAGE / "live" / "bus"


def test_only_config_reads_the_environment():
    readers = [
        path.name for path in modules() if "environ" in path.read_text() and "os.environ" in path.read_text()
    ]
    assert readers == ["config.py"]


def test_only_transaction_commits():
    found = [path.relative_to(PACKAGE) for path in modules() if "session.commit()" in path.read_text()]
    assert found == [Path("database/__init__.py")]


def test_no_file_is_a_crowd_and_no_name_a_grab_bag():
    for path in modules():
        assert len(path.read_text().splitlines()) <= LONGEST, path
        assert not {path.stem, path.parent.name} & GRAB_BAGS, path


def test_every_path_segment_of_our_own_is_reserved(app):
    """A slug may be a first or a second segment; what the routes say there themselves is taken."""
    for rule in app.url_map.iter_rules():
        for segment in rule.rule.strip("/").split("/")[:2]:
            if segment and not segment.startswith("<"):
                assert segment in RESERVED, rule.rule
