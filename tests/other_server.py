"""The application under a WSGI server that is not ours, correct but slower, with threads.

`OTHER_SERVER=werkzeug pytest tests/live` (or gunicorn) runs every server of these tests so (tests/server.py).
"""

import ctypes
import gc
import os
import signal

gc.disable()

from flask import Flask  # noqa: E402
from gunicorn.app.base import BaseApplication  # noqa: E402
from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402

from statuspage import create_app, server  # noqa: E402

gc.enable()

THREADS = 200  # each connection that stays open has one


class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # as any server in front of the public speaks

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Ours logs no request either."""


def die_together(_master: object, _worker: object) -> None:
    """A worker whose master is killed would serve on for a while: see prctl(2), PR_SET_PDEATHSIG."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Gunicorn(BaseApplication):
    """One worker, which makes the application."""

    def load_config(self) -> None:
        bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ['PORT']}"
        for name, value in {
            "bind": bind,
            "worker_class": "gthread",
            "threads": THREADS,
            "worker_connections": 1000,
            "graceful_timeout": 1,
            "control_socket_disable": True,
            "post_fork": die_together,
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return create_app()


if __name__ == "__main__":
    app = create_app()
    server.prepare(app)  # before anything listens
    if os.environ["OTHER_SERVER"] == "gunicorn":
        Gunicorn().run()
    host, port = app.config["HOST"], app.config["PORT"]
    make_server(host, port, app, threaded=True, request_handler=Handler).serve_forever()
