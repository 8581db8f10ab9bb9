"""README and docs: the examples run as they stand, the tables say what the code says, the links lead on.

Blocks marked `bash` are run in order, one shell per document, against a fresh demo; `js` and `python` ones,
and `curl -sN`, are programs that listen, while a service changes. A block of `json` or `text` after one of
them is what it answers, where `…` stands for anything. Blocks marked `sh` are for a machine of your own.
"""

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask

from statuspage import create_app
from statuspage.config import ROOT, SETTINGS
from statuspage.database import db, transaction
from statuspage.demo import welcome
from statuspage.live import sockets
from statuspage.models.event import DATA_NAMES
from statuspage.models.service import Service
from statuspage.models.status import ServiceStatus
from statuspage.schemas import live as shapes
from statuspage.web.api.endpoint import ENDPOINTS
from statuspage.web.api.openapi import REFUSALS
from tests.live.listener import NodeListener
from tests.server import Server

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DEADLINE = 30.0  # seconds; only a failing test waits so long
BLOCK = re.compile(r"^```\w+\n.*?^```$", re.MULTILINE | re.DOTALL)
EXAMPLE = re.compile(
    r"^```(bash|js|python)\n(.*?)^```$(?:\n\n^```(json|text)\n(.*?)^```$)?", re.MULTILINE | re.DOTALL
)
PROGRAMS = {"js": ["node", "--input-type=module"], "python": [sys.executable, "-"], "bash": ["bash", "-s"]}
SERVICE = "service-1"


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def read(name: str) -> str:
    return (ROOT / name).read_text()


def tables(name: str) -> list[dict[str, str]]:
    """Every row of every table of a document, by the words of its table's first line."""
    rows, heads = [], []
    for line in read(name).splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if not cells:
            heads = []
        elif not heads:
            heads = cells
        elif not line.startswith("|---"):
            rows.append(dict(zip(heads, cells, strict=True)))
    return rows


def names_in(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# --- the examples ----------------------------------------------------------------------------------


@dataclass
class Example:
    """A block to run, and what it answers, if the document says so."""

    language: str
    text: str
    answer_language: str
    answer: str

    @property
    def listens(self) -> bool:
        return self.language != "bash" or "curl -sN" in self.text

    @property
    def first(self) -> str:
        """What it prints as soon as it listens."""
        return self.answer.splitlines()[0]

    @property
    def resumes(self) -> bool:
        """It says its first line again, when it comes back."""
        return self.listens and self.answer.splitlines().count(self.first) > 1

    @property
    def status(self) -> str:
        """The service's status that its answer speaks of."""
        spoken = [status for status in ServiceStatus if status in self.answer]
        return spoken[0] if spoken else ServiceStatus.MAJOR_OUTAGE


def examples(path: Path) -> Iterator[Example]:
    for block in EXAMPLE.findall(path.read_text()):
        yield Example(*block)


@dataclass
class Shell:
    """Where the examples of one document run: variables live on from block to block."""

    server: Server
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.environ = self.server.environ

    def localised(self, text: str) -> str:
        """The text with the places of this test instead of a reader's."""
        text = text.replace("localhost:5000", f"localhost:{self.server.port}")
        text = text.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
        return text.replace(" instance/", f" {self.server.folder}/")

    def run(self, text: str) -> str:
        """What the block prints. It must end well."""
        kept = self.server.folder / "environ"
        script = f"set -aeuo pipefail\n{self.localised(text)}\nenv -0 > {shlex.quote(str(kept))}"
        ended = subprocess.run(
            ["bash", "-c", script],
            cwd=ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=2 * DEADLINE,
        )
        assert ended.returncode == 0, f"{text}\n{ended.stdout}\n{ended.stderr}"
        self.environ = dict(pair.split("=", 1) for pair in kept.read_text().split("\0") if pair)
        return ended.stdout

    def start(self, language: str, text: str) -> "Program":
        return Program(PROGRAMS[language], self.localised(text), self.environ)


class Program:
    """A program that listens, and what it printed so far."""

    def __init__(self, command: list[str], text: str, environ: dict[str, str]) -> None:
        self.printed = ""
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._process.stdin.write(text)
        self._process.stdin.close()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout:
            with self._changed:
                self.printed += line
                self._changed.notify_all()

    def expect(self, answer: str) -> None:
        """Wait until what it printed begins like this."""
        with self._changed:
            met = self._changed.wait_for(lambda: as_shown(answer).match(self.printed), DEADLINE)
        assert met, f"expected:\n{answer}\nprinted:\n{self.printed}"

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: Any) -> None:
        os.killpg(self._process.pid, 9)  # with the curl that a shell started
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()


