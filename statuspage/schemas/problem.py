"""Problem: how every refusal looks (RFC 9457)."""

from pydantic import MISSING

from .shape import Answer


class FieldError(Answer):
    pointer: str
    """The wrong field, as a JSON pointer (RFC 6901); empty: the whole request."""
    detail: str


class Problem(Answer):
    type: str
    title: str
    status: int
    detail: str
    """What happened and what to do, for a person."""
    errors: list[FieldError] | MISSING = MISSING
    """Each wrong field, where there is one."""
