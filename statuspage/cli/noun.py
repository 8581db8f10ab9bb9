"""What all commands share: how they refuse, how they read a name, how they find what is meant."""

from collections.abc import Callable
from typing import Any

import click
from flask.cli import AppGroup
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.exc import DBAPIError

from ..database import Busy, Gone, db
from ..models.errors import Refusal
from ..models.name import Name
from ..models.organization import Organization, Tenant
from ..models.role import MEMBER_ROLES
from ..models.status import Visibility
from ..models.user import User
from ..schemas import text

ROLES = click.Choice([role.value for role in MEMBER_ROLES])
VISIBILITY = click.Choice([visibility.value for visibility in Visibility])


class Noun(AppGroup):
    """A group of verbs; a refusal is a sentence and exit code 1, not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        return _refusing(super().invoke, ctx)


class Verb(click.Command):
    """A command of the whole install, which refuses in the same way."""

    def invoke(self, ctx: click.Context) -> Any:
        return _refusing(super().invoke, ctx)


def _refusing(invoke: Callable[[click.Context], Any], ctx: click.Context) -> Any:
    try:
        return invoke(ctx)
    except Refusal as refusal:
        raise click.ClickException(refusal.message) from refusal
    except Gone as gone:
        raise click.ClickException("It was deleted in the meantime.") from gone
    except Busy as busy:
        raise click.ClickException("Too many changes at once. Please try again.") from busy
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise click.ClickException(
            f"The database says: {reason}. If it is new or of an older version: flask db upgrade"
        ) from error
    except UnicodeEncodeError as error:
        raise click.ClickException("Write what you give in UTF-8.") from error


class NameType(click.ParamType):
    """A name as the API takes it: see schemas/text.py."""

    name = "text"
    _shape: TypeAdapter[str] = TypeAdapter(text.Name)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return self._shape.validate_python(value.strip())
        except ValidationError as error:
            self.fail(error.errors()[0]["msg"].removeprefix("Value error, ") + ".", param, ctx)


NAME = NameType()


def find_organization(name: str) -> Organization:
    """By slug or id."""
    held = db.session.get(Name, ("", name))
    found = db.session.get(Organization, held.owner_id) if held else None
    if found is None:
        raise click.ClickException(f"There is no organization “{name}”.")
    return found


def find_tenant(organization: Organization, name: str) -> Tenant:
    held = db.session.get(Name, (organization.id, name))
    found = db.session.get(Tenant, held.owner_id) if held else None
    if found is None:
        raise click.ClickException(f"{organization.name} has no tenant “{name}”.")
    return found


def find_user(name: str) -> User:
    """By id or e-mail address."""
    found = db.session.get(User, name) or db.session.query(User).filter_by(email=name.lower()).one_or_none()
    if found is None:
        raise click.ClickException(f"There is no user “{name}”.")
    return found
