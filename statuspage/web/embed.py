"""`/embed/{org}` and `/embed/{org}/{tenant}`: a live frame for other sites. `/embed.js` puts one there."""

from flask import Blueprint, Response, current_app, render_template, request

from ..database import db
from ..live.dispatcher import turn_day_if_due
from ..models.embedding import ANY
from ..models.errors import Invalid
from ..models.organization import Organization
from ..models.scope import Scope
from .assets import Assets
from .freshness import fresh
from .headers import content_security_policy
from .tenancy import scope_of_path

blueprint = Blueprint("embed", __name__)

VIEWS = {"line": "embed", "full": "embed-full"}
THEMES = ("light", "dark", "auto", "transparent")
AN_HOUR = "public, max-age=3600"


@blueprint.get("/embed/<org>")
@blueprint.get("/embed/<org>/<tenant>")
def embed(org: str, tenant: str | None = None) -> Response:
    """The frame: `?view=line` or `full`, `?theme=light`, `dark`, `auto` or `transparent`."""
    scope = scope_of_path(org, tenant)
    view, theme = VIEWS[_choice("view", tuple(VIEWS))], _choice("theme", THEMES, "auto")
    organization = db.session.get(Organization, scope.organization_id)
    assert organization is not None  # scope_of_path() found it
    turn_day_if_due(organization)
    origins = organization.embed_origins
    db.session.rollback()  # the board reads a snapshot of its own; hold none meanwhile
    response = _document(scope, view, theme, origins)
    ancestors = ANY if ANY in origins else " ".join(("'self'", *origins))
    response.headers["Content-Security-Policy"] = content_security_policy(frame_ancestors=ancestors)
    return response


def _choice(name: str, choices: tuple[str, ...], default: str | None = None) -> str:
    chosen = request.args.get(name, default or choices[0])
    if chosen not in choices:
        words = ", ".join(choices[:-1]) + f" or {choices[-1]}"
        raise Invalid(f"“{chosen[:40]}” is no {name}. Write {name}={words}, or leave it away.", name)
    return chosen


def _document(scope: Scope, view: str, theme: str, origins: list[str]) -> Response:
    """All parts of the board at one position, the same bytes for everybody."""
    live = current_app.extensions["live"]
    channel = live.hub.channel(scope.organization_id)
    board = channel.board(scope, view)
    with channel.lock:
        state, cursor, drawing = channel.state, str(board.cursor), board.drawing
    response = fresh(f"{live.build}-{scope.room}-{view}-{theme}-{cursor}", public=state.is_public(scope))
    if response.status_code == 200:
        response.set_data(
            render_template(
                "embed/embed.html",
                title=drawing.title,
                parts=drawing.parts,
                view=view,
                cursor=cursor,
                path=state.path(scope),
                theme=theme,
                origins=origins,
            )
        )
    return response


@blueprint.get("/embed.js")
def loader() -> Response:
    """The script that other sites load: it puts the frame where its tag stands."""
    assets: Assets = current_app.extensions["assets"]
    packed = bool(request.accept_encodings["gzip"])
    response = Response(assets.packed_loader if packed else assets.loader.content)
    response.content_type = "text/javascript; charset=utf-8"  # else it is read as the foreign page is written
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = AN_HOUR
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.set_etag(f"{assets.loader.file}{'-gzip' if packed else ''}")
    response.make_conditional(request)
    return response
