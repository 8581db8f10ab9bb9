"""Live: who must see a change. `create()` wires the hub, the dispatcher, the doorbell and the sockets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask
from flask_socketio import SocketIO
from gevent import monkey

from ..database import committed
from . import bus, presence, transport
from .chores import Chores
from .dispatcher import Dispatcher
from .draining import drain
from .hub import Hub
from .ledger import Ledger
from .sockets import Sockets


@dataclass
class Live:
    """This process's live parts, found at `app.extensions["live"]`."""

    build: str
    hub: Hub
    bus: bus.Bus
    dispatcher: Dispatcher
    socketio: SocketIO
    sockets: Sockets
    ledger: Ledger
    elsewhere: presence.Elsewhere

    def rung(self, organization_id: str) -> None:
        """A commit happened in this process."""
        self.bus.ring(organization_id)

    def drain(self) -> None:
        """Before the process stops: let every client go, to other nodes if there are any."""
        drain(self.hub, lambda: presence.is_alone(self.ledger.node))


def create(app: Flask, build: str, node: str, on_first_use: Callable[[], None]) -> Live:
    """`node`: this process's id.

    `on_first_use` is called with the first question to the hub: from then on this process serves.
    """
    config = app.config
    hub = Hub(build=build, push_interval=config["PUSH_INTERVAL"])
    dispatcher = Dispatcher(app, hub, config["HEAD_INTERVAL"])

    bell = bus.create(config["BUS_URL"], config["DATABASE_URL"])
    bell.listen(dispatcher.ring)
    ledger, chores = Ledger(app, hub, node), Chores(app, hub)
    hub.on_enter, hub.on_leave = ledger.came, ledger.went
    hub.on_heard = ledger.heard

    def begin() -> None:
        dispatcher.start()
        bell.start()
        ledger.start()
        chores.start()
        on_first_use()

    hub.on_first_use = begin
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
    sockets = Sockets(app, socketio, hub, config["EVENT_RATE"])
    live = Live(build, hub, bell, dispatcher, socketio, sockets, ledger, presence.Elsewhere(node))
    committed.connect(live.rung)
    app.extensions["live"] = live
    return live