def as_shown(answer: str) -> re.Pattern[str]:
    """Text in which `…` stands for anything on its line, and alone on a line for any lines."""
    lines = [re.escape(line).replace("…", ".*") + "\n" for line in answer.splitlines()]
    return re.compile("".join(r"(?:.*\n)*" if line == ".*\n" else line for line in lines))


def is_like(shown: Any, real: Any) -> bool:
    """JSON in which `"…"` stands for any value, and `"…": "…"` for further keys."""
    if shown == "…":
        return True
    if isinstance(shown, dict) and isinstance(real, dict):
        named = shown.keys() - {"…"}
        complete = named == real.keys() if "…" not in shown else named <= real.keys()
        return complete and all(is_like(shown[key], real[key]) for key in named)
    if isinstance(shown, list) and isinstance(real, list):
        return len(shown) == len(real) and all(map(is_like, shown, real))
    return shown == real


def change(server: Server, status: str) -> None:
    """Set the service's status, as a process of its own would."""
    with server.app.app_context():
        service = db.session.get(Service, SERVICE)
        with transaction(service.organization):
            service.update(own_status=status)
        db.session.remove()


def calm(server: Server) -> None:
    """All is well, and the server has heard so: whoever listens later does not hear of it."""
    change(server, ServiceStatus.OPERATIONAL)
    with server.app.app_context():
        organization = db.session.get(Service, SERVICE).organization
        last = f"{organization.epoch}:{organization.seq}"
        db.session.remove()
    url, deadline = f"{server.url}/api/status?organizationId=org-456", time.monotonic() + DEADLINE
    while requests.get(url, timeout=DEADLINE).json()["cursor"] != last:
        assert time.monotonic() < deadline, "it did not hear of it"


def listen(shell: Shell, *programs: Example, away: bool = False) -> None:
    """Change the service while these programs listen, or while the server they listened to is away."""
    if not programs:
        return
    calm(shell.server)
    with ExitStack() as stack:
        running = [stack.enter_context(shell.start(each.language, each.text)) for each in programs]
        for program, example in zip(running, programs, strict=True):
            program.expect(example.first)
        if away:
            shell.server.stop()
        change(shell.server, programs[0].status)
        if away:
            shell.server.start()
        for program, example in zip(running, programs, strict=True):
            program.expect(example.answer)


@contextmanager
def demo(folder: Path, head_interval: str) -> Iterator[Server]:
    with Server(folder, HEAD_INTERVAL=head_interval) as server:
        yield server
        with server.app.app_context():
            db.engine.dispose()


@pytest.fixture
def fresh(tmp_path) -> Iterator[Server]:
    """A demo that nobody changed."""
    with demo(tmp_path / "instance", head_interval="1") as server:
        yield server


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Iterator[Server]:
    """A demo whose services may show anything. What listens to it hears no second head."""
    with demo(tmp_path_factory.mktemp("docs") / "instance", head_interval="100") as server:
        yield server


def run_examples(path: Path, server: Server) -> None:
    shell, runnable = Shell(server), list(examples(path))
    for example in runnable:
        if example.listens:
            listen(shell, *([] if example.resumes else [example]))
            continue
        printed = shell.run(example.text)
        if example.answer_language == "json":
            assert is_like(json.loads(example.answer), json.loads(printed)), f"{example.text}\n{printed}"
        elif example.answer:
            assert as_shown(example.answer).fullmatch(printed.replace("\r", "")), printed
        else:
            assert "about:blank" not in printed, f"{example.text}\n{printed}"  # no refusal
    listen(shell, *(example for example in runnable if example.resumes), away=True)
    assert "Traceback" not in server.log


