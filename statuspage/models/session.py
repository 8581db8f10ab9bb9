"""UserSession: somebody signed in with a browser. Only a hash of what the cookie says is kept."""

from datetime import datetime, timedelta
from typing import Self

from sqlalchemy import ForeignKey, delete, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from ..clock import now
from ..database import Model, db, new_id
from .event import ACCESS
from .membership import organizations_of
from .secret import digest, new_secret
from .user import User

COOKIE = "signed-in"
PREFIX = "ss_"
LIFETIME = timedelta(days=30)  # without a sign-in, however much it is used
IDLE = timedelta(days=7)  # without a request
ROTATED_EVERY = timedelta(hours=24)
GRACE = timedelta(minutes=1)  # for requests that are under way while a secret is replaced
SEEN_EVERY = timedelta(minutes=5)  # how exactly `seen_at` is kept
LONGEST_AGENT = 200  # characters of a browser's description


class UserSession(Model):
    """Ended by signing out, here or elsewhere, by a new password, or by time. Its row is deleted then.

    What time ended is deleted when its user signs in again.
    """

    __tablename__ = "user_session"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"), index=True)
    hash: Mapped[str] = mapped_column(unique=True)
    previous_hash: Mapped[str | None] = mapped_column(unique=True)
    rotated_at: Mapped[datetime] = mapped_column(default=now)
    created_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    agent: Mapped[str] = mapped_column(default="")

    user: Mapped[User] = relationship()

    @classmethod
    def begin(cls, user: User, agent: str = "") -> tuple[Self, str]:
        """A new session and the secret for its cookie."""
        ended = or_(cls.expires_at <= now(), cls.seen_at <= now() - IDLE)
        db.session.execute(delete(cls).where(cls.user_id == user.id, ended))
        secret = new_secret(PREFIX)
        begun = cls(
            id=new_id(),
            user_id=user.id,
            hash=digest(secret),
            expires_at=now() + LIFETIME,
            agent=agent[:LONGEST_AGENT],
        )
        db.session.add(begun)
        db.session.flush()
        return begun, secret

    @property
    def ends_at(self) -> datetime:
        """When it ends if it is not used again."""
        return min(self.expires_at, self.seen_at + IDLE)

    @property
    def usable(self) -> bool:
        return self.ends_at > now()

    @property
    def needs_note(self) -> bool:
        """Whether note_use() has more to write down than what it wrote a moment ago."""
        settled = self.previous_hash is None or self.rotated_at > now() - GRACE
        return self.seen_at < now() - SEEN_EVERY or self.rotated_at < now() - ROTATED_EVERY or not settled

    def note_use(self, secret: str) -> str | None:
        """Remember that it was used, with this secret. One a day old is replaced: the new one is returned.

        The one before it stays good until the new one has come back: answers are lost on bad lines. If it is
        still the old one that comes, it is replaced once more.
        """
        self.seen_at = now()
        if self.rotated_at > now() - GRACE:
            return None
        if digest(secret) == self.hash:
            self.previous_hash = None
            if self.rotated_at > now() - ROTATED_EVERY:
                return None
            self.previous_hash = self.hash
        new = new_secret(PREFIX)
        self.hash, self.rotated_at = digest(new), now()
        return new

    def end(self) -> None:
        """Sign out. Every connection that it opened ends within a second.

        Only inside a transaction of organizations_of(user).
        """
        user = self.user
        db.session.delete(self)
        db.session.flush()
        for organization in organizations_of(user):
            organization.record(ACCESS, "signed-out", user.id)


def find(session: Session, secret: str) -> UserSession | None:
    """The usable session behind a cookie's secret, or behind the one before it: see note_use()."""
    hash = digest(secret)
    found = session.scalar(
        select(UserSession).where(or_(UserSession.hash == hash, UserSession.previous_hash == hash))
    )
    return found if found and found.usable else None


def change_password(user: User, hash: str) -> None:
    """The user has another password, see hash_password(), and every session from before it ends.

    Only inside a transaction of organizations_of(user).
    """
    user.set_password(hash)
    db.session.execute(delete(UserSession).where(UserSession.user_id == user.id))
    for organization in organizations_of(user):
        organization.record(ACCESS, "password-changed", user.id)


def sessions_of(user: User) -> list[UserSession]:
    """Where the user is signed in, the latest first."""
    rows = db.session.scalars(
        select(UserSession).where(UserSession.user_id == user.id).order_by(UserSession.seen_at.desc())
    )
    return [row for row in rows if row.usable]
