"""Migrations: up and down on both databases, and what they make is what the models say."""

import threading

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from statuspage import create_app
from statuspage.database import db, new_id
from tests.conftest import DATABASES


@pytest.fixture(params=DATABASES)
def empty(request, make_database, settings_for):
    """An application whose database has no tables yet."""
    app = create_app(settings_for(make_database(request.param, f"empty_{new_id()}")))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def test_up_and_down_and_up_again_and_models_agree(empty):
    flask_migrate.upgrade()
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.metadata) == []
    flask_migrate.downgrade(revision="base")
    assert set(inspect(db.engine).get_table_names()) <= {"alembic_version"}
    flask_migrate.upgrade()
    assert "organization" in inspect(db.engine).get_table_names()


@pytest.mark.parametrize("empty", ["sqlite"], indirect=True)  # PostgreSQL's writers lock rows only
def test_a_start_beside_a_writer_waits_for_it(empty):
    flask_migrate.upgrade()
    holder = db.engine.connect().execution_options(sqlite_begin="IMMEDIATE")
    holder.execute(text("UPDATE organization SET name = name"))
    release = threading.Timer(0.5, holder.close)
    release.start()
    flask_migrate.upgrade()
    release.join()
