"""User: a person who signs in, or a service user that only holds tokens."""

from base64 import b64encode
from datetime import datetime
from typing import Any, Self

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

from ..clock import now
from ..database import Model, db, new_id
from ..threads import in_a_thread
from .errors import Conflict, Invalid

_hasher = PasswordHasher()  # Argon2id, the library's current recommendation (RFC 9106)
SHORTEST, LONGEST = 10, 200  # characters of a password (NIST SP 800-63B asks for at least 8)


class User(Model):
    """`operator` runs the whole install. A user without `email` is a service user and cannot sign in."""

    __tablename__ = "user_account"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    email: Mapped[str | None] = mapped_column(unique=True)
    password_hash: Mapped[str | None]
    operator: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)

    @classmethod
    def create(
        cls,
        *,
        name: str,
        email: str | None = None,
        operator: bool = False,
        id: str | None = None,
    ) -> Self:
        """A new user. Conflict (field `email`) when somebody has that address."""
        email = email.strip().lower() if email else None
        if email and db.session.scalar(select(cls.id).where(cls.email == email)):
            raise Conflict("Somebody has this e-mail address already.", "email")
        if id and db.session.get(cls, id):
            raise Conflict("This id is taken. Choose another.", "id")
        user = cls(id=id or new_id(), name=name, email=email, operator=operator)
        db.session.add(user)
        db.session.flush()
        return user

    def set_password(self, hash: str) -> None:
        """Take over a hash of hash_password(), which is slow on purpose: make it outside transactions."""
        self.password_hash = hash

    def has_password(self, password: str) -> bool:
        """Slow on purpose: call it outside transactions. No connection is held meanwhile."""
        hash = self.password_hash
        db.session.rollback()
        return in_a_thread(_verify, hash or _nobodys_hash(), password) and bool(hash)

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "email": self.email, "operator": self.operator}


def name_of(id: str | None) -> str:
    """Nothing, for nobody and for whoever is gone."""
    user = db.session.get(User, id) if id else None
    return user.name if user else ""


def find_by_password(email: str, password: str) -> User | None:
    """The user with this e-mail address and password. Takes as long whether or not there is one."""
    user = db.session.scalar(select(User).where(User.email == email.strip().lower())) or User()
    return user if user.has_password(password) else None


def hash_password(password: str) -> str:
    """Argon2id. Slow on purpose: call it outside transactions. Invalid (field `password`) for a weak one."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(f"Choose a password of {SHORTEST} to {LONGEST} characters.", "password")
    return in_a_thread(_hasher.hash, password)  # Argon2 holds no lock there: the others go on


def _verify(hash: str, password: str) -> bool:
    try:
        return _hasher.verify(hash, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def _nobodys_hash() -> str:
    """No password has it, and to find that out takes as long as with a real one."""
    cost = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    salt, tag = (b64encode(bytes(size)).decode().rstrip("=") for size in (_hasher.salt_len, _hasher.hash_len))
    return f"$argon2id$v=19${cost}${salt}${tag}"
