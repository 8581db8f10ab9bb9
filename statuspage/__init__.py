"""A status page that is current within a second. create_app() is the only wiring."""

import logging
from collections.abc import Mapping
from typing import Any

from flask import Flask
from flask_migrate import Migrate
from werkzeug.middleware.proxy_fix import ProxyFix

from . import cli, config, database, live, snapshots, web
from .database import db
from .jobs import Jobs
from .models import connection, figure, retention
from .web import assets


def create_app(settings: Mapping[str, Any] | None = None) -> Flask:
    """The application, from settings as config.read() gives them (default: from the environment)."""
    app = Flask(__name__, template_folder=None, static_folder=None)
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.config.from_mapping(config.to_flask(settings or config.read()))
    logging.getLogger("statuspage").setLevel(app.config["LOG_LEVEL"])

    db.init_app(app)
    app.teardown_appcontext(lambda _: database.end_session())  # before Flask-SQLAlchemy ends it
    Migrate(app, db, directory=str(config.ROOT / "migrations"), compare_type=True)
    with app.app_context():
        database.prepare(db.engine)

    jobs = app.extensions["jobs"] = Jobs(app)
    jobs.add("prune", retention.EVERY, retention.pruning(app.config))
    jobs.add("end lost connections", 30, connection.end_of_the_dead)
    jobs.add("roll up figures", 60, figure.roll_up)
    live.create(app, build=assets.register(app), node=jobs.node, on_first_use=jobs.start)
    web.register(app)
    snapshots.register(app)
    cli.register(app)
    if proxies := app.config["PROXIES"]:  # around all the rest: who asks, and whether over TLS
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies)  # type: ignore[method-assign]
    return app
