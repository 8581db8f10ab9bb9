"""Live: who must see a change. `create()` wires the hub, the dispatcher, the doorbell and the sockets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask
from flask_socketio import SocketIO
from gevent import monkey

from ..database import committed
from . import transport
from .bus import LocalBus
from .dispatcher import Dispatcher
from .hub import Hub
from .sockets import Sockets


@dataclass
class Live:
    """This process's live parts, found at `app.extensions["live"]`."""

    build: str
    hub: Hub
    bus: LocalBus
    dispatcher: Dispatcher
    socketio: SocketIO
    sockets: Sockets

    def rung(self, organization_id: str) -> None:
        """A commit happened in this process."""
        self.bus.ring(organization_id)


def create(app: Flask, build: str, on_first_use: Callable[[], None]) -> Live:
    """`on_first_use` is called with the first question to the hub: from then on this process serves."""
    config = app.config
    hub = Hub(build=build, push_interval=config["PUSH_INTERVAL"])
    dispatcher = Dispatcher(app, hub, config["HEAD_INTERVAL"])

    def begin() -> None:
        dispatcher.start()
        on_first_use()

    hub.on_first_use = begin
    bus = LocalBus()
    bus.listen(dispatcher.ring)
    socketio = transport.create(
        app,
        origins=config["ORIGINS"],
        ping_interval=config["PING_INTERVAL"],
        ping_timeout=config["PING_TIMEOUT"],
        node=config["NODE"],
        log_traffic=config["LOG_LEVEL"] == "DEBUG",
        compression=config["COMPRESSION"],
        async_mode="gevent" if monkey.is_module_patched("threading") else "threading",
    )
    live = Live(build, hub, bus, dispatcher, socketio, Sockets(app, socketio, hub, config["EVENT_RATE"]))
    committed.connect(live.rung)
    app.extensions["live"] = live
    return live
