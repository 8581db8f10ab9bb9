"""A polling session tries a WebSocket; until that has proved itself, polling goes on."""

import time

from . import frames
from .session import NOOP, Session
from .websocket import WebSocket


class Probe:
    """A WebSocket that a polling session tries: the exchange of the specification's "Upgrade"."""

    def __init__(self, session: Session, socket: WebSocket):
        self.session, self.socket = session, socket
        self.since = time.monotonic()
        self.succeeds = False  # it has proved itself: polling is about to end
        session.probe, socket.owner = self, self

    def take(self, message: str | bytes) -> None:
        session = self.session
        if session.closing or message != ("5" if self.succeeds else "2probe"):
            self.give_up()
        elif self.succeeds:
            session.probe = None
            session.adopt(self.socket)
        else:
            self.succeeds = True
            self.socket.send("3probe")
            if session.polling:
                session.queue.put(NOOP)  # the poll that waits is let go

    def give_up(self) -> None:
        """Polling goes on as before."""
        self.session.probe = self.socket.owner = None
        self.socket.close(frames.PROTOCOL_ERROR)

    def lost(self, why: str) -> None:
        self.session.probe = None
