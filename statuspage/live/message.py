"""A message to many: made once, encoded once for each way it travels."""

import json
from functools import cached_property
from typing import Any, NamedTuple, Self

from . import transport


class Cursor(NamedTuple):
    """A position as it travels: `EPOCH:SEQ`."""

    epoch: str
    seq: int

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """None for anything that is no position (`none`, an empty or a garbled one)."""
        epoch, _, seq = (text or "").partition(":")
        if not epoch or not seq.isascii() or not seq.isdigit() or len(seq) > 18:
            return None
        return cls(epoch, int(seq))

    def __str__(self) -> str:
        return f"{self.epoch}:{self.seq}"


class Message:
    """An event's name and payload, and the position that it takes a client to (SSE's `id:`).

    `own`: the fields in which it differs from others that are made in the same go: see transport.encode().
    """

    def __init__(
        self, name: str, payload: dict[str, Any], cursor: str | None = None, own: tuple[str, ...] = ()
    ) -> None:
        self.name = name
        self.payload = payload
        self.cursor = cursor
        self.own = own

    @cached_property
    def json(self) -> str:
        return json.dumps(self.payload, ensure_ascii=False, separators=(",", ":"))

    @cached_property
    def packet(self) -> transport.Encoded:
        """The Socket.IO packet, shared by all receivers."""
        return transport.encode(self.name, self.payload, self.own)

    @property
    def frame(self) -> bytes:
        """The packet as a WebSocket carries it."""
        return self.packet.frame

    @property
    def deflated(self) -> bytes:
        """The same, compressed."""
        return self.packet.deflated

    @cached_property
    def sse(self) -> bytes:
        """The event of a stream (WHATWG HTML, server-sent events). JSON has no raw newline: one data line."""
        id = f"id: {self.cursor}\n" if self.cursor else ""
        return f"{id}event: {self.name}\ndata: {self.json}\n\n".encode("utf-8", "replace")
