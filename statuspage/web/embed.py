"""`/embed/{org}` and `/embed/{org}/{tenant}`: a live frame for other sites. `/embed.js` puts one there."""

from flask import Blueprint, Response, current_app, render_template, request

from ..models.embedding import ANY
from ..models.errors import Invalid
from . import document
from .assets import Assets, fill
from .headers import content_security_policy
from .look import accent_style
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
    state, cursor, drawing = document.shown(scope, view)
    origins = list(state.embed_origins)
    response = document.conditional(scope, state, f"{view}-{theme}-{cursor}")
    ancestors = ANY if ANY in origins else " ".join(("'self'", *origins))
    accent = accent_style(state.accent) if state.accent else None
    response.headers["Content-Security-Policy"] = content_security_policy(
        styles=accent.source if accent else "", frame_ancestors=ancestors
    )
    if response.status_code == 304:
        return response
    page = render_template(
        "embed/embed.html",
        title=drawing.title,
        parts=[part for part in drawing.parts if part.id != "accent"],
        accent=accent,
        view=view,
        cursor=cursor,
        path=state.live_path(scope),
        theme=theme,
        origins=origins,
        as_of=document.as_of(),
    )
    return document.fill(response, page)


def _choice(name: str, choices: tuple[str, ...], default: str | None = None) -> str:
    chosen = request.args.get(name, default or choices[0])
    if chosen not in choices:
        words = ", ".join(choices[:-1]) + f" or {choices[-1]}"
        raise Invalid(f"“{chosen[:40]}” is no {name}. Write {name}={words}, or leave it away.", name)
    return chosen


@blueprint.get("/embed.js")
def loader() -> Response:
    """The script that other sites load: it puts the frame where its tag stands."""
    assets: Assets = current_app.extensions["assets"]
    response = fill(Response(), assets.loader, AN_HOUR)
    response.content_type = "text/javascript; charset=utf-8"  # else it is read as the foreign page is written
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    encoding = response.headers.get("Content-Encoding")
    response.set_etag(f"{assets.loader.file}-{encoding}" if encoding else assets.loader.file)
    response.make_conditional(request)
    return response
