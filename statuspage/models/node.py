"""Node: a running process, as the others know it. It lives while it beats, by the database's clock."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from ..database import Model, database_time, db

FORGOTTEN = timedelta(days=1)


def beat_seconds() -> float:
    """Between two beats; after three without one a node is dead. SQLite serves one: it spares the disk."""
    return 60.0 if db.engine.dialect.name == "sqlite" else 4.0


class Node(Model):
    """`id` is new with every start; `name` is the setting NODE, or "" where there is but one."""

    __tablename__ = "node"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime] = mapped_column(index=True)


def beat(id: str, name: str) -> bool:
    """This node lives. Call it in a transaction(). True if the others may have taken it for dead."""
    moment = database_time(db.session())
    node = db.session.get(Node, id)
    if node is None:  # it begins, perhaps in place of one that was killed
        gone = or_(Node.name == name, Node.seen_at < moment - FORGOTTEN)
        db.session.execute(delete(Node).where(gone))
        db.session.add(Node(id=id, name=name, started_at=moment, seen_at=moment))
        return True
    late = node.seen_at < moment - 3 * timedelta(seconds=beat_seconds())
    node.seen_at = moment
    return late


def leave(id: str) -> None:
    """It stops, in order: nobody waits for its beats."""
    db.session.execute(delete(Node).where(Node.id == id))


def living(session: Session) -> list[Any]:
    """Rows (id, name) of the nodes that live, the oldest first."""
    since = database_time(session) - 3 * timedelta(seconds=beat_seconds())
    return list(
        session.execute(select(Node.id, Node.name).where(Node.seen_at >= since).order_by(Node.started_at))
    )
