"""How packets travel: Socket.IO over WebSocket and long-polling, with the faults of the stock stack mended.

It knows nothing of the application: handlers are registered as with any Flask-SocketIO. It is the only place
that depends on inner names of python-engineio, python-socketio, Flask-SocketIO and gevent; the tests'
test_private_names.py lists them, so that an upgrade that renames one fails there.
"""

from flask import Flask
from flask_socketio import SocketIO

from . import traffic
from .encoded import Encoded, encode
from .poller import spread, written
from .process import serve
from .server import Server
from .session import Session

__all__ = ["Encoded", "Session", "create", "encode", "serve", "session", "spread", "unsent", "written"]

PATH = "/socket.io/"


class Transport(SocketIO):
    """Flask-SocketIO on our server; everything else about it is unchanged."""

    def init_app(self, app, **options):
        app.extensions["socketio"] = self
        self.manage_session = options.pop("manage_session")
        self.server = Server(**options)
        self.async_mode = self.server.async_mode
        self.sockio_mw = Door(self.server, app)
        app.wsgi_app = self.sockio_mw


class Door:
    """WSGI: requests under the Socket.IO path go to the engine, all others to the application."""

    def __init__(self, server, app):
        self.server, self.app, self.wsgi_app = server, app, app.wsgi_app

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"].startswith(PATH):
            return self.server.handle_request({**environ, "flask.app": self.app}, start_response)
        return self.wsgi_app(environ, start_response)


def create(
    app: Flask,
    *,
    origins: list[str],
    ping_interval: float = 25,
    ping_timeout: float = 20,
    connect_timeout: float = 45,
    upgrade_timeout: float = 10,
    max_message_bytes: int = 65536,
    max_backlog: int = 2000,
    node: str = "",
    allow_upgrades: bool = True,
    log_traffic: bool = False,
    compression: bool = True,
    async_mode: str = "gevent",
) -> SocketIO:
    """A Flask-SocketIO on `app`; times in seconds.

    `origins` are the foreign origins that may connect, beside the request's own. A session in no namespace
    for `connect_timeout` is closed; a WebSocket that a polling client tries has `upgrade_timeout` to prove
    itself. A client that reads nothing for `ping_timeout`, or has `max_backlog` packets waiting, is cut.
    Session ids begin with `node` and a dot. `compression`: permessage-deflate without a context, so that one
    compressed frame is everybody's. `log_traffic` logs each event's name and size.
    """
    return Transport(
        app,
        async_mode=async_mode,
        manage_session=False,
        async_handlers=False,
        logger=traffic.libraries,
        engineio_logger=traffic.libraries,
        origins=origins,
        ping_interval=ping_interval,
        ping_timeout=ping_timeout,
        patience=ping_timeout,
        connect_timeout=connect_timeout,
        upgrade_timeout=upgrade_timeout,
        max_http_buffer_size=max_message_bytes,
        max_backlog=max_backlog,
        node=node,
        allow_upgrades=allow_upgrades,
        log_traffic=log_traffic,
        compression=compression,
    )


def unsent(socketio: SocketIO) -> int:
    """Messages that wait for their clients: at the connections of our own server, and of those who poll."""
    poller = getattr(getattr(socketio, "wsgi_server", None), "poller", None)
    wires = list(poller.wires.values()) if poller else []
    polling = [found for found in list(socketio.server.eio.sockets.values()) if not found.upgraded]
    return sum(wire.backlog for wire in wires) + sum(found.backlog for found in polling)


def session(socketio: SocketIO, sid: str) -> Session | None:
    """The session of the client with this Socket.IO sid; None when it is gone.

    Its send(), disconnect() and close() never yield; sending to one that has ended does nothing.
    """
    eio_sid = socketio.server.manager.eio_sid_from_sid(sid, "/")
    found: Session | None = socketio.server.eio.sockets.get(eio_sid)
    return found
