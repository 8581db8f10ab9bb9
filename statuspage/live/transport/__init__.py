"""How packets travel: Socket.IO over WebSocket and long-polling, with the faults of the stock stack mended.

It knows nothing of the application: handlers are registered as with any Flask-SocketIO. It is the only place
that depends on inner names of python-engineio, python-socketio, Flask-SocketIO and gevent;
`PRIVATE` in tests/live/test_transport.py lists them, so that an upgrade that renames one fails there.
"""

from engineio import packet as engine_packet
from flask import Flask
from flask_socketio import SocketIO
from socketio import packet

from . import traffic
from .engine import Engine
from .process import serve
from .server import Packet, Server

__all__ = ["Encoded", "backlog", "create", "disconnect", "encode", "name_of", "send", "serve"]

PATH = "/socket.io/"


class Encoded(engine_packet.Packet):
    """One event as the packet that all receivers share; its WebSocket frame is made once, by the first."""

    def __init__(self, name: str, payload: dict):
        text = Packet(packet.EVENT, data=[name, payload], binary=False).encode()
        super().__init__(engine_packet.MESSAGE, text)


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
    max_message_bytes: int = 65536,
    max_backlog: int = 2000,
    node: str = "",
    allow_upgrades: bool = True,
    log_traffic: bool = False,
    async_mode: str = "gevent",
) -> SocketIO:
    """A Flask-SocketIO on `app`; times in seconds.

    `origins` are the foreign origins that may connect, beside the request's own. A session in no namespace
    for `connect_timeout` is closed, as is a client that reads nothing for `ping_timeout` or has `max_backlog`
    packets waiting. Session ids begin with `node` and a dot. `log_traffic` logs each event's name and size.
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
        max_http_buffer_size=max_message_bytes,
        max_backlog=max_backlog,
        node=node,
        allow_upgrades=allow_upgrades,
        log_traffic=log_traffic,
    )


def encode(name: str, payload: dict) -> Encoded:
    """The event of namespace "/" as a packet for send(); encoded once, whoever receives it."""
    return Encoded(name, payload)


def send(socketio: SocketIO, sid: str, encoded: Encoded) -> None:
    """Queue the event to the client with this Socket.IO sid, without yielding; silent when it is gone.

    A client with `max_backlog` packets waiting is closed instead (disconnect reason "too slow").
    """
    session = _session(socketio, sid)
    if session:
        session.send(encoded)


def disconnect(socketio: SocketIO, sid: str) -> None:
    """End the client with this Socket.IO sid now, without yielding; silent when it is gone.

    It is sent a Socket.IO DISCONNECT (so it does not come back by itself) and nothing queued later; its
    disconnect handler runs right after, beside the caller.
    """
    session = _session(socketio, sid)
    if session:
        session.send(engine_packet.Packet(engine_packet.MESSAGE, Packet(packet.DISCONNECT).encode()))
        session.close(wait=False, reason=Engine.reason.SERVER_DISCONNECT, linger=True)


def backlog(socketio: SocketIO, sid: str) -> int:
    """How many packets wait for the client with this Socket.IO sid; 0 when it is gone."""
    session = _session(socketio, sid)
    return session.queue.qsize() if session else 0


def name_of(socketio: SocketIO, sid: str) -> str:
    """The transport of the client with this Socket.IO sid: websocket or polling; empty when it is gone."""
    session = _session(socketio, sid)
    if session is None:
        return ""
    return "websocket" if session.upgraded else "polling"


def _session(socketio, sid):
    eio_sid = socketio.server.manager.eio_sid_from_sid(sid, "/")
    return socketio.server.eio.sockets.get(eio_sid)
