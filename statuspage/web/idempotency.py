"""Idempotency-Key: a POST that is sent twice, by a retry or a double click, is done once.

draft-ietf-httpapi-idempotency-key-header. A form carries its key in the hidden field `key`.
"""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

from flask import Response, request

from ..database import transaction
from ..models.errors import Invalid
from ..models.idempotency import earlier, remember
from ..models.organization import Organization
from .auth import current_proof
from .form import OWN_FIELDS, done


class Done(NamedTuple):
    """What a POST is answered; `replayed`: it was done before, and this is what it was answered then."""

    body: Any
    status: int
    replayed: bool = False


def once(verb: Callable[[], Any], *organizations: Organization, status: int = 201) -> Done:
    """Run the verb in a transaction of these organizations, or find what the same request was answered.

    `verb` returns the body of the answer. A verb that fails leaves nothing, so it may be tried again.
    """
    key = _key()
    with transaction(*organizations, by=current_proof().user_id):
        if key is None:
            return Done(verb(), status)
        caller, fingerprint = _caller(), _fingerprint()
        found = earlier(caller, key, fingerprint)
        if found:
            return Done(found.body, found.status, replayed=True)
        done = Done(verb(), status)
        remember(caller, key, fingerprint, done.status, done.body)
    return done


def once_to(verb: Callable[[], str], *organizations: Organization) -> Response:
    """The same for a form: `verb` returns the path that the browser goes to, each time that it is sent."""
    return done(once(verb, *organizations, status=303).body)


def _caller() -> str:
    """Whose keys they are: two people may choose the same one."""
    proof = current_proof()
    return f"token:{proof.token_id}" if proof.token_id else f"user:{proof.user_id}"


def _key() -> str | None:
    key = request.headers.get("Idempotency-Key", request.form.get("key") or None)
    if key is not None and not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise Invalid("An Idempotency-Key is 1 to 255 visible ASCII characters, for example a UUID.")
    return key


def _fingerprint() -> str:
    """Of what is asked for: a form's fields without its own ones, any other body to the byte."""
    fields = sorted(
        (name, text) for name, text in request.form.items(multi=True) if name not in OWN_FIELDS - {"version"}
    )
    said = repr(fields).encode() if fields else request.get_data()
    return sha256(request.full_path.encode() + b"\n" + said).hexdigest()
