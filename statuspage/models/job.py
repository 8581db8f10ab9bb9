"""Job: what must happen once, on whichever node lives. A node claims it through the database.

No clock but the database's decides who may and when. A claim is a lease: a node that dies loses it when
another one notices, or with the time, and that one begins anew. So work is written in transactions that may
be done again, or that move a mark of their own along.
"""

from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Model, database_time, db, transaction
from .node import Node, silence

LEASE = timedelta(seconds=60)


class Job(Model):
    """`due_at`: when it is to be done next. `claimed_by`: the node that does it, until `claimed_until`."""

    __tablename__ = "job"

    name: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime]
    claimed_by: Mapped[str | None]
    claimed_until: Mapped[datetime | None]


def due(names: list[str]) -> list[str]:
    """Those that somebody should claim now. Asks only."""
    session = db.session()
    moment = database_time(session)
    known = {job.name: job for job in session.scalars(select(Job).where(Job.name.in_(names)))}
    return [name for name in names if name not in known or _is_free(known[name], moment)]


def _is_free(job: Job, moment: datetime) -> bool:
    return job.due_at <= moment and (job.claimed_until is None or job.claimed_until < moment)


def claim(name: str, by: str) -> bool:
    """Whether this node does it now: it is due, and nobody else's claim stands."""
    try:
        with transaction():
            moment = database_time(db.session())
            if db.session.get(Job, name) is None:
                db.session.add(Job(name=name, due_at=moment, claimed_by=by, claimed_until=moment + LEASE))
                return True
            return _take(Job.name == name, Job.due_at <= moment, by=by, moment=moment)
    except IntegrityError:  # another node wrote its first line
        return False


def _take(*where: object, by: str, moment: datetime) -> bool:
    free = or_(Job.claimed_until.is_(None), Job.claimed_until < moment)
    values = {"claimed_by": by, "claimed_until": moment + LEASE}
    return db.session.execute(update(Job).where(*where, free).values(**values)).rowcount == 1  # type: ignore[arg-type, attr-defined]


def free_of_the_dead() -> None:
    """What was claimed by a node that does not live is free. Call it in a transaction()."""
    living = select(Node.id).where(Node.seen_at >= database_time(db.session()) - silence())
    lost = update(Job).where(Job.claimed_by.not_in(living)).values(claimed_by=None, claimed_until=None)
    db.session.execute(lost, execution_options={"synchronize_session": False})


def keep(name: str, by: str) -> bool:
    """Ask for as much time again. False: another node has it by now, so stop. Call it in a transaction()."""
    mine = update(Job).where(Job.name == name, Job.claimed_by == by)
    until = database_time(db.session()) + LEASE
    return db.session.execute(mine.values(claimed_until=until)).rowcount == 1  # type: ignore[attr-defined]


def done(name: str, by: str, every: float) -> None:
    """It is done, and due again in so many seconds; without effect if the claim was lost."""
    with transaction():
        mine = update(Job).where(Job.name == name, Job.claimed_by == by)
        next_time = database_time(db.session()) + timedelta(seconds=every)
        db.session.execute(mine.values(due_at=next_time, claimed_by=None, claimed_until=None))
