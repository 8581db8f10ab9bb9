"""The operators' screens, `/admin/{org}`: one module per noun. They live on the whole organization."""

from flask import Flask

# Each module hangs its routes on the blueprint.
from . import analytics, export, group, incident, member, overview, service, settings, tenant, timeline, token  # noqa: F401
from .place import blueprint


def register(app: Flask) -> None:
    app.register_blueprint(blueprint)
