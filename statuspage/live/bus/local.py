"""Within this process: a call."""

from collections.abc import Callable

Listener = Callable[[str], None]


class LocalBus:
    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def ring(self, organization_id: str) -> None:
        for listener in self._listeners:
            listener(organization_id)

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def start(self) -> None:
        """Nothing is to be connected."""

    def stop(self) -> None:
        """Nothing was connected."""

    @property
    def age(self) -> float | None:
        return None
