"""`/sw.js` and `/offline`: what a browser keeps of us, for when the network is gone."""

from flask import Blueprint, Response, current_app, render_template

from . import document
from .assets import Assets

blueprint = Blueprint("offline", __name__)


@blueprint.get("/sw.js")
def service_worker() -> Response:
    """The script that browsers keep (W3C Service Workers). One of another build brings its page with it."""
    assets: Assets = current_app.extensions["assets"]
    script = f"// build {current_app.extensions['live'].build}\n{assets.worker}"
    return Response(
        script, content_type="text/javascript; charset=utf-8", headers={"Cache-Control": "no-cache"}
    )


@blueprint.get("/offline")
def offline() -> Response:
    """Complete in itself: it is shown where nothing else can be loaded, at the address that was asked for."""
    response = Response(headers={"Cache-Control": "no-cache", "Vary": "Accept-Encoding"})
    return document.fill(response, render_template("errors/offline.html"))
