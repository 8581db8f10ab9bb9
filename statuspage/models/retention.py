"""Retention: what is forgotten with time, in small steps. A job does it on one node: see jobs.py.

A client that comes with a position from before what is kept is told to read the state again (`reset`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, or_, select, tuple_

from ..database import Gone, database_time, db, give_back_space, let_go, transaction
from . import batch, event, idempotency, session
from .batch import Batch, of_nobody
from .connection import Connection
from .figure import LENGTHS, Figure
from .idempotency import IdempotentRequest
from .incident import MessageEdit
from .invitation import Invitation
from .organization import Organization
from .reach import Reach
from .session import UserSession
from .usage import Usage

EVERY = 3600.0  # seconds
STEP = 500  # rows in one transaction


@dataclass(frozen=True)
class Passing:
    """Rows of a model that are `over(before)` go. `before` is so many days ago as `setting` says, or now."""

    model: Any
    over: Callable[[datetime], ColumnElement[bool]]
    setting: str | None = None


PASSING = (
    Passing(
        UserSession,
        lambda before: or_(UserSession.expires_at < before, UserSession.seen_at < before - session.IDLE),
    ),
    Passing(Invitation, lambda before: Invitation.expires_at < before),
    Passing(IdempotentRequest, lambda before: IdempotentRequest.created_at < before - idempotency.KEPT),
    Passing(Batch, lambda before: Batch.at < before - batch.KEPT),
    Passing(MessageEdit, lambda before: MessageEdit.edited_at < before, "EVENT_DAYS"),
    Passing(Connection, lambda before: Connection.until < before, "CONNECTION_DAYS"),
    Passing(Reach, lambda before: Reach.at < before, "ANALYTICS_DAYS"),
    Passing(Usage, lambda before: Usage.at < before, "ANALYTICS_DAYS"),
    Passing(Figure, lambda before: Figure.span.in_(LENGTHS) & (Figure.at < before), "ANALYTICS_DAYS"),
    *(Passing(model, of_nobody(model)) for model in (Connection, Reach, Usage, Figure)),
)
"""All that is pruned, beside the log itself: a table that grows has its line here.

Consumers stay: one that comes back after its lines are gone must be told so. They are few: consumer.MOST.
"""


def pruning(settings: Mapping[str, Any]) -> Callable[[Callable[[], bool]], None]:
    """The job that forgets, with these settings. A setting of 0 days keeps its rows for ever."""

    def run(keep: Callable[[], bool]) -> None:
        for _ in _steps(settings):
            if not keep():
                return

    return run


def _steps(settings: Mapping[str, Any]) -> Iterator[None]:
    """Each is a transaction of its own."""
    moment = database_time(db.session())
    for passing in PASSING:
        days = settings.get(passing.setting, 0) if passing.setting else None
        if days != 0:
            before = moment - timedelta(days=days or 0)
            while _forget(passing, before):
                yield
    if settings["EVENT_DAYS"]:
        before = moment - timedelta(days=settings["EVENT_DAYS"])
        for id in db.session.scalars(select(Organization.id).order_by(Organization.id)).all():
            while _forget_lines(id, before):
                yield
    while give_back_space():
        yield


def _forget(passing: Passing, before: datetime) -> bool:
    """Some of those that are over, but none that somebody else is at. True if there may be more."""
    key = tuple_(*passing.model.__table__.primary_key)
    some = select(*passing.model.__table__.primary_key).where(passing.over(before)).limit(STEP)
    with transaction():
        found = delete(passing.model).where(key.in_(some.with_for_update(skip_locked=True)))
        done = db.session.execute(found, execution_options={"synchronize_session": False})
    return done.rowcount == STEP  # type: ignore[attr-defined]


def _forget_lines(organization_id: str, before: datetime) -> bool:
    """The oldest lines of an organization's log. True if there may be more."""
    organization = db.session.get(Organization, organization_id)
    if organization is None or not event.old_lines(organization_id, before, 1):
        let_go()
        return False
    try:
        with transaction(organization):
            old = event.old_lines(organization_id, before, STEP)
            if old:  # else another node was here meanwhile
                organization.prune(old[-1])
    except Gone:
        return False
    return len(old) == STEP
