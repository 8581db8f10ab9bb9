"""A database other than the one of DATABASE_URL, and how far migrations have brought one."""

from collections.abc import Iterator
from contextlib import contextmanager

import flask_migrate
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask import Flask
from sqlalchemy.orm import Session

from ..config import ROOT, to_flask
from ..database import db, prepare
from ..models.errors import Conflict, Invalid
from .file import NEWER

MIGRATIONS = ROOT / "migrations"


@contextmanager
def database(url: str) -> Iterator[Flask]:
    """In this application's context `db` and the migrations work on the database at `url`."""
    app = Flask("statuspage")
    app.config.from_mapping(to_flask({"DATABASE_URL": url, "MAX_BODY": None}))
    db.init_app(app)
    flask_migrate.Migrate(app, db, directory=str(MIGRATIONS), compare_type=True)
    with app.app_context():
        prepare(db.engine)
    try:
        yield app
    finally:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


def current_revision(session: Session) -> str:
    """The migration that this database is at: the newest one, else Conflict."""
    revision = MigrationContext.configure(session.connection()).get_current_revision()
    newest = _script().get_current_head()
    if revision is None or revision != newest:
        raise Conflict("The database is new or of another version than this program. Run: flask db upgrade")
    return revision


def make_tables(revision: str) -> None:
    """Those that this migration left. Invalid when this program does not know it (yet)."""
    try:
        _script().get_revision(revision)
    except CommandError as error:
        raise Invalid(NEWER) from error
    flask_migrate.upgrade(revision=revision)


def _script() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))
