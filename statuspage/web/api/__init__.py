"""The JSON API: the same verbs as the forms, for programs. One module per noun."""

from flask import Flask

from . import (  # noqa: F401 (each hangs its routes on `api`)
    consumer,
    group,
    incident,
    openapi,
    service,
    status,
    websocket,
)
from .endpoint import api


def register(app: Flask) -> None:
    app.register_blueprint(api)
