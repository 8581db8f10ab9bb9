"""The cookie that a signed-in browser carries, and the CSRF token that its forms need.

The cookie holds a random secret of a session's row; nothing can be read from it or made without the row.
"""

import logging

from flask import Flask, Response, current_app, g, request
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import CSRFError, CSRFProtect
from sqlalchemy.exc import SQLAlchemyError

from ..database import Busy, db, note_failure, transaction
from ..models.membership import organizations_of
from ..models.organization import Organization
from ..models.session import COOKIE, PREFIX, UserSession, find
from ..models.user import User

log = logging.getLogger(__name__)

BEFORE = ("/sign-in", "/setup", "/join/")  # a stranger's form must not sign anybody in either
SAFE = ("GET", "HEAD", "OPTIONS")

_csrf = CSRFProtect()


class _Sessions(SecureCookieSessionInterface):
    """Flask's own cookie is as secure as the connection that it came over, like ours."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def register(app: Flask) -> None:
    app.config.update(
        WTF_CSRF_CHECK_DEFAULT=False,  # a token in the Authorization header needs none: see _protect()
        WTF_CSRF_TIME_LIMIT=None,  # a form may stay open as long as its session
        WTF_CSRF_FIELD_NAME="csrf",
        WTF_CSRF_HEADERS=["X-CSRF-Token"],
        SESSION_COOKIE_NAME="csrf",  # Flask's own session holds nothing else
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
    )
    app.session_interface = _Sessions()
    _csrf.init_app(app)
    app.before_request(_protect)
    app.after_request(_keep)


def secret() -> str | None:
    """What the browser's cookie says, if it can be a session's secret."""
    said = request.cookies.get(COOKIE, "")
    return said[:200] if said.startswith(PREFIX) else None


def signed_in() -> UserSession | None:
    """The session behind the cookie, if it is still good."""
    if "signed_in" not in g:
        said = secret()
        found = g.signed_in = find(db.session(), said) if said else None
        g.due = found.id if found and found.needs_note else None
    return g.signed_in


def left_by(session: UserSession | None) -> list[Organization]:
    """The organizations to lock where begin() ends this session."""
    return organizations_of(session.user) if session else []


def begin(user: User) -> str:
    """A new session in place of the browser's old one: no id from before the sign-in lives on.

    The secret for give(). Only inside a transaction of left_by(signed_in()).
    """
    old = signed_in()
    if old and (row := db.session.get(UserSession, old.id)):
        row.end()
    return UserSession.begin(user, request.user_agent.string)[1]


def give(response: Response, said: str) -> None:
    """Sign the browser in: from now on it sends this secret."""
    response.set_cookie(COOKIE, said, secure=request.is_secure, httponly=True, samesite="Lax")


def take_away(response: Response) -> None:
    response.delete_cookie(COOKIE, httponly=True, samesite="Lax")


def _protect() -> None:
    """A form or script of ours carries the token; another site's cannot (OWASP, CSRF prevention).

    A request that brings its right in a header that no browser sends by itself needs none. (It does send
    the name and password that a proxy in front of us may have asked for.)
    """
    if request.method in SAFE or request.headers.get("Authorization", "").lower().startswith("bearer "):
        return
    if not request.path.startswith("/api/"):
        request.form  # noqa: B018  read now: what is too large is refused here, before an answer wants to show it
    if request.path.startswith(BEFORE) or signed_in():
        # A neighbour under the same domain can plant a cookie, and with it a token that fits.
        if request.headers.get("Sec-Fetch-Site") in ("same-site", "cross-site") and not _trusted():
            raise CSRFError("This was sent by a page of another site.")
        _csrf.protect()  # without a session there is nothing that a stranger could do in its name


def _trusted() -> bool:
    return request.headers.get("Origin") in current_app.config["ORIGINS"]


def _keep(response: Response) -> Response:
    """Note when a page was last asked for; a secret that is a day old is replaced."""
    id = g.get("due")
    if id is None or request.method != "GET":
        return response
    new = None
    try:
        with transaction():
            # Locked: of two requests at once one may replace the secret, or the browser keeps a lost one.
            kept = db.session.get(UserSession, id, with_for_update=True, populate_existing=True)
            new = kept.note_use(secret() or "") if kept else None
    except Busy:
        pass  # it can wait
    except SQLAlchemyError as error:
        note_failure(log, error, "The use of a session was not noted")  # the page is as good without
    if new:
        give(response, new)
        response.cache_control.no_store = True
    return response
