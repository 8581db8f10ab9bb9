"""Figure: what was counted, minute by minute; rolled up into longer spans by one node at a time."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Index, cast, delete, func, insert, literal, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from ..database import Model, database_time, db, transaction
from .batch import adding

ALL = "*"  # in place of a tenant: the whole organization, each connection once
WATCHING = "watching"  # the one figure that is a level, not a count: open connections, once a minute
LENGTHS = {
    "minute": timedelta(minutes=1),
    "quarter-hour": timedelta(minutes=15),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
FINER = {"quarter-hour": "minute", "hour": "quarter-hour", "day": "hour"}
LATE = timedelta(minutes=2)  # a batch is written within seconds of the minute that it names
KEPT = {"minute": timedelta(days=2), "quarter-hour": timedelta(days=8), "hour": timedelta(days=92)}


class Figure(Model):
    """A number of an organization's page (`tenant_id` ""), a tenant's, or the whole organization ("*").

    `value` is the sum over the span, `peak` the most in one minute of it; both over all nodes. Of a
    level (`watching`, and by transport `watching.sse`) the sum divided by the minutes is the average.
    """

    __tablename__ = "figure"

    organization_id: Mapped[str] = mapped_column(primary_key=True)
    span: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)
    peak: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index(None, "span", "at"),)


class Mark(Model):
    """How far a span is rolled up: moved in the transaction that writes its rows."""

    __tablename__ = "mark"

    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


def floor(moment: datetime, span: str) -> datetime:
    """The beginning of the minute, quarter of an hour, hour or day (UTC) that this moment is in."""
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return day + (moment - day) // LENGTHS[span] * LENGTHS[span]


def count(at: datetime, numbers: Mapping[tuple[str, str, str], int]) -> None:
    """Add to the minute `at`: (organization, tenant, name) -> number. One statement, in a transaction()."""
    rows = [
        {
            "span": "minute",
            "at": at,
            "organization_id": organization_id,
            "tenant_id": tenant_id,
            "name": name,
            "value": number,
            "peak": number,
        }
        for (organization_id, tenant_id, name), number in sorted(numbers.items())
    ]
    if rows:
        db.session.execute(adding(Figure, "value", "peak"), rows)


def roll_up(keep: Callable[[], bool]) -> None:
    """A job: each quarter of an hour that is over becomes one row per figure, then each hour and day."""
    for span in FINER:
        while _roll_up_one(span):
            if not keep():
                return
    forget_fine()


def _roll_up_one(span: str) -> bool:
    """The rows and the mark in one transaction: whoever does it again finds the mark moved."""
    session = db.session
    with transaction():
        mark = session.get(Mark, span, with_for_update=True, populate_existing=True)
        first = _first_left(session(), span)
        if first is None:
            return False
        begin = floor(first, span)
        end = begin + LENGTHS[span]
        if end + LATE > database_time(session()):
            return False
        if any(_left_before(session(), finer, end) for finer in list(FINER)[: list(FINER).index(span)]):
            return False
        session.execute(_sums(span, begin, end))
        if mark is None:
            session.add(Mark(name=span, at=end))
        else:
            mark.at = end
        return True


def _first_left(session: Session, span: str) -> datetime | None:
    """When the first row is that was not rolled up to this span."""
    left = (Figure.span == FINER[span]) & (Figure.at >= _mark(session, span))
    return session.scalar(select(func.min(Figure.at)).where(left))


def _left_before(session: Session, span: str, end: datetime) -> bool:
    first = _first_left(session, span)
    return first is not None and first < end


def _sums(span: str, begin: datetime, end: datetime) -> Any:
    table: Any = Figure.__table__
    keys = (table.c.organization_id, table.c.tenant_id, table.c.name)
    first = literal(begin, table.c.at.type)
    sums = (
        select(literal(span), first, *keys, func.sum(table.c.value), func.max(table.c.peak))
        .where(table.c.span == FINER[span], table.c.at >= begin, table.c.at < end)
        .group_by(*keys)
    )
    return insert(table).from_select(["span", "at", *(key.name for key in keys), "value", "peak"], sums)


def _mark(session: Session, span: str) -> datetime:
    """Before this moment the span is whole; the epoch of computers if there is none yet."""
    found = session.scalar(select(Mark.at).where(Mark.name == span))
    return found or datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def pieces(session: Session, organization_id: str, since: datetime, span: str = "minute") -> list[Any]:
    """Conditions on rows from `since` on, the newest first: together they have every minute once.

    What is not rolled up to this span yet is in rows of finer ones.
    """
    spans = list(LENGTHS)[: list(LENGTHS).index(span) + 1]
    begin = since
    found: list[Any] = []
    for name in reversed(spans):
        mine = (Figure.organization_id == organization_id) & (Figure.span == name) & (Figure.at >= begin)
        end = _mark(session, name) if name != "minute" else None
        found.insert(0, mine & (Figure.at < end) if end else mine)
        begin = max(begin, end) if end else begin
    return found


def over_time(session: Session, organization_id: str, since: datetime, span: str, page: str) -> list[Any]:
    """Rows (at, name, value, peak) of a page, or of all ("*") together; of how they connect, always of all.

    `watching` of all has rows of its own: who watches two pages is one connection.
    """
    by_transport = Figure.name.startswith(f"{WATCHING}.", autoescape=True)
    here = (Figure.tenant_id == page) | by_transport
    if page == ALL:
        here = (Figure.tenant_id == ALL) | (Figure.name != WATCHING)
    return _added(session, (Figure.at, Figure.name), pieces(session, organization_id, since, span), here)


def by_page(session: Session, organization_id: str, since: datetime, span: str) -> list[Any]:
    """Rows (tenant_id, name, value, peak) of `watching` and `joins`; those of a page may be several."""
    wanted = Figure.name.in_([WATCHING, "joins"])
    found = pieces(session, organization_id, since, span)
    return _added(session, (Figure.tenant_id, Figure.name), found, wanted)


def _added(session: Session, keys: tuple[Any, ...], pieces: list[Any], wanted: Any) -> list[Any]:
    value = cast(func.sum(Figure.value), BigInteger).label("value")  # PostgreSQL makes it a numeric
    query = select(*keys, value, func.max(Figure.peak).label("peak")).group_by(*keys).where(wanted)
    return [row for piece in pieces for row in session.execute(query.where(piece))]


def forget_fine() -> None:
    """Forget minutes after 2 days, quarters of an hour after 8, hours after 92: once they are rolled up."""
    for coarser, span in FINER.items():
        with transaction():
            over = min(database_time(db.session()) - KEPT[span], _mark(db.session(), coarser))
            db.session.execute(delete(Figure).where(Figure.span == span, Figure.at < over))
