"""Proof and claims: what a client brought is worth, held against what it says it is."""

from dataclasses import replace

from sqlalchemy.orm import Session

from ..models import access, token
from ..models.access import NOBODY, Proof, role_in
from ..models.errors import Refusal
from ..models.role import Role, may
from ..models.scope import Scope
from ..models.session import PREFIX
from ..schemas.live import Authenticate


def proved(
    session: Session, secret: str | None, scope: Scope, cap: Role | None = None
) -> tuple[Proof, Role | None]:
    """What the secret is worth in the scope, at most `cap`; no role where even reading is refused.

    Refusal for a secret that is no good; without one it is a visitor's.
    """
    proof = replace(_proof_of(session, secret), cap=cap)
    role = role_in(session, proof, scope)
    return proof, (None if scope.whole and not may(role, "scope.all") else role)


def claimed(
    session: Session, secret: str | None, scope: Scope, claim: Authenticate
) -> tuple[Proof, Role | None]:
    """As `proved`, lowered to the role that is claimed. Refusal when claim and proof do not fit."""
    proof, role = proved(session, secret, scope)
    if role is None:
        return proof, None
    if claim.user_id and claim.user_id != proof.user_id:
        raise Refusal("Your token does not prove that you are the user you claim to be.")
    if claim.user_role is None:
        return proof, role
    cap = _role(claim.user_role)
    if proof.user_id is None or cap is None or cap.rank > role.rank:
        raise Refusal("You claim a role that you do not have here.")
    return proved(session, secret, scope, cap)


def _proof_of(session: Session, secret: str | None) -> Proof:
    if secret is None:
        return NOBODY
    proof = access.prove(session, secret)
    if proof is None and secret.startswith(PREFIX):
        return NOBODY  # a session that has ended: its browser is a visitor's
    if proof is None:
        raise Refusal("This token is unknown, expired or revoked.")
    if proof.token_id:
        token.last_use.note(proof.token_id)
    return proof


def _role(name: str) -> Role | None:
    return Role(name) if name in list(Role) and name != Role.VISITOR else None