@pytest.mark.parametrize("name", ["README.md", "docs/api.md"])
def test_examples_run_as_they_stand(fresh, name):
    run_examples(ROOT / name, fresh)


@pytest.mark.parametrize("name", ["docs/embed.md", "docs/operating.md", "docs/protocol.md"])
def test_examples_run_on_a_demo_in_use(shared, name):
    run_examples(ROOT / name, shared)


def test_no_example_is_left_out():
    runnable = {name_of(path) for path in DOCUMENTS if any(examples(path))}
    assert runnable == {
        "README.md",
        "docs/api.md",
        "docs/embed.md",
        "docs/operating.md",
        "docs/protocol.md",
    }


def test_the_demo_prints_what_works(shared):
    printed = welcome(shared.app, shared.port)
    assert printed in shared.log
    commands, script = printed[printed.index("# Create a service") :].split("// Listen from JavaScript")
    pages = re.findall(r"http://\S+/acme\S*", printed)
    assert [requests.get(page, timeout=DEADLINE).status_code for page in pages] == [200, 200]
    shell = Shell(shared)
    calm(shared)
    with shell.start("js", f"//{script}") as listener:
        until(lambda: connections(shared) == 1)
        answers = shell.run(commands)
        listener.expect("Service updated: {\n…\n  name: 'Test Service',\n…\n}\n")
        listener.expect("…\nService updated: {\n…\n  name: 'API',\n…\n  ownStatus: 'major_outage',\n…\n}\n")
    assert '"name":"Test Service"' in answers
    assert '"status":"major_outage"' in answers


def connections(server: Server) -> int:
    url, headers = f"{server.url}/api/websocket/info", {"Authorization": f"Bearer {server.token}"}
    answer = requests.get(url, {"organizationId": "org-456"}, headers=headers, timeout=DEADLINE)
    return answer.json()["connections"]


def until(met: Any) -> None:
    deadline = time.monotonic() + DEADLINE
    while not met():
        assert time.monotonic() < deadline, inspect.getsource(met)


# --- what the code says ----------------------------------------------------------------------------


@pytest.fixture
def app(settings_for) -> Flask:
    """The application as it is wired, without a database."""
    return create_app(settings_for("sqlite:////no/database.db"))


def default_of(setting: Any) -> str:
    if setting.name == "INSTANCE_PATH":
        return "`instance`"
    text = ",".join(setting.default) if isinstance(setting.default, list) else setting.default
    text = int(text) if isinstance(text, bool) else text
    return "" if text in ("", None) else f"`{text:g}`" if isinstance(text, float) else f"`{text}`"


def test_every_setting_is_in_the_table_as_the_code_has_it():
    expected = [f"| `{each.name}` | {default_of(each)} | {each.meaning} |" for each in SETTINGS]
    rows = [line for line in read("docs/operating.md").splitlines() if re.match(r"\| `[A-Z0-9_]+` \| ", line)]
    assert rows == expected, "\n".join(["The table should be:", *expected])


def test_the_readme_names_only_settings_that_there_are():
    named = {name for row in tables("README.md") for name in names_in(row["Name"])}
    assert named < {setting.name for setting in SETTINGS}


def usage(noun: str, verb: str, command: Any) -> str:
    """`noun verb ARGUMENT --required [--option]`"""
    arguments = [each.name.upper() for each in command.params if each.param_type_name == "argument"]
    options = [
        each.opts[0] if each.required else f"[{each.opts[0]}]"
        for each in command.params
        if each.param_type_name == "option"
    ]
    return " ".join([f"{noun} {verb}".rstrip(), *sorted(arguments), *sorted(options)])


def test_every_command_is_documented_with_its_arguments(app):
    ours = {
        usage(noun, verb, command)
        for noun, group in app.cli.commands.items()
        if type(group).__module__ == "statuspage.cli.noun"
        for verb, command in getattr(group, "commands", {"": group}).items()
    }
    documented = [
        names_in(row["Command"])[0].split() for row in tables("docs/operating.md") if "Command" in row
    ]
    assert {" ".join([*words[:2], *sorted(words[2:])]) for words in documented} == ours | {"db upgrade"}


