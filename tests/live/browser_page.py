"""A browser's page in Python: the position rules of docs/protocol.md, on a parsed document."""

import re
from types import SimpleNamespace
from typing import Any

from lxml import html

from statuspage.live import entry
from statuspage.live.audience import Seat
from statuspage.live.hub import Hub
from statuspage.live.message import Cursor, Message
from statuspage.models.access import NOBODY, Proof
from statuspage.models.scope import Scope

GIVE_UP = 5


class Gone(Exception):
    """The page would reload and find an error page."""


class Page:
    """One open page of a scope and view. `inbox` is what was pushed and not yet shown."""

    id = "page"
    transport = "test"
    outlet = SimpleNamespace(wire=None)

    def __init__(self, scope: Scope, view: str, node: Hub, proof: Proof = NOBODY) -> None:
        self.scope, self.view, self.proof = scope, view, proof
        self.inbox: list[dict[str, Any]] = []
        self.shown: list[int] = []  # positions, in the order they were shown
        self.reload(node)
        self.seat: Seat | None = None

    def reload(self, node: Hub) -> None:
        """A fresh load: all parts, born with a position."""
        board = node.channel(self.scope.organization_id).board(self.scope, self.view)
        self.tree = _tree("".join(part.html for part in board.drawing.parts))
        self.cursor = board.cursor
        self.title = board.drawing.title

    # --- being connected ---------------------------------------------------------------------------

    def connect(self, node: Hub) -> None:
        """Leave the node this page is at, and join another with the position it has."""
        self.disconnect()
        self.node, self.seat = node, Seat(self, self.scope, self.view)
        channel = node.channel(self.scope.organization_id)
        self.seat.proof = self.proof
        channel.register(self.seat)
        entry.enter_board(channel, self.seat, self.cursor)

    def disconnect(self) -> None:
        if self.seat:
            self.node.channel(self.scope.organization_id).leave(self.seat)
            self.seat = None

    def deliver(self, message: Message) -> None:
        if message.name == "change":
            self.inbox.append(message.payload)

    def wait_until_drained(self) -> None: ...

    def end(self, reason: str) -> None:
        self.seat = None

    # --- protocol.md, "Position rules" -------------------------------------------------------------

    def receive(self, change: dict[str, Any], node: Hub) -> None:
        """Show a pushed change, ignore it, or ask."""
        cursor = Cursor.parse(change["cursor"])
        assert cursor is not None
        if cursor.epoch == self.cursor.epoch and cursor.seq <= self.cursor.seq:
            return
        since = Cursor.parse(change["since"])
        if since is None:
            self._show(change, node)
        elif cursor.epoch != self.cursor.epoch or since.seq > self.cursor.seq:
            self.ask(node)
        else:
            self._show(change, node)

    def ask(self, node: Hub) -> None:
        """`GET …/changes?cursor=mine`."""
        self._answer(node, self.cursor)

    def _answer(self, node: Hub, cursor: Cursor | None) -> None:
        board = node.channel(self.scope.organization_id).board(self.scope, self.view)
        change = board.change(cursor)
        if change:
            self._show(change, node, asked=True)

    def _show(self, change: dict[str, Any], node: Hub, asked: bool = False) -> None:
        parts = list(_tree(change["html"]))
        if any(self._find(part.get("id")) is None for part in parts):
            assert not (asked and change["since"] is None), "a whole board without targets: the page reloads"
            self._answer(node, None)
            return
        for part in parts:
            target = self._find(part.get("id"))
            part.tail = target.tail
            target.getparent().replace(target, part)
        cursor = Cursor.parse(change["cursor"])
        assert cursor is not None
        if cursor.epoch == self.cursor.epoch and not asked:
            assert cursor.seq > self.cursor.seq, "applied positions rise strictly"
        self.cursor, self.title = cursor, change["title"]

    def _find(self, id: str | None) -> Any:
        return next((node for node in self.tree.iter() if node.get("id") == id), None)

    @property
    def dom(self) -> str:
        """What a visitor sees, without what only differs in spacing."""
        text = html.tostring(self.tree, encoding="unicode")
        return re.sub(r">\s+", ">", re.sub(r"\s+", " ", text)).replace(" <", "<") + self.title


def _tree(markup: str) -> Any:
    return html.fragment_fromstring(markup, create_parent="main")
