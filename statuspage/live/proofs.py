"""Proofs: what the tokens that came lately are worth here; a crowd that comes back is not looked up again."""

from collections.abc import Hashable

from ..models.access import Proof
from ..models.role import Role
from ..models.secret import digest

MOST = 5000  # of a channel


class Proofs:
    """Proof and role by what a client brought, as long as nothing changes who has access.

    Whatever takes worth from an organization's token is an access line of that organization's log, or a new
    epoch of it, or the time at which it expires. That is so of no session, whose cookie is replaced
    silently, nor of an operator's token, which may be revoked while an organization is made: none is kept.
    """

    def __init__(self) -> None:
        self._access: Hashable = None  # what it was as of which these are good
        self._kept: dict[Hashable, tuple[Proof, Role]] = {}

    def find(self, access: Hashable, brought: Hashable) -> tuple[Proof, Role] | None:
        return self._kept.get(brought) if access == self._access else None

    def keep(self, access: Hashable, brought: Hashable, proof: Proof, role: Role) -> None:
        if access != self._access:
            self._access, self._kept = access, {}
        while len(self._kept) >= MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[brought] = proof, role


def brought(secret: str | None, *said: Hashable) -> Hashable:
    """What a client brings and says of itself, to be known again by; no secret is kept for that."""
    return (digest(secret), *said) if secret else None