def test_every_route_of_the_api_is_documented():
    heads = {"GET": "GET", "POST": "POST", "PUT": "PUT, PATCH", "PATCH": "PUT, PATCH", "DELETE": "DELETE"}
    documented = {
        (names_in(row["Path"])[0], column)
        for row in tables("docs/api.md")
        if "Path" in row
        for column in heads.values()
        if row[column]
    }
    routes = {
        ("/api" + re.sub(r"<(\w+)>", r"{\1}", each.path), heads[method])
        for each in ENDPOINTS
        for method in each.methods
    }
    assert documented == routes


def test_every_refusal_of_the_api_is_documented():
    assert {int(row["Status"]) for row in tables("docs/api.md") if "Status" in row} == set(REFUSALS)


CLIENT_EVENTS = {
    "authenticate": shapes.Authenticate,
    "join-organization": shapes.Join,
    "leave-organization": shapes.Leave,
    "ack": shapes.Ack,
    "ping": shapes.Ping,
}


def documented_events(column: str) -> dict[str, list[str]]:
    rows = [row for row in tables("docs/protocol.md") if column in row]
    return {names_in(row["Event"])[0]: names_in(row["Fields"]) for row in rows}


def test_every_event_of_a_client_is_documented_with_its_fields(app):
    handled = app.extensions["live"].socketio.server.handlers["/"].keys() - {
        "connect",
        "disconnect",
        "*",
    }
    assert handled == CLIENT_EVENTS.keys()
    documented = documented_events("Answer")
    assert documented.keys() == CLIENT_EVENTS.keys()
    for event, shape in CLIENT_EVENTS.items():
        fields = [each.alias + ("" if each.is_required() else "?") for each in shape.model_fields.values()]
        assert sorted(documented[event]) == sorted(fields), event


def test_every_event_of_the_server_is_documented():
    code = "\n".join(path.read_text() for path in Path(inspect.getfile(sockets)).parent.glob("*.py"))
    said = {*re.findall(r'Message\(\s*"([a-z-]+)"', code), *DATA_NAMES, "authentication-error"}
    assert documented_events("When").keys() == said


def test_events_have_the_documented_fields_on_the_wire(fresh):
    client, page = NodeListener(fresh.url, "websocket", fresh.token), NodeListener(fresh.url, "polling")
    begun = client.ask("authenticate", {"organizationId": "org-456", "consumerId": "tests"})
    client.ask("ack", {"id": begun["cursor"]})
    client.ask("authenticate", {"organizationId": "no-such"})
    client.ask("leave-organization", {"organizationId": "org-456"})
    client.ask("ping", {})
    client.ask("no-such-event", {})
    client.join("org-456", cursor="of-another-epoch:1")
    page.join("org-456", view="page")
    change(fresh, ServiceStatus.MAJOR_OUTAGE)
    incidents = f"{fresh.url}/api/incidents"
    found = requests.get(incidents, {"organizationId": "org-456", "status": "open"}, timeout=DEADLINE).json()
    requests.post(
        f"{incidents}/{found['items'][0]['id']}/updates",
        headers={"Authorization": f"Bearer {fresh.token}"},
        json={"status": "monitoring", "message": "Mended."},
        timeout=DEADLINE,
    ).raise_for_status()
    documented = documented_events("When")
    for event in documented.keys() - {"drain", "change"}:
        client.expect(event, DEADLINE)
    page.expect("change", DEADLINE)
    fresh.stop()
    client.expect("drain", DEADLINE)
    client.close()
    page.close()
    for event, payload in [*client.heard, *page.heard]:
        assert event in {*documented, "connect", "disconnect", "(answer)"}
        assert event not in documented or list(payload) == documented[event], event


def test_every_browser_library_has_a_reason():
    package = json.loads(read("package.json"))
    named = [names_in(row["Package"])[0] for row in tables("docs/dependencies.md")]
    assert named == [*package["dependencies"], *package["devDependencies"]]


# --- links -----------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub and its like make them."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)]+)\)", BLOCK.sub("", path.read_text())):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.is_relative_to(ROOT), target
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_every_document_is_linked_from_the_readme():
    for path in DOCUMENTS[1:]:
        assert f"]({name_of(path)})" in read("README.md")
