"""`/join/{secret}`: somebody new, with a link that an admin made, chooses a password and is signed in."""

from flask import Blueprint, Response, render_template

from ..database import db, transaction
from ..models.invitation import Invitation, find
from ..models.membership import organizations_of
from ..models.user import hash_password
from ..schemas import team as shapes
from .cookie import begin, give, left_by, signed_in
from .form import Form, done

blueprint = Blueprint("join", __name__)


@blueprint.route("/join/<secret>", methods=["GET", "POST"])
def join(secret: str) -> Response:
    """Works once. A link that is used up, replaced or too old is told apart from none by nothing."""
    invitation = find(secret) if "\x00" not in secret else None
    if invitation is None:
        return _gone()
    form = Form(shapes.Join)
    if form.sent:
        with form.refusals():
            hash = hash_password(form.read().password)
            return _accept(invitation, hash)
    form.values.pop("password", None)
    return form.show("sign_in/join.html", user=invitation.user, organization=invitation.organization)


def _accept(invitation: Invitation, hash: str) -> Response:
    id, user = invitation.id, invitation.user
    with transaction(*organizations_of(user), *left_by(signed_in()), by=user.id):
        # Locked: of two who send it at once one finds it used up.
        row = db.session.get(Invitation, id, with_for_update=True, populate_existing=True)
        secret = begin(row.accept(hash)) if row else None
    if secret is None:
        return _gone()
    response = done("/admin")
    give(response, secret)
    return response


def _gone() -> Response:
    return Response(render_template("sign_in/join_gone.html"), 404, headers={"Cache-Control": "no-store"})
