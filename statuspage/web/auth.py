"""Who is asking: by the token in a header or the cookie of a session, and what that may do in a scope."""

from flask import g, request

from ..database import db
from ..models import token
from ..models.access import NOBODY, Proof, prove, role_everywhere, role_in
from ..models.errors import NotAllowed, NotFound
from ..models.role import Role, may
from ..models.scope import Scope
from ..models.user import User
from .cookie import secret, signed_in

NOT_FOR_US = ("", "basic", "digest", "negotiate")  # a browser says these by itself to a proxy before us


class Unauthenticated(Exception):
    """A token is needed, or the one that was given is no good. Answered 401 (RFC 6750)."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def current_proof() -> Proof:
    """What the request proves: its token if it names one, else its session; Unauthenticated for a bad token.

    A session that has ended proves nothing: its browser is a visitor's.
    """
    if "proof" not in g:
        g.proof = _read_proof()
    return g.proof


def is_visitor() -> bool:
    """Whether the request brings nothing that could prove anything: nobody needs to be asked."""
    scheme = request.headers.get("Authorization", "").partition(" ")[0]
    return scheme.lower() in NOT_FOR_US and secret() is None


def _read_proof() -> Proof:
    scheme, _, said = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() in NOT_FOR_US:
        return _session_proof()
    proof = prove(db.session(), said.strip()) if scheme.lower() == "bearer" else None
    if proof is None:
        raise Unauthenticated(
            "This token is unknown, expired or revoked. Send `Authorization: Bearer TOKEN`."
        )
    if proof.token_id:
        token.last_use.note(proof.token_id)
    return proof


def _session_proof() -> Proof:
    session = signed_in()
    if session is None:
        return NOBODY
    return Proof(session_id=session.id, user_id=session.user_id, expires_at=session.ends_at)


def current_user() -> User:
    """Who is asking. Unauthenticated for a visitor."""
    user = db.session.get(User, current_proof().user_id or "")
    if user is None:
        raise Unauthenticated("Sign in first.")
    return user


def current_person() -> User:
    """Who signed in with a browser. NotAllowed for a token: it makes no other, and rules no account."""
    user = current_user()
    if current_proof().token_id:
        raise NotAllowed("A token may not do this. Sign in with a browser.")
    return user


def role_for(scope: Scope) -> Role:
    """The asker's role in the scope. NotFound where even reading is refused: the two are one answer."""
    role = role_in(db.session(), current_proof(), scope)
    if role is None:
        raise NotFound("There is nothing here, or it is not for you.")
    g.organization_id = scope.organization_id  # for the analytics: see api/endpoint.py
    return role


def require(scope: Scope, verb: str) -> Role:
    """The asker's role, if it may do this there; else NotFound, Unauthenticated or NotAllowed."""
    role = role_for(scope)
    if may(role, verb):
        return role
    raise _refusal(f"Your role here is {role.value}; it may not do this ({verb}).")


def may_everywhere(verb: str) -> bool:
    """Whether the asker may do this in every organization of the install."""
    return may(role_everywhere(db.session(), current_proof()), verb)


def require_everywhere(verb: str) -> None:
    """Unauthenticated or NotAllowed, unless the asker may do this in every organization."""
    if not may_everywhere(verb):
        raise _refusal(f"This is for instance operators ({verb}).")


def _refusal(words: str) -> Exception:
    if current_proof() is NOBODY:
        return Unauthenticated("Sign in first. A program sends `Authorization: Bearer TOKEN`.")
    return NotAllowed(words)
