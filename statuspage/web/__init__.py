"""Web: how people reach it. HTTP only."""

from flask import Flask

from . import api, changes, cors, errors, headers, public, templating


def register(app: Flask) -> None:
    templating.register(app)
    errors.register(app)
    headers.register(app)
    cors.register(app)
    app.register_blueprint(changes.blueprint)
    app.register_blueprint(public.blueprint)
    api.register(app)
