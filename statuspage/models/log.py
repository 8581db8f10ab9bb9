"""Log: the numbered lines of everything that changes in an organization, and how far it is for whom."""

import secrets
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, update
from sqlalchemy.event import listens_for
from sqlalchemy.orm import Mapped, Session, mapped_column

from ..clock import now
from ..database import db
from .event import BROADCAST, DATA_NAMES, Event

if TYPE_CHECKING:
    from .organization import Tenant


def new_epoch() -> str:
    """Names one unbroken life of a log; positions of another epoch mean nothing."""
    return secrets.token_hex(4)


INSERT = insert(Event.__table__)  # type: ignore[arg-type]


@listens_for(db.session, "after_flush")
def _write_lines(session: Session, _context: Any) -> None:
    """Write the lines recorded since the last flush, in one go: behind the rows that they are about."""
    if unwritten := session.info.get("unwritten"):
        session.connection().execute(INSERT, unwritten)
        unwritten.clear()


class Log:
    """Columns and verbs of an Organization.

    `seq` counts its lines; the other counters are the last line of a room.
    own_seq: of its own page (any name) · data_seq: of any room (the three names) · own_data_seq: both ·
    shown_seq: of what pages show (any but broadcasts) · own_shown_seq: of what its own page shows.
    Lines up to `pruned_through` are not to be had any more; up to `epoch_birth` no position is of this epoch.
    """

    if TYPE_CHECKING:
        id: Mapped[str]

    epoch: Mapped[str] = mapped_column(default=new_epoch)
    seq: Mapped[int] = mapped_column(default=0)
    own_seq: Mapped[int] = mapped_column(default=0)
    data_seq: Mapped[int] = mapped_column(default=0)
    own_data_seq: Mapped[int] = mapped_column(default=0)
    shown_seq: Mapped[int] = mapped_column(default=0)
    own_shown_seq: Mapped[int] = mapped_column(default=0)
    pruned_through: Mapped[int] = mapped_column(default=0)
    epoch_birth: Mapped[int] = mapped_column(default=0)

    def record(
        self,
        name: str,
        type: str,
        subject: str,
        data: Any = None,
        *,
        tenant: "Tenant | None" = None,
        broadcast_id: str | None = None,
    ) -> int:
        """Add the next line to the log; its number. Only inside transaction(): the lock makes that right."""
        info = db.session.info
        if not info.get("writing"):
            raise RuntimeError("record() outside transaction()")
        self.seq += 1
        since, since_any = self._advance(name, type, tenant)
        line = {
            "organization_id": self.id,
            "seq": self.seq,
            "since": since,
            "since_any": since_any,
            "tenant_id": tenant.id if tenant else None,
            "name": name,
            "type": type,
            "subject": subject,
            "data": data,
            "broadcast_id": broadcast_id,
            "user_id": info["by"],
            "created_at": now(),
        }
        info["unwritten"].append(line)
        info["recorded"].add(self.id)
        info["lines"].append(f"{self.epoch}:{self.seq}")
        return self.seq

    def _advance(self, name: str, type: str, tenant: "Tenant | None") -> tuple[int, int]:
        """Move the counters to the new line; its `since` and `since_any`: 0, unless data clients get it."""
        if tenant:
            tenant.seq = self.seq
        else:
            self.own_seq = self.seq
        if type != BROADCAST:
            self.shown_seq = self.seq
            if tenant:
                tenant.shown_seq = self.seq
            else:
                self.own_shown_seq = self.seq
        if name not in DATA_NAMES:
            return 0, 0
        since_any, self.data_seq = self.data_seq, self.seq
        if tenant:
            since, tenant.data_seq = tenant.data_seq, self.seq
        else:
            since, self.own_data_seq = self.own_data_seq, self.seq
        return since, since_any

    def renew_epoch(self) -> None:
        """Start a new life of the log: no old cursor, and no guessed one, reads what was before."""
        self.epoch = new_epoch()
        self.pruned_through = self.epoch_birth = self.seq

    def prune(self, through: int) -> None:
        """Forget the lines up to `through`; cursors before it are told to read the state again."""
        through = min(through, self.seq)
        db.session.execute(delete(Event).where(Event.organization_id == self.id, Event.seq <= through))
        self.pruned_through = max(self.pruned_through, through)  # of an earlier life there may be lines left

    def blank(self, subject: str) -> None:
        """Take the text out of a subject's older lines: it was edited or deleted."""
        db.session.flush()
        db.session.execute(
            update(Event)
            .where(Event.organization_id == self.id, Event.subject == subject, Event.seq <= self.seq)
            .values(data={"id": subject})
        )
