"""User: a person who signs in, or a service user that only holds tokens."""

from datetime import datetime
from typing import Any, Self

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

from ..clock import now
from ..database import Model, db, new_id
from .errors import Conflict

_hasher = PasswordHasher()  # Argon2id, the library's current recommendation (RFC 9106)


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
        password: str | None = None,
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
        if password:
            user.password_hash = _hasher.hash(password)
        db.session.add(user)
        db.session.flush()
        return user

    def has_password(self, password: str) -> bool:
        """Slow on purpose: call it outside transactions."""
        try:
            return bool(self.password_hash) and _hasher.verify(self.password_hash or "", password)
        except (VerifyMismatchError, InvalidHashError):
            return False

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "email": self.email, "operator": self.operator}
