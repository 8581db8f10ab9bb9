"""`/console`: the live API by hand. The page knows nobody and nothing; all it does, the browser asks for."""

from flask import Blueprint, Response, current_app, render_template, request
from pydantic import TypeAdapter, ValidationError

from ..schemas.live import Id
from .assets import CONSOLE

blueprint = Blueprint("console", __name__)


@blueprint.get("/console")
def console() -> Response:
    """A form for all of docs/protocol.md, and what comes. `?organization=&tenant=` fill it in."""
    response = Response(
        render_template(
            "console/console.html",
            organization=_id("organization") or ("org-456" if current_app.config["DEMO"] else ""),
            tenant=_id("tenant"),
            modules=CONSOLE,
        )
    )
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _id(name: str) -> str:
    """An id from the address; nothing for what cannot be one."""
    try:
        return TypeAdapter(Id).validate_python(request.args.get(name, ""))
    except ValidationError:
        return ""
