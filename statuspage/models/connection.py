"""Connection: who listened to what, from when to when. Written in batches, forgotten after some days."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, bindparam, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from ..database import Model, database_time, db, transaction
from .batch import replacing
from .node import Node, living, silence


class Ending(StrEnum):
    """How a connection ended."""

    LEFT = "left"  # the client closed it, or went elsewhere
    LOST = "lost"  # it answered no more
    SLOW = "too slow"
    REFUSED = "access ended"
    STOPPED = "server stopped"
    NODE_LOST = "node lost"


class Connection(Model):
    """A connection's seat in one scope and view. `until` is null while it lasts.

    `id` is the clientId that the client was told; it may take several seats, each with its own `since`.
    `user_id` and `role` as they were proved (a visitor has neither user nor address: `visitor` is a hash
    of it with a salt that is forgotten with the day). Transport `poll` stands here only while it waits.
    """

    __tablename__ = "connection"

    id: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[datetime] = mapped_column(primary_key=True)
    organization_id: Mapped[str]
    tenant_id: Mapped[str | None]
    whole: Mapped[bool]
    view: Mapped[str]
    transport: Mapped[str]
    user_id: Mapped[str | None]
    role: Mapped[str]
    visitor: Mapped[str | None]
    node: Mapped[str]
    until: Mapped[datetime | None]
    ended: Mapped[str | None]

    __table_args__ = (Index(None, "organization_id", "until"), Index(None, "until", "node"))


SHOWN = (
    Connection.id,
    Connection.since,
    Connection.organization_id,
    Connection.tenant_id,
    Connection.whole,
    Connection.view,
    Connection.transport,
    Connection.user_id,
    Connection.role,
    Connection.node,
)


TABLE: Any = Connection.__table__
THIS = (TABLE.c.id == bindparam("key")) & (TABLE.c.since == bindparam("start"))
ENDS = ("until", "ended", "transport")  # what is known at the end: many clients begin with another transport


def write(began: Sequence[dict[str, Any]], ended: Sequence[dict[str, Any]]) -> None:
    """Rows that began, as their columns, and the ends of others: `key`, `start`, and ENDS.

    Two statements, however many they are. Call it in a transaction(); to do it again does no harm.
    """
    if began:
        db.session.execute(replacing(Connection, *ENDS), began)
    if ended:
        ends = update(TABLE).where(THIS).values({name: bindparam(name) for name in ENDS})
        db.session.connection().execute(ends, ended)


def drop(keys: Sequence[dict[str, Any]]) -> None:
    """Forget these (`key`, `start`): held polls that were answered. Call it in a transaction()."""
    if keys:
        db.session.connection().execute(delete(TABLE).where(THIS), keys)


def lasting(session: Session, nodes: Sequence[str], organization_id: str | None = None) -> list[Any]:
    """What lasts on these nodes, the oldest first; of one organization, or of all. Rows, not objects."""
    query = select(*SHOWN).where(Connection.until.is_(None), Connection.node.in_(nodes))
    if organization_id is not None:
        query = query.where(Connection.organization_id == organization_id)
    return list(session.execute(query.order_by(Connection.since))) if nodes else []


def end_others(node: str, here: Collection[tuple[str, datetime]], until: datetime) -> None:
    """What lasts on this node and is none of these (id, since) has ended. Call it in a transaction()."""
    lasts = select(Connection.id, Connection.since).where(Connection.until.is_(None), Connection.node == node)
    others = {tuple(row) for row in db.session.execute(lasts)}.difference(here)
    if others:
        ends = update(TABLE).where(THIS).values(until=until, ended=Ending.LOST.value)
        keys = [{"key": id, "start": since} for id, since in others]
        db.session.connection().execute(ends, keys)


def revive(node: str) -> None:
    """This node was taken for dead and lives: what it holds lasts. Call it in a transaction()."""
    lately = Connection.until > database_time(db.session()) - timedelta(days=1)
    lost = lately & (Connection.node == node) & (Connection.ended == Ending.NODE_LOST.value)
    db.session.execute(update(Connection).where(lost).values(until=None, ended=None))


def end_of_the_dead(keep: Callable[[], bool]) -> None:
    """A job: what dead nodes held ended with their last beat, as far as anybody knows it."""
    with transaction():
        alive = [id for id, _ in living(db.session())]
        ghosts = Connection.until.is_(None) & Connection.node.not_in(alive)
        nodes = db.session.scalars(select(Connection.node).where(ghosts).distinct()).all()
    for node in nodes:
        if not keep():
            return
        with transaction():
            _end_of(node)


def _end_of(node: str) -> None:
    """The newest sign of life: its beat, else (another took its place) the newest row it wrote."""
    beat = db.session.scalar(select(Node.seen_at).where(Node.id == node).with_for_update())  # it may return
    if beat and beat >= database_time(db.session()) - silence():
        return  # it lives again
    last = db.session.scalar(
        select(func.max(func.coalesce(Connection.until, Connection.since))).where(Connection.node == node)
    )
    seen = beat or last
    lasts = Connection.until.is_(None) & (Connection.node == node)
    values = {"until": seen, "ended": Ending.NODE_LOST.value}
    db.session.execute(update(Connection).where(lasts, Connection.since <= seen).values(**values))
    db.session.execute(update(Connection).where(lasts).values(**values | {"until": Connection.since}))
