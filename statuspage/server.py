"""From a configured app to a listening server: migrations, demo data, what to print, serve."""

import fcntl
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import flask_migrate
from flask import Flask
from sqlalchemy.exc import OperationalError

from . import backup, demo, logs
from .database import LOCK_SECONDS, db
from .live import transport
from .live.draining import DRAIN_SECONDS
from .web import setup, templating
from .web.heads import Heads

NOTICE = DRAIN_SECONDS + 2.0  # seconds: the clients leave, then the database hears of it
# Who writes may wait for its turn so long, and is answered. With what is queued, and the goodbyes of a crowd,
# that is half a minute at most; deploy/ lets a node have 40 seconds.
GRACE = LOCK_SECONDS + 1.0


def main(app: Flask) -> None:
    """Bring the database up to date, fill the demo, say where to look, and serve until told to stop."""
    host, port = app.config["HOST"], app.config["PORT"]
    with _address(host, port):  # before anything is promised
        _try_to_bind(host, port)
    prepare(app)
    print(demo.welcome(app, port) if app.config["DEMO"] else greeting(app, host, port), flush=True)
    with _address(host, port):
        live, jobs = app.extensions["live"], app.extensions["jobs"]
        jobs.start()
        heads = Heads(app.extensions["page_cache"], app.config["PROXIES"])

        def before_stop() -> None:
            with app.app_context():
                live.drain()
            jobs.stop()  # last: to the other nodes who is still here is here

        transport.serve(
            app,
            live.socketio,
            host,
            port,
            before_stop=before_stop,
            notice=NOTICE,
            grace=GRACE,
            answer=heads.answer,
        )
        live.ledger.close()


def greeting(app: Flask, host: str, port: int) -> str:
    """Where it listens; as long as nobody can sign in, also where and with which code to begin."""
    with app.app_context():
        due = setup.is_due()
        db.session.remove()
    site = app.config["PUBLIC_URL"] or f"http://localhost:{port}"
    begin = f"Begin at {site}/setup?code={setup.code(app)}" if due else ""
    return f"Serving on http://{host}:{port}\n{begin}".rstrip()


@contextmanager
def _address(host: str, port: int) -> Iterator[None]:
    """An address that is taken, or not ours to have, ends the process with a sentence."""
    try:
        yield
    except OSError as error:
        number = error.errno or 0  # a name that does not resolve has one below 0
        reason = os.strerror(number) if number > 0 else error.strerror
        sys.exit(f"Cannot listen on {host}:{port}: {reason}. Set HOST and PORT to what is free.")


def _try_to_bind(host: str, port: int) -> None:
    """Without listening, so that nobody takes this for the server."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def prepare(app: Flask) -> None:
    """What comes before serving: the log, the database brought up to date, the demo filled."""
    logs.set_up(app.config["LOG_LEVEL"], app.config["LOG_FORMAT"], app.config["NODE"])
    for noisy in ("alembic", "engineio", "socketio", "markdown_it"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    backup.forget_killed(Path(app.config["INSTANCE_PATH"]))
    try:
        with _one_at_a_time(app.config["INSTANCE_PATH"]), app.app_context():
            flask_migrate.upgrade()
            if app.config["DEMO"]:
                demo.fill(app.config["DEMO_SECRETS"]["token"], app.config["DEMO_SECRETS"]["password"])
            templating.load_all(app)
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        sys.exit(f"Cannot use the database of DATABASE_URL: {reason}.")


@contextmanager
def _one_at_a_time(folder: str) -> Iterator[None]:
    """Processes that start together on the same folder take turns."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
