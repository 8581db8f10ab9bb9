"""Node: a running process, as the others know it. It lives while it beats, by the database's clock."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from ..database import Model, database_time, db
from .batch import replacing

FORGOTTEN = timedelta(days=1)


def beat_seconds() -> float:
    """Between two beats. SQLite serves one node: it spares the disk."""
    return 10.0 if db.engine.dialect.name == "sqlite" else 2.0


def silence() -> timedelta:
    """After so long without a beat a node is dead."""
    return 3 * timedelta(seconds=beat_seconds())


class Node(Model):
    """`id` is new with every start; `name` stays: the setting NODE, else one made of host and port."""

    __tablename__ = "node"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime] = mapped_column(index=True)


def arrive(id: str, name: str) -> bool:
    """The first beat(), perhaps in place of a node that was killed."""
    silent = beat(id, name)
    forgotten = Node.seen_at < database_time(db.session()) - FORGOTTEN
    db.session.execute(delete(Node).where(Node.id != id, or_(Node.name == name, forgotten)))
    return silent


def beat(id: str, name: str) -> bool:
    """This node lives. Call it in a transaction(). True if the others may have taken it for dead.

    One that has the same name is left alone: two that live must not delete each other, beat by beat.
    """
    last = db.session.scalar(select(Node.seen_at).where(Node.id == id).with_for_update())
    moment = database_time(db.session())  # later than what who held the row went by
    row = {"id": id, "name": name, "started_at": moment, "seen_at": moment}
    db.session.execute(replacing(Node, "seen_at"), row)
    return last is None or last < moment - silence()


def leave(id: str) -> None:
    """It stops, in order: nobody waits for its beats."""
    db.session.execute(delete(Node).where(Node.id == id))


def living(session: Session) -> list[Any]:
    """Rows (id, name) of the nodes that live, the oldest first."""
    since = database_time(session) - silence()
    return list(
        session.execute(select(Node.id, Node.name).where(Node.seen_at >= since).order_by(Node.started_at))
    )
