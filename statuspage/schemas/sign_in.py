"""Signing in, the first start, and the account: what their forms hold."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from .shape import Form
from .text import Name, Slug, one_line


def _address(text: str) -> str:
    """Shape only (WHATWG HTML's is stricter about the rest): whether it exists, a message to it tells."""
    if not re.fullmatch(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+", text):
        raise ValueError("Write an e-mail address, like robin@example.org")
    return text


def _way(text: object) -> str:
    return text if isinstance(text, str) and len(text) <= 2000 else ""


Email = Annotated[str, Field(min_length=3, max_length=254), AfterValidator(_address)]
Password = Annotated[str, Field(min_length=1, max_length=200)]


class SignIn(Form):
    email: Annotated[str, Field(min_length=1, max_length=254), AfterValidator(one_line)]
    password: Password
    next: Annotated[str, BeforeValidator(_way)] = ""
    """The path to go to then; what cannot be one counts as left out: nobody sees the field to correct it."""


class Setup(Form):
    """The first operator, and the first organization."""

    code: Annotated[str, Field(min_length=1, max_length=100)]
    """As the server printed it at its start: whoever sees it runs this install."""
    name: Name
    email: Email
    password: Password
    organization: Name
    slug: Slug


class NewPassword(Form):
    current: Password
    password: Password
