"""The operators' screens, `/admin/{org}`: one module per noun. They live on the whole organization."""

from flask import Flask

from . import member, overview, service, settings, tenant, token  # noqa: F401 (each hangs its routes on the blueprint)
from .place import blueprint


def register(app: Flask) -> None:
    app.register_blueprint(blueprint)
