"""From a configured app to a listening server: migrations, demo data, what to print, serve."""

import logging
import sys

import flask_migrate
from flask import Flask

from . import demo
from .live import transport


def main(app: Flask) -> None:
    """Bring the database up to date, fill the demo, say where to look, and serve until told to stop."""
    logging.basicConfig(
        level=app.config["LOG_LEVEL"], format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for noisy in ("alembic", "engineio", "socketio", "markdown_it"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    with app.app_context():
        flask_migrate.upgrade()
        if app.config["DEMO"]:
            demo.fill(app.config["DEMO_SECRETS"]["token"])
    host, port = app.config["HOST"], app.config["PORT"]
    print(demo.welcome(app, port) if app.config["DEMO"] else f"Serving on http://{host}:{port}", flush=True)
    try:
        transport.serve(app, app.extensions["live"].socketio, host, port)
    except OSError as error:
        sys.exit(f"Cannot listen on {host}:{port}: {error.strerror or error}. Set PORT to a free one.")
