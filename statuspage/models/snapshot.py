"""Snapshot: a page that stands as plain files outside, so that it is there when no node is.

A row is written before the first file of its page, and goes together with the last. Whoever takes a page from
the public holds the table alone, from before the files go until that is committed; whoever writes files holds
the page's row, the very one that was there before he drew them. So no file comes back.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, UniqueConstraint, and_, case, delete, literal, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Model, alone, database_time, db, may_take_long, new_id
from .organization import Organization, Tenant
from .scope import Scope
from .status import Visibility

START = ("", "")  # whose page is the start page


class Snapshot(Model):
    """`path`: where the page is, `/acme/north`. `stamp`: the position that the files show, "" while there are
    none. `tenant_id` is "" for the organization's own page, and both ids are for the start page, `/`.
    """

    __tablename__ = "snapshot"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[str]
    tenant_id: Mapped[str]
    path: Mapped[str]
    stamp: Mapped[str] = mapped_column(default="")
    build: Mapped[str] = mapped_column(default="")
    written_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("organization_id", "tenant_id"),)

    @property
    def place(self) -> "Place":
        return Place(self.organization_id, self.tenant_id, self.path)


@dataclass(frozen=True, slots=True)
class Place:
    """A page that has files: whose it is, and where."""

    organization_id: str
    tenant_id: str
    path: str

    @property
    def scope(self) -> Scope:
        return Scope(self.organization_id, self.tenant_id or None)


def due(build: str, before: datetime) -> list[tuple[Place, str | None]]:
    """The public pages whose files are not of now and of this build, or older than `before`, the start page
    last; each with its row's id, or None when it has no row yet."""
    found = [
        (Place(organization, tenant, f"/{slug}/{tenant_slug}" if tenant else f"/{slug}"), id)
        for organization, tenant, slug, tenant_slug, id in (
            *db.session.execute(_due(_OWN, build, before)),
            *db.session.execute(_due(_TENANTS, build, before)),
        )
    ]
    start = find(*START)
    if start is None or start.stamp != start_stamp() or start.build != build or _is_old(start, before):
        found.append((Place(*START, ""), start.id if start else None))
    return found


def left_over() -> list[Place]:
    """Pages that have files and are not public there any more: their organization came from a backup."""
    public = {tuple(row) for pages, _ in (_OWN, _TENANTS) for row in db.session.execute(pages)}
    there = {
        (organization, tenant): f"/{slug}/{sub}" if tenant else f"/{slug}"
        for organization, tenant, slug, sub, _ in public
    }
    return [
        place
        for place in places()
        if place.path and there.get((place.organization_id, place.tenant_id)) != place.path
    ]


def start_stamp() -> str:
    """What the start page shows: the public organizations, and the position of one that is alone."""
    o = Organization
    rows = db.session.execute(
        select(o.id, o.slug, o.name, o.epoch, o.own_seq)
        .where(o.visibility == Visibility.PUBLIC.value)
        .order_by(o.id)
    ).all()
    shown = [tuple(row) for row in rows] if len(rows) == 1 else [tuple(row[:3]) for row in rows]
    return sha256(repr(shown).encode()).hexdigest()


def find(organization_id: str, tenant_id: str) -> Snapshot | None:
    return db.session.scalar(select(Snapshot).where(_of(organization_id, tenant_id)))


def begin(place: Place) -> str:
    """From now on there may be files of the page; the id of its row. Call it in a transaction()."""
    row = Snapshot(
        id=new_id(), organization_id=place.organization_id, tenant_id=place.tenant_id, path=place.path
    )
    db.session.add(row)
    return row.id


def hold(id: str) -> Snapshot | None:
    """The row, kept as it is until the transaction() ends; None when its page was taken away meanwhile."""
    may_take_long()
    return db.session.scalar(select(Snapshot).where(Snapshot.id == id).with_for_update())


def take_away(organization_id: str, tenant_id: str | None) -> list[Place]:
    """The pages of an organization, or of one of its tenants, whose files must go now; their rows go.

    With an organization's pages the start page, which names it. Call it in a transaction().
    """
    _take_turn()
    mine = Snapshot.organization_id == organization_id
    wanted = and_(mine, Snapshot.tenant_id == tenant_id) if tenant_id else or_(mine, _of(*START))
    places = [row.place for row in db.session.scalars(select(Snapshot).where(wanted))]
    db.session.execute(delete(Snapshot).where(wanted))
    return places


def take_all_away() -> None:
    """All rows go. Call it in a transaction()."""
    _take_turn()
    db.session.execute(delete(Snapshot))


def _take_turn() -> None:
    """Nobody else writes files until this transaction ends."""
    alone(Snapshot)
    may_take_long()


def places() -> Iterator[Place]:
    """All pages that may have files."""
    for row in db.session.scalars(select(Snapshot)):
        yield row.place


def now_written(row: Snapshot, stamp: str, build: str) -> None:
    """Its files show this position. Call it in the transaction() that holds the row."""
    row.stamp, row.build, row.written_at = stamp, build, database_time(db.session())


def _of(organization_id: str, tenant_id: str) -> ColumnElement[bool]:
    return and_(Snapshot.organization_id == organization_id, Snapshot.tenant_id == tenant_id)


def _is_old(row: Snapshot, before: datetime) -> bool:
    return row.written_at is None or row.written_at < before


_PUBLIC = Organization.visibility == Visibility.PUBLIC.value
_POSITION = case((Tenant.seq > Organization.own_seq, Tenant.seq), else_=Organization.own_seq)
_OWN = (
    select(Organization.id, literal(""), Organization.slug, literal(""), Snapshot.id)
    .outerjoin(Snapshot, and_(Snapshot.organization_id == Organization.id, Snapshot.tenant_id == ""))
    .where(_PUBLIC),
    Organization.own_seq,
)
_TENANTS = (
    select(Organization.id, Tenant.id, Organization.slug, Tenant.slug, Snapshot.id)
    .join(Tenant, Tenant.organization_id == Organization.id)
    .outerjoin(Snapshot, and_(Snapshot.organization_id == Organization.id, Snapshot.tenant_id == Tenant.id))
    .where(_PUBLIC, Tenant.visibility == Visibility.PUBLIC.value),
    _POSITION,
)


def _due(pages: tuple[Any, Any], build: str, before: datetime) -> Any:
    """Compared with State.cursor() of the page: `EPOCH:SEQ`."""
    public, position = pages
    of_now = Organization.epoch + ":" + db.cast(position, db.String)
    return public.where(
        or_(
            Snapshot.id.is_(None),
            Snapshot.stamp != of_now,
            Snapshot.build != build,
            Snapshot.written_at < before,
        )
    ).order_by(Organization.id)
