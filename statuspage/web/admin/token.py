"""API tokens in the admin: one's own; for admins, the organization's."""

from datetime import timedelta

from flask import Response
from sqlalchemy import select

from ...clock import now
from ...database import db
from ...models.errors import Conflict, NotAllowed
from ...models.role import MEMBER_ROLES, Role
from ...models.token import ApiToken
from ...schemas import team as shapes
from ..auth import current_person, current_user
from ..form import Form, done
from ..idempotency import once, once_to
from .member import places_of, tenant_of
from .place import Place, blueprint, enter, load, screen

PATH = "/admin/<org>/tokens"
LIVES = (("30", "30 days"), ("90", "90 days"), ("365", "A year"), ("", "Never"))


@blueprint.get(PATH)
def tokens(org: str) -> Response:
    """Admins see all of them, live; everybody else the own ones."""
    place = enter(org, "token.create")
    if place.may("token.list"):
        return screen(place, "tokens", "admin/tokens/tokens.html", own=_own(place))
    return screen(place, "sheet", "admin/tokens/tokens.html", at="tokens", own=_own(place))


def _own(place: Place) -> list[ApiToken]:
    """With the last use, which no board can show: it is not in the log."""
    return list(
        db.session.scalars(
            select(ApiToken)
            .where(
                ApiToken.user_id == current_user().id,
                ApiToken.organization_id == place.organization.id,
                ApiToken.revoked_at.is_(None),
            )
            .order_by(ApiToken.created_at.desc())
        )
    )


@blueprint.route(f"{PATH}/new", methods=["GET", "POST"])
def new_token(org: str) -> Response:
    """The answer shows its secret, once."""
    place = enter(org, "token.create")
    current_person()  # else a token that was stolen could live on in another, after its end
    form = Form(shapes.NewToken, {"role": Role.EDITOR.value, "days": "90"})
    if form.sent:
        with form.refusals():
            made = _create(place, form.read())
            if made is None:  # sent twice: the first answer showed it
                return done(f"{place.base}/tokens")
            token, secret = made
            return screen(place, "sheet", "admin/tokens/secret.html", at="tokens", token=token, secret=secret)
    return screen(
        place,
        "sheet",
        "admin/tokens/new.html",
        form=form,
        at="tokens",
        roles=[
            (role.value, role.value.capitalize()) for role in MEMBER_ROLES if role.rank <= place.role.rank
        ],
        places=places_of(place),
        lives=LIVES,
    )


def _create(place: Place, new: shapes.NewToken) -> tuple[ApiToken, str] | None:
    """The token and its secret; None when the same form was sent before."""
    user, role, made = current_user(), Role(new.role), []
    if role.rank > place.role.rank:
        raise Conflict(f"You are not {role.value} here: a token may do at most what you may.", "role")

    def create() -> None:
        expires_at = now() + timedelta(days=new.days) if new.days else None
        tenant = tenant_of(place, new.tenant)
        made.append(
            ApiToken.create(user, role, place.organization, tenant, name=new.name, expires_at=expires_at)
        )

    once(create, place.organization)
    return made[0] if made else None


@blueprint.route(f"{PATH}/<id>/revocation", methods=["GET", "POST"])
def revoke_token(org: str, id: str) -> Response:
    """One's own; for admins, anybody's."""
    place = enter(org, "token.create")
    token: ApiToken = load(place, ApiToken, id)
    if token.user_id != current_user().id and not place.may("token.revoke"):
        raise NotAllowed("This is somebody else's token.")
    form = Form(shapes.Form)
    if form.sent:

        def revoke() -> str:
            token.revoke()
            return f"{place.base}/tokens"

        with form.refusals():
            return once_to(revoke, place.organization)
    return screen(place, "sheet", "admin/tokens/revocation.html", form=form, at="tokens", token=token)
