"""Snapshot: a page that stands as plain files outside, so that it is there when no node is.

A row names every file of its page before it is there, and goes together with the last. Whoever takes a page
from the public holds the table alone, from before the files go until that is committed; whoever writes files
holds the page's row, the very one that was there before he drew them, and takes back what he put there when
his hold was lost. So no file comes back.
"""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import JSON, ColumnElement, UniqueConstraint, and_, case, delete, literal, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Model, alone, database_time, db, may_take_long, new_id
from .organization import Organization, Tenant
from .scope import Scope
from .status import Visibility

START = ("", "")  # whose page is the start page
SITE = ("", "site")  # whose files belong to no page: style sheets, scripts


class Snapshot(Model):
    """`path`: where the page is, `/acme/north`. `stamp`: the position that all files show, "" while
    some do not. `files`: the version of each that may be there, by name, "" where none tells it is of now.
    `tenant_id` is "" for the organization's own page; START and SITE have no path.
    """

    __tablename__ = "snapshot"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[str]
    tenant_id: Mapped[str]
    path: Mapped[str]
    stamp: Mapped[str] = mapped_column(default="")
    build: Mapped[str] = mapped_column(default="")
    files: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
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
    """What has files that are not of now and of this build, or older than `before`: the site, organizations,
    tenants, those first that waited longest, and the start page. Each with its row's id, or None.
    """
    site = find(*SITE)
    found: list[tuple[Place, str | None]] = []
    if site is None or site.stamp != build:
        found.append((Place(*SITE, ""), site.id if site else None))
    found += [
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
    s = Snapshot
    known = [Place(*row) for row in db.session.execute(select(s.organization_id, s.tenant_id, s.path))]
    return [
        place
        for place in known
        if place.path and there.get((place.organization_id, place.tenant_id)) != place.path
    ]


def start_stamp() -> str:
    """What the start page shows: the public organizations, and the position of one that is alone."""
    o = Organization
    rows = db.session.execute(
        select(o.id, o.slug, o.name, o.epoch, o.own_shown_seq)
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


def files_of(id: str) -> dict[str, str] | None:
    """Every file that may be there, and its version; None when the row is gone."""
    return db.session.scalar(select(Snapshot.files).where(Snapshot.id == id))


def announce(id: str, had: Mapping[str, str], names: Iterable[str]) -> dict[str, str] | None:
    """These files may be there too from now on; all files, or None when the row is another than was seen.

    Call it in a transaction().
    """
    row = hold(id)
    if row is None or row.files != had:
        return None
    row.files = dict.fromkeys(names, "") | dict(had)
    return row.files


def hold(id: str) -> Snapshot | None:
    """The row, kept as it is until the transaction() ends; None when its page was taken away meanwhile."""
    may_take_long()
    return db.session.scalar(select(Snapshot).where(Snapshot.id == id).with_for_update())


def still_held() -> None:
    """Raises when the database has given this transaction up, and with it whatever it held."""
    db.session.execute(select(literal(1)))


def take_away(organization_id: str, tenant_id: str | None) -> list[str]:
    """The files of an organization's pages, or of one tenant's, which must go now; their rows go.

    With an organization's pages the start page, which names it. Call it in a transaction().
    """
    _take_turn()
    mine = Snapshot.organization_id == organization_id
    wanted = and_(mine, Snapshot.tenant_id == tenant_id) if tenant_id else or_(mine, _of(*START))
    names = [name for files in db.session.scalars(select(Snapshot.files).where(wanted)) for name in files]
    db.session.execute(delete(Snapshot).where(wanted))
    return names


def take_out(organization_id: str, tenant_id: str | None, is_gone: Callable[[str], bool]) -> list[str]:
    """Those files that must go now, though their pages stay: of all pages that show this scope.

    Who is drawing such a page begins again. Call it in a transaction().
    """
    _take_turn()
    mine = Snapshot.organization_id == organization_id
    wanted = and_(mine, Snapshot.tenant_id == tenant_id) if tenant_id else mine
    gone: list[str] = []
    for row in db.session.scalars(select(Snapshot).where(wanted)):
        names = [name for name in row.files if is_gone(name)]
        if names:
            gone += names
            row.id, row.stamp = new_id(), ""
            row.files = {name: version for name, version in row.files.items() if name not in names}
    return gone


def take_all_away() -> None:
    """All rows go. Call it in a transaction()."""
    _take_turn()
    db.session.execute(delete(Snapshot))


def compare(found: Set[str]) -> set[str]:
    """Which of these files no row knew just now: ask unknown(). A row that knows of others is due.

    It goes on knowing them, for they may have come since these were found. Call it in a transaction().
    """
    known: set[str] = set()
    for row in db.session.scalars(select(Snapshot).with_for_update()):
        known |= row.files.keys()
        missing = row.files.keys() - found
        if missing:
            _doubt(row, missing)
    return set(found - known)


def unknown(names: Set[str]) -> list[str]:
    """Which of these files no row knows; a row that knows some is due, for they may not be of now.

    Nobody else writes files until the transaction() ends in which it is called.
    """
    _take_turn()
    known: set[str] = set()
    for row in db.session.scalars(select(Snapshot)):
        mine = row.files.keys() & names
        if mine:
            known |= mine
            _doubt(row, mine)
    return sorted(names - known)


def _doubt(row: Snapshot, names: Set[str]) -> None:
    row.stamp = ""
    row.files = {name: "" if name in names else version for name, version in row.files.items()}


def _take_turn() -> None:
    """Nobody else writes files until this transaction ends."""
    alone(Snapshot)
    may_take_long()


def now_written(row: Snapshot, stamp: str, build: str, files: Mapping[str, str]) -> None:
    """Its files are these, and show this position. Call it in the transaction() that holds the row."""
    row.stamp, row.build, row.files = stamp, build, dict(files)
    row.written_at = database_time(db.session())


def _of(organization_id: str, tenant_id: str) -> ColumnElement[bool]:
    return and_(Snapshot.organization_id == organization_id, Snapshot.tenant_id == tenant_id)


def _is_old(row: Snapshot, before: datetime) -> bool:
    return row.written_at is None or row.written_at < before


_PUBLIC = Organization.visibility == Visibility.PUBLIC.value
_POSITION = case(
    (Tenant.shown_seq > Organization.own_shown_seq, Tenant.shown_seq), else_=Organization.own_shown_seq
)
_OWN = (
    select(Organization.id, literal(""), Organization.slug, literal(""), Snapshot.id)
    .outerjoin(Snapshot, and_(Snapshot.organization_id == Organization.id, Snapshot.tenant_id == ""))
    .where(_PUBLIC),
    Organization.own_shown_seq,
)
_TENANTS = (
    select(Organization.id, Tenant.id, Organization.slug, Tenant.slug, Snapshot.id)
    .join(Tenant, Tenant.organization_id == Organization.id)
    .outerjoin(Snapshot, and_(Snapshot.organization_id == Organization.id, Snapshot.tenant_id == Tenant.id))
    .where(_PUBLIC, Tenant.visibility == Visibility.PUBLIC.value),
    _POSITION,
)


def _due(pages: tuple[Any, Any], build: str, before: datetime) -> Any:
    """Compared with State.shown_cursor() of the page: `EPOCH:SEQ`."""
    public, position = pages
    of_now = Organization.epoch + ":" + db.cast(position, db.String)
    return public.where(
        or_(
            Snapshot.id.is_(None),
            Snapshot.stamp != of_now,
            Snapshot.build != build,
            Snapshot.written_at < before,
        )
    ).order_by(Snapshot.written_at.is_not(None), Snapshot.written_at, Organization.id)
