"""The doorbell: tells every process that an organization's log has grown. Content-free, may get lost.

A lost ring costs a quarter of a second: the dispatcher also looks by itself.
"""

from typing import Protocol

from .local import Listener, LocalBus
from .remote import RemoteBus


class Bus(Protocol):
    """`ring` never blocks and never fails; who listens is called for rings of every process."""

    def ring(self, organization_id: str) -> None: ...

    def listen(self, listener: Listener) -> None: ...

    def start(self) -> None:
        """Connect; called once, when this process begins to serve."""

    def stop(self) -> None: ...

    @property
    def age(self) -> float | None:
        """Seconds since it was last heard to work; None when nothing lies between processes."""


def create(url: str, database_url: str) -> Bus:
    """By the setting BUS_URL: empty, `postgres` (the database's own), or `redis://…`, `rediss://…`."""
    if not url:
        return LocalBus()
    if url == "postgres":
        from .postgres import PostgresLink

        return RemoteBus(lambda: PostgresLink(database_url))
    from .redis import RedisLink

    return RemoteBus(lambda: RedisLink(url))
