"""For machines that watch this one: is it alive, and is it ready to be sent visitors?"""

from typing import Any

from flask import Blueprint, Response, current_app, jsonify
from sqlalchemy import select

from ..database import db
from ..live.dispatcher import LOOK_SECONDS
from ..live.hub import BLIND_SECONDS, Hub
from ..models.organization import Organization

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def alive() -> Response:
    """200 as long as the process answers at all: whoever gets none may restart it."""
    return _unkept(Response("ok\n", mimetype="text/plain"))


@blueprint.get("/readyz")
def ready() -> Response:
    """200 when it can serve visitors, else 503: `{ready, database, logLag, draining}`.

    `database`: whether it answers. `logLag`: seconds since this node last saw the log, null before anybody
    came. A node that drains is not ready: a proxy sends nobody new.
    """
    live = current_app.extensions["live"]
    hub: Hub = live.hub
    lag = hub.log_lag()
    state: dict[str, Any] = {
        "database": _database_answers(),
        "logLag": None if lag is None else round(max(0.0, lag - LOOK_SECONDS), 3),
        "draining": hub.draining,
    }
    state["ready"] = state["database"] and not state["draining"] and (lag is None or lag < BLIND_SECONDS)
    response = jsonify(state)
    response.status_code = 200 if state["ready"] else 503
    return _unkept(response)


def _database_answers() -> bool:
    try:
        db.session.execute(select(Organization.id).limit(1))  # SQLite would not look at its file for less
    except Exception:  # whatever its driver says: it does not answer
        db.session.rollback()
        return False
    return True


def _unkept(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
