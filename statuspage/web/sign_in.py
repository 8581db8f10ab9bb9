"""Signing in and out, and the account: `/sign-in`, `/sign-out`, `/account`.

A form that comes when its session has ended is held, signed, in the sign-in form that answers it: whoever
signs in again sees what was typed and sends it with one click.
"""

from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, g, redirect, render_template, request
from flask import session as flask_session
from itsdangerous import BadSignature, URLSafeSerializer

from ..database import db, transaction
from ..models.membership import organizations_of
from ..models.session import UserSession, change_password, sessions_of
from ..models.user import User, find_by_password, hash_password
from ..schemas import sign_in as shapes
from .auth import current_person
from .cookie import begin, give, left_by, signed_in, take_away
from .form import Form, done
from .throttle import Throttle, TooManyTries, mark_device

blueprint = Blueprint("sign_in", __name__)

HOME = "/admin"
SECRETS = ("csrf", "password", "current")
TO_MAIN = {"HX-Retarget": "main", "HX-Reselect": "main", "HX-Reswap": "outerHTML"}
WRONG = "This e-mail address and password do not belong together."


@blueprint.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> Response:
    """Whoever has an account begins a session here; `next` is where they wanted to go."""
    form = Form(shapes.SignIn, {"next": request.args.get("next", "")})
    if not form.sent and signed_in():
        return done(_safe(form.values["next"]))
    held, status, wait = request.form.get("held", ""), None, 0
    if form.sent:
        try:
            with form.refusals():
                claim = form.read()
                user = _checked(claim)
                if user:
                    return _begin(user, _safe(claim.next), _held(held))
                form.errors[""] = WRONG
        except TooManyTries as too_many:
            form.errors[""], status, wait = too_many.message, 429, too_many.seconds
    form.values.pop("password", None)
    response = form.show("sign_in/sign_in.html", status, held=held)
    if wait:
        response.headers["Retry-After"] = str(wait)
    return response


def _checked(claim: shapes.SignIn) -> User | None:
    throttle: Throttle = current_app.extensions["throttle"]
    with throttle.attempt(claim.email) as attempt:
        user = find_by_password(claim.email, claim.password)
        attempt.failed = user is None
    return user


def _begin(user: User, url: str, held: dict[str, Any] | None) -> Response:
    with transaction(*left_by(signed_in()), by=user.id):
        secret = begin(db.session.get_one(User, user.id))
    flask_session.clear()  # with the CSRF token of before
    g.pop("csrf", None)
    response = Response(render_template("sign_in/again.html", **held)) if held else done(url)
    response.headers["Cache-Control"] = "no-store"
    give(response, secret)
    if user.email:
        mark_device(response, user.email)
    return response


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """End this browser's session, with every connection that it opened."""
    session = signed_in()
    if session:
        _end([session])
    response = done("/sign-in")
    take_away(response)
    return response


@blueprint.get("/account")
def account() -> Response:
    """Who is signed in, and where else."""
    return _account(Form(shapes.NewPassword))


@blueprint.post("/account/password")
def new_password() -> Response:
    """A new password ends every other session of the user, and gives this one a new secret."""
    user, form = current_person(), Form(shapes.NewPassword)
    with form.refusals():
        new = form.read()
        throttle: Throttle = current_app.extensions["throttle"]
        with throttle.attempt(user_id=user.id) as attempt:
            # Sent twice, the second finds the new one.
            attempt.failed = not (user.has_password(new.current) or user.has_password(new.password))
        if not attempt.failed:
            return _take_password(user, hash_password(new.password))
        form.errors["current"] = "This is not your present password."
    form.values = {}
    return _account(form)


def _take_password(user: User, hash: str) -> Response:
    with transaction(*organizations_of(user), by=user.id):
        change_password(user, hash)
        _, secret = UserSession.begin(user, request.user_agent.string)
    response = done("/account?saved=1")
    give(response, secret)
    return response


@blueprint.post("/account/sessions")
def end_sessions() -> Response:
    """Sign out elsewhere: one session by its id, or all but this one."""
    user, here = current_person(), signed_in()
    wanted = request.form.get("session", "")
    others = [session for session in sessions_of(user) if not here or session.id != here.id]
    _end([session for session in others if wanted in ("others", session.id)])
    return done("/account")


def _end(sessions: list[UserSession]) -> None:
    if not sessions:
        return
    user = sessions[0].user
    with transaction(*organizations_of(user), by=user.id):
        for session in sessions:
            if row := db.session.get(UserSession, session.id):
                row.end()


def _account(form: Form[shapes.NewPassword]) -> Response:
    user, here, saved = current_person(), signed_in(), "saved" in request.args
    return form.show("sign_in/account.html", user=user, sessions=sessions_of(user), here=here, saved=saved)


def _safe(url: str) -> str:
    """A path of this site, else the admin's start: no link of a stranger leads through us to elsewhere."""
    own = url.startswith("/") and not url.startswith("//") and "\\" not in url and url.isprintable()
    return url if own else HOME


# --- forms that came too late ------------------------------------------------------------------------


def ask_to_sign_in() -> Response:
    """What a page's request without a session is answered: sign in, then go on where you were."""
    if request.method == "GET":
        return redirect("/sign-in?" + urlencode({"next": request.full_path.rstrip("?")}), 303)  # type: ignore
    form = Form(shapes.SignIn)
    form.values = {}
    held = _serializer().dumps(_sent()) if _came_from_us() else ""
    response = form.show("sign_in/sign_in.html", 401, held=held)
    response.headers.update(TO_MAIN)
    return response


def show_again() -> Response | None:
    """What a form of ours is answered whose CSRF token is too old: itself, to send with one click."""
    if not _came_from_us():
        return None
    if request.path == "/sign-in":
        return _sign_in_again()
    page = render_template("sign_in/again.html", stale=True, **_sent())
    return Response(page, 400, headers={"Cache-Control": "no-store", **TO_MAIN})


def _sign_in_again() -> Response:
    """The sign-in form itself, as it holds no password; whoever signed in meanwhile goes on."""
    form = Form(shapes.SignIn)
    if signed_in():
        return done(_safe(str(form.values.get("next", ""))))
    form.values.pop("password", None)
    form.errors[""] = "This page had been open for too long. Type your password once more."
    return form.show("sign_in/sign_in.html", 400, held=request.form.get("held", ""))


def _came_from_us() -> bool:
    """Whether a page of ours sent the form (W3C Fetch Metadata; older browsers name the origin)."""
    site = request.headers.get("Sec-Fetch-Site")
    return site == "same-origin" or (site is None and request.origin == request.host_url.rstrip("/"))


def _sent() -> dict[str, Any]:
    fields = [(name, text) for name, text in request.form.items(multi=True) if name not in SECRETS]
    return {"path": request.path, "fields": fields}


def typed_in_vain() -> list[tuple[str, str]]:
    """What a form of ours held that is answered with an error page: nobody types it again from memory."""
    return _sent()["fields"] if request.method == "POST" and _came_from_us() else []


def _held(text: str) -> dict[str, Any] | None:
    """The form that is held, if we signed it."""
    try:
        return _serializer().loads(text) if text else None
    except BadSignature:
        return None


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt="held form")
