"""The first start: `/setup` makes the first operator and the first organization, once.

Whoever opens it proves with a code, which the server prints at its start, that the install is theirs.
"""

import hmac
from hashlib import sha256

from flask import Blueprint, Flask, Response, current_app, request
from sqlalchemy import select

from ..database import alone, db, transaction
from ..models.errors import Invalid, NotFound
from ..models.membership import Membership
from ..models.organization import Organization
from ..models.role import Role
from ..models.session import UserSession
from ..models.user import User, hash_password
from ..schemas import sign_in as shapes
from .cookie import give
from .form import Form, done

blueprint = Blueprint("setup", __name__)


def is_due() -> bool:
    """Whether nobody can sign in to this install yet."""
    return db.session.scalar(select(User.id).where(User.password_hash.is_not(None)).limit(1)) is None


def code(app: Flask) -> str:
    """What the server prints: the same on every node, and known to nobody who does not run one."""
    key = app.config["SECRET_KEY"].encode()
    return hmac.new(key, b"the code of the first start", sha256).hexdigest()[:16]


@blueprint.route("/setup", methods=["GET", "POST"])
def setup() -> Response:
    """The first operator and organization. NotFound as soon as somebody can sign in."""
    if not is_due():
        if request.method == "POST":  # pressed twice, or somebody else was faster
            return done("/admin")
        raise NotFound("This install is set up already. Sign in instead.")
    form = Form(shapes.Setup, {"code": request.args.get("code", "")})
    if form.sent:
        with form.refusals():
            new = form.read()
            if not hmac.compare_digest(new.code.encode(), code(current_app).encode()):
                raise Invalid("This is not the code that the server printed at its start.", "code")
            return _found(new, hash_password(new.password))
    form.values.pop("password", None)
    return form.show("sign_in/setup.html")


def _found(new: shapes.Setup, hash: str) -> Response:
    with transaction():
        alone(User)  # of two at the same moment one finds it done
        if not is_due():
            return done("/admin")
        user = User.create(name=new.name, email=new.email, operator=True)
        user.set_password(hash)
        organization = Organization.create(slug=new.slug, name=new.organization)
        Membership.grant(user, Role.OWNER, organization)
        _, secret = UserSession.begin(user, request.user_agent.string)
    response = done(f"/admin/{organization.slug}")
    give(response, secret)
    return response
