"""The real server as a process of its own: as `python app.py`, on a free port, with a private folder."""

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import time
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import psycopg
from flask import Flask

from statuspage import config, create_app
from statuspage.database import db, new_id
from tests.fork_server import FORKS, Forked, fork

COMMAND = ["-m", "tests.other_server"] if "OTHER_SERVER" in os.environ else ["app.py"]
OTHER_DATABASE = "OTHER_DATABASE"  # in the environment: the PostgreSQL that all servers of the tests use
START_SECONDS = 60.0
COMMAND_SECONDS = 30.0
STOP_SECONDS = 30.0  # a crowd leaves over five of them, who writes may wait for sixteen: as deploy/ has it


class Server:
    """Start it, ask it, kill it, start it again on the same port and data. Also a context manager.

    `settings` are those of statuspage/config.py; without any it is the demo. `around` is what else its
    environment has.
    """

    command_line = COMMAND

    def __init__(self, folder: Path, around: dict[str, str] | None = None, **settings: str) -> None:
        self.folder = folder
        self._around = around or {}
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._settings = settings
        self._process: subprocess.Popen | Forked | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        """The demo's: user-123, admin of org-456."""
        return json.loads((self.folder / "demo.json").read_text())["token"]

    @property
    def password(self) -> str:
        """The demo's: robin@example.org signs in with it."""
        return json.loads((self.folder / "demo.json").read_text())["password"]

    @property
    def log(self) -> str:
        """All that it ever said, over all its lives."""
        return self._log_file.read_text(errors="replace")

    @property
    def pid(self) -> int:
        assert self._process, "The server does not run."
        return self._process.pid

    @property
    def environ(self) -> dict[str, str]:
        """What another process needs to work on the same data."""
        own = {setting.name for setting in config.SETTINGS}
        place = {"INSTANCE_PATH": str(self.folder), "PORT": str(self.port)}
        settings = {**place, **self._other_database, **self._settings}
        return {name: text for name, text in os.environ.items() if name not in own} | settings

    @cached_property
    def _other_database(self) -> dict[str, str]:
        server = os.environ.get(OTHER_DATABASE)
        if server is None or "DATABASE_URL" in self._settings:
            return {}
        demo = {} if "SECRET_KEY" in self._settings else {"DEMO": "1"}  # that it would be without an address
        return {"DATABASE_URL": new_postgres_database(server, f"server-{new_id()}"), **demo}

    def start(self) -> Self:
        """Return when it answers."""
        if FORKS and self.command_line == ["app.py"] and not self._around:
            self._process = fork(self.environ, self._log_file)
        else:
            with self._log_file.open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, *self.command_line],
                    cwd=config.ROOT,
                    env=self.environ | self._around,
                    stdout=log,
                    stderr=log,
                )
        try:
            self._wait_until_it_listens()
        except BaseException:
            self.kill()
            raise
        return self

    def kill(self) -> None:
        """As a power cut would: kill -9."""
        assert self._process, "The server does not run."
        self._process.kill()
        self._process.wait(STOP_SECONDS)
        self._process = None

    def stop(self) -> None:
        """Ask it to end (SIGTERM), and see that it does. It may be down already."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        finally:
            self.kill()

    def command(self, *words: str) -> str:
        """Run `flask --app app …` in another process, on the same data; what it says."""
        return subprocess.run(
            [sys.executable, "-m", "flask", "--app", "app", *words],
            cwd=config.ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            check=True,
            timeout=COMMAND_SECONDS,
        ).stdout.strip()

    @cached_property
    def app(self) -> Flask:
        """An application of this process on the same data: whoever writes through it is another node."""
        app = create_app(config.read(self.environ))
        app.extensions["live"].hub.on_first_use = lambda: None  # it writes; nobody listens here
        return app

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: Any) -> None:
        self.stop()
        if "app" in vars(self):
            with self.app.app_context():
                db.engine.dispose()

    @property
    def _log_file(self) -> Path:
        return self.folder / "server.log"

    def _wait_until_it_listens(self) -> None:
        assert self._process
        deadline = time.monotonic() + START_SECONDS
        while not _answers(self.port):
            assert self._process.poll() is None, f"The server ended:\n{self.log}"
            assert time.monotonic() < deadline, f"The server does not answer:\n{self.log}"
            time.sleep(0.02)


def free_port() -> int:
    """A free port below those that outgoing connections are given, so that none takes it meanwhile."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def new_postgres_database(server: str, name: str) -> str:
    """The URL of a new database of this PostgreSQL."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    head, separator, query = server.partition("?")
    return head.rsplit("/", 1)[0] + f"/{name}" + separator + query
