"""Events as packets that all their receivers share: encoded, framed and compressed once."""

import json
from functools import cached_property, lru_cache
from typing import Any

from engineio import packet as engine_packet
from socketio import packet

from . import frames
from .server import Packet
from .session import shortest

BEGINNINGS = 16  # kept: of messages that are made in one go


class Encoded(engine_packet.Packet):
    """One event; its WebSocket frame is made by the first who takes it."""

    def __init__(self, text: str) -> None:
        super().__init__(engine_packet.MESSAGE, text)

    @cached_property
    def frame(self) -> bytes:
        """As a WebSocket carries it."""
        return frames.frame(self.encode())

    @cached_property
    def deflated(self) -> bytes:
        """The same for a client that can unpack it."""
        return shortest(self.frame, self._pack)

    def _pack(self) -> bytes:
        return frames.deflated(self.encode())


class Variant(Encoded):
    """One of several events with the same beginning, which is encoded and compressed once for all."""

    def __init__(self, beginning: "Beginning", end: str) -> None:
        super().__init__(beginning.text + end)
        self._beginning, self._end = beginning, end

    def _pack(self) -> bytes:
        return frames.deflated_after(self._beginning.block, self._end)


class Beginning:
    """An event without its last fields."""

    def __init__(self, name: str, fields: dict[str, Any]) -> None:
        self.text = f"{packet.EVENT}[{json.dumps(name)},{{{_inside(fields)},"

    @cached_property
    def block(self) -> bytes:
        """Compressed, with the digit of Engine.IO before it."""
        return frames.block(f"{engine_packet.MESSAGE}{self.text}".encode("utf-8", "replace"))


def encode(name: str, payload: dict[str, Any], own: tuple[str, ...] = ()) -> Encoded:
    """The event of namespace "/" as a packet for Session.send().

    `own`: the fields, a few short ones, in which it differs from others that are made in the same go. They
    go last. All others are text, or None.
    """
    if not own:
        return Encoded(Packet(packet.EVENT, data=[name, payload], binary=False).encode())
    common = tuple([(field, payload[field]) for field in payload if field not in own])
    return Variant(_beginning(name, common), _inside({field: payload[field] for field in own}) + "}]")


@lru_cache(BEGINNINGS)
def _beginning(name: str, fields: tuple[tuple[str, str | None], ...]) -> Beginning:
    return Beginning(name, dict(fields))


def _inside(fields: dict[str, Any]) -> str:
    return json.dumps(fields, separators=(",", ":"))[1:-1]
