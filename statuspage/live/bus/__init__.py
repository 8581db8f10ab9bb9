"""The doorbell: tells every process that an organization's log has grown. Content-free, may get lost.

A lost ring costs a quarter of a second: the dispatcher also looks by itself.
"""

from collections.abc import Callable


class LocalBus:
    """Within this process: a call."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[str], None]] = []

    def ring(self, organization_id: str) -> None:
        for listener in self._listeners:
            listener(organization_id)

    def listen(self, listener: Callable[[str], None]) -> None:
        self._listeners.append(listener)
