"""An organization's own colour and logo, as files whose address changes with them."""

import hashlib
from functools import lru_cache

from flask import Blueprint, Response, request
from markupsafe import Markup

from ..database import db
from ..models.errors import NotFound
from ..models.look import dark_accent, light_accent
from ..models.organization import Organization
from .assets import Inline
from .tenancy import NOTHING, scope_of_path

blueprint = Blueprint("look", __name__)

# A picture may be an SVG that somebody opens as a document: there it runs nothing and reaches nobody.
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
THEME = "@layer tokens{{:root{{--accent:light-dark({light},{dark})}}}}\n"


@blueprint.get("/<org>/theme.css")
def theme(org: str) -> Response:
    """The accent colour as custom properties, light and dark."""
    organization = _organization(org)
    if not organization.accent:
        raise NotFound(NOTHING)
    css = accent_style(organization.accent).text
    return _versioned(
        Response(css, content_type="text/css; charset=utf-8"),
        organization,
        organization.accent.removeprefix("#"),
    )


@lru_cache(maxsize=1_000)
def accent_style(accent: str) -> Inline:
    """What the style sheet says, for a document that shall not wait for it."""
    return Inline(Markup(THEME.format(light=light_accent(accent), dark=dark_accent(accent))))


@blueprint.get("/<org>/logo")
def logo(org: str) -> Response:
    """The logo, as the kind of picture that its bytes are."""
    organization = _organization(org)
    if not organization.logo or not organization.logo_type or not organization.logo_hash:
        raise NotFound(NOTHING)
    response = Response(organization.logo, content_type=organization.logo_type)
    response.headers["Content-Security-Policy"] = PICTURE_POLICY
    return _versioned(response, organization, organization.logo_hash)


def _organization(org: str) -> Organization:
    found = db.session.get(Organization, scope_of_path(org).organization_id)
    if found is None:
        raise NotFound(NOTHING)
    return found


def _versioned(response: Response, organization: Organization, version: str) -> Response:
    """Kept for ever under the address that names its version, asked for anew under any other."""
    reach = "public" if organization.public else "private"
    current = request.args.get("v") == version
    response.headers["Cache-Control"] = (
        f"{reach}, max-age=31536000, immutable" if current else f"{reach}, no-cache"
    )
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:12])
    response.make_conditional(request)
    return response
