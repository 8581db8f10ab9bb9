"""A writer that is killed (kill -9) after so many steps: a process of its own, by fork, for each try.

    python -m tests.snapshots.killed_writer FOLDER      (settings from the environment)

Before each try a service changes. After it, `check` looks at what is there; after the last, which nobody
kills, at whether everything is of now.
"""

import json
import os
import re
import signal
import sys
from pathlib import Path
from xml.etree import ElementTree

from flask import Flask

from statuspage import create_app
from statuspage.database import db, transaction
from statuspage.models import snapshot
from statuspage.models.service import Service
from statuspage.models.status import ServiceStatus
from statuspage.snapshots.store import Folder

STATUSES = (ServiceStatus.DEGRADED, ServiceStatus.OPERATIONAL)


def main(folder: Path) -> None:
    app = create_app()
    tries, whole = 0, False
    while not whole:
        _in_a_process(lambda n=tries: _change(app, n))
        whole = not _in_a_process(lambda n=tries: _write(app, kill_after=n))
        check_files(folder / "site")
        tries += 1
    _in_a_process(lambda: _check_that_all_is_of_now(app, folder / "site"))
    print(tries)


def _in_a_process(work) -> bool:
    """Whether it was killed."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status)
    assert killed or os.WEXITSTATUS(status) == 0
    return killed


def _change(app: Flask, number: int) -> None:
    with app.app_context():
        for service in db.session.query(Service).filter_by(tenant_id=None):
            with transaction(service.organization):
                service.update(own_status=STATUSES[number % 2])


def _write(app: Flask, kill_after: int) -> None:
    steps = iter(range(kill_after, -1, -1))

    def stepping(done):
        def step(*words, **more):
            if next(steps) == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return done(*words, **more)

        return step

    snapshot.begin, snapshot.now_written = stepping(snapshot.begin), stepping(snapshot.now_written)
    snapshot.hold, snapshot.announce = stepping(snapshot.hold), stepping(snapshot.announce)
    for name in ("prepare", "publish", "discard", "remove"):
        setattr(Folder, name, stepping(getattr(Folder, name)))
    replace = os.replace
    counted = stepping(replace)
    os.replace = lambda source, target: (replace if "static" in str(target) else counted)(source, target)
    live = app.extensions["live"]
    live.hub.on_first_use = lambda: None
    with app.app_context():
        app.extensions["snapshot_writer"].run(lambda: True)


def check_files(site: Path) -> None:
    """Each is whole."""
    assert [file for file in site.rglob("*") if file.is_file() and not is_whole(file)] == []


def is_whole(file: Path) -> bool:
    text = file.read_text(errors="replace")
    try:
        if file.suffix == ".json":
            return "asOf" in json.loads(text) or file.name == "openapi.json"
        if file.suffix in (".atom", ".svg"):
            ElementTree.fromstring(text.encode())
        return file.suffix != ".html" or text.rstrip().endswith("</html>")
    except (ValueError, ElementTree.ParseError):
        return False


def _check_that_all_is_of_now(app: Flask, site: Path) -> None:
    live = app.extensions["live"]
    live.hub.on_first_use = lambda: None
    with app.app_context():
        assert snapshot.due(live.build, snapshot.database_time(db.session()).replace(year=2000)) == []
    client = app.test_client()
    for path in ("/acme", "/acme/north", "/globex", "/acme/history"):
        found = client.get(path)
        if found.status_code == 200:
            (cursor,) = re.findall(r'data-cursor="(.*?)"', (site / f"{path[1:]}.html").read_text())
            assert f'data-cursor="{cursor}"' in found.text, path


if __name__ == "__main__":
    main(Path(sys.argv[1]))
