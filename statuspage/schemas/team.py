"""Tenants, members, tokens and the settings of a page: what their forms hold."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from ..models.status import Visibility
from .shape import Form
from .sign_in import Email, Password
from .text import Id, Name, Slug, one_line, plain_breaks

RoleName = Literal["viewer", "editor", "admin", "owner"]


class Tenant(Form):
    name: Name
    slug: Slug
    visibility: Visibility


class NewMember(Form):
    """`name` is for somebody whom this install does not know yet."""

    email: Email
    name: Name | None = None
    role: RoleName
    tenant: Id | None = None
    """The tenant that the role is for; left out: the whole organization."""


class MemberRole(Form):
    role: RoleName


class Join(Form):
    password: Password


class NewToken(Form):
    name: Name
    role: RoleName
    tenant: Id | None = None
    days: Annotated[int, Field(ge=1, le=3650)] | None = None
    """Until it expires; left out: never."""


class Settings(Form):
    name: Name
    slug: Slug
    timezone: Annotated[str, Field(min_length=1, max_length=80), AfterValidator(one_line)]
    visibility: Visibility
    indexed: bool = False
    accent: Annotated[str, Field(max_length=40)] = ""
    """A colour like #0969da; left out: ours."""
    embed_origins: Annotated[str, Field(max_length=20_000), BeforeValidator(plain_breaks)] = ""
    """Sites that may frame the embed, one a line."""


class Deletion(Form):
    """Its path, typed again."""

    slug: Annotated[str, Field(min_length=1, max_length=40)]
