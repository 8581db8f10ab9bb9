"""Members in the admin: who has which role, and links with which new people join."""

from flask import Response, request
from sqlalchemy import select

from ...database import db, transaction
from ...models.errors import Conflict, Invalid, NotFound
from ...models.invitation import Invitation
from ...models.membership import Membership
from ...models.organization import Tenant
from ...models.role import MEMBER_ROLES, Role
from ...models.user import User
from ...schemas import team as shapes
from ..auth import current_proof
from ..form import Form, done
from ..idempotency import once, once_to
from ..tenancy import NOTHING
from .place import Place, blueprint, enter, last_save, load, screen

PATH = "/admin/<org>/members"
MEANINGS = {
    Role.VIEWER: "Viewer: reads what is private",
    Role.EDITOR: "Editor: also services and incidents",
    Role.ADMIN: "Admin: also members, tenants and settings",
    Role.OWNER: "Owner: also other owners, and the end of it all",
}


@blueprint.get(PATH)
def members(org: str) -> Response:
    return screen(enter(org, "member.list"), "members", "admin/members/members.html")


@blueprint.route(f"{PATH}/new", methods=["GET", "POST"])
def new_member(org: str) -> Response:
    """Somebody whom the install knows has the role at once; somebody new gets a link."""
    place = enter(org, "member.grant")
    form = Form(shapes.NewMember, {"role": Role.EDITOR.value})
    if form.sent:
        with form.refusals():
            user, secret = _add(place, form.read())
            return _show_link(place, user, secret) if secret else done(f"{place.base}/members")
    return screen(
        place,
        "sheet",
        "admin/members/new.html",
        form=form,
        at="members",
        roles=roles_of(place),
        places=places_of(place),
    )


def _add(place: Place, new: shapes.NewMember) -> tuple[User, str | None]:
    """The member, and for somebody new the secret of a link: another one, if the form was sent before."""
    made: list[str | None] = []

    def add() -> bool:
        tenant = tenant_of(place, new.tenant)
        user = _known(new)
        if user and _has_role(user, place, tenant):
            raise Conflict("This person is a member there already. Change the role in the list.", "email")
        known = user is not None
        if user is None:
            if not new.name:
                raise Invalid("Nobody here has this address yet. Write the person’s name too.", "name")
            user = User.create(name=new.name, email=new.email)
        Membership.grant(user, Role(new.role), place.organization, tenant, granter=place.role)
        made.append(None if known else _link(place, user))
        return not known

    sent = once(add, place.organization)
    user = _known(new)
    if user is None:
        raise NotFound(NOTHING)
    if sent.replayed and sent.body:
        with transaction(place.organization, by=current_proof().user_id):
            made.append(_link(place, user))
    return user, made[0] if made else None


def _known(new: shapes.NewMember) -> User | None:
    return db.session.scalar(select(User).where(User.email == new.email.strip().lower()))


def _link(place: Place, user: User) -> str:
    return Invitation.create(user, place.organization, granter=place.role)[1]


def _has_role(user: User, place: Place, tenant: Tenant | None) -> bool:
    held = select(Membership.id).where(
        Membership.user_id == user.id,
        Membership.organization_id == place.organization.id,
        Membership.tenant_id == (tenant.id if tenant else None),
    )
    return db.session.scalar(held) is not None


def _show_link(place: Place, user: User, secret: str) -> Response:
    """The only time that anybody sees it."""
    link = f"{request.host_url}join/{secret}"
    return screen(place, "sheet", "admin/members/link.html", at="members", user=user, link=link)


@blueprint.route(f"{PATH}/<id>", methods=["GET", "POST"])
def edit_member(org: str, id: str) -> Response:
    """Another role; and from here, a new link, or the end of it."""
    place = enter(org, "member.grant")
    membership: Membership = load(place, Membership, id)
    form = Form(shapes.MemberRole, {"role": membership.role})
    if form.sent:
        with form.refusals():
            role = Role(form.read().role)

            def save() -> str:
                form.check(
                    {"role": membership.role}, last_save(place, membership.user_id, "membership-granted")
                )
                tenant = db.session.get(Tenant, membership.tenant_id) if membership.tenant_id else None
                Membership.grant(membership.user, role, place.organization, tenant, granter=place.role)
                return f"{place.base}/members"

            return once_to(save, place.organization)
    return _show_member(place, membership, form)


def _show_member(place: Place, membership: Membership, form: Form[shapes.MemberRole]) -> Response:
    return screen(
        place,
        "sheet",
        "admin/members/member.html",
        form=form,
        at="members",
        membership=membership,
        tenant=db.session.get(Tenant, membership.tenant_id) if membership.tenant_id else None,
        waiting=bool(membership.user.email) and not membership.user.password_hash,
        roles=roles_of(place),
        may_change=Role(membership.role).rank <= place.role.rank,
    )


@blueprint.post(f"{PATH}/<id>/removal")
def remove_member(org: str, id: str) -> Response:
    """What lived on the role ends within a second, and an unused link with it."""
    place = enter(org, "member.remove")
    form = Form(shapes.MemberRole)
    with form.refusals():
        once(lambda: _remove(place, load(place, Membership, id)), place.organization)
    if not form.errors:
        return done(f"{place.base}/members")
    membership = load(place, Membership, id)
    form.values["role"] = membership.role
    return _show_member(place, membership, form)


def _remove(place: Place, membership: Membership) -> None:
    membership.remove(granter=place.role)
    for invitation in db.session.scalars(
        select(Invitation).where(
            Invitation.user_id == membership.user_id,
            Invitation.organization_id == place.organization.id,
        )
    ):
        db.session.delete(invitation)


@blueprint.post(f"{PATH}/<id>/invitation")
def renew_invitation(org: str, id: str) -> Response:
    """Another link for somebody who has not joined; the one before it ends."""
    place = enter(org, "member.grant")
    membership: Membership = load(place, Membership, id)
    form, secret = Form(shapes.MemberRole, {"role": membership.role}), None
    with form.refusals(), transaction(place.organization, by=current_proof().user_id):
        _, secret = Invitation.create(membership.user, place.organization, granter=place.role)
    if secret:
        return _show_link(place, membership.user, secret)
    return _show_member(place, membership, form)


# --- what a role may be held in ----------------------------------------------------------------------


def roles_of(place: Place) -> list[tuple[str, str]]:
    """The roles that this operator may give, with what they mean."""
    return [(role.value, MEANINGS[role]) for role in MEMBER_ROLES if role.rank <= place.role.rank]


def places_of(place: Place) -> list[tuple[str, str]]:
    own = ("", f"All of {place.organization.name}")
    return [own, *((tenant.id, f"Only {tenant.name}") for tenant in place.organization.tenants)]


def tenant_of(place: Place, id: str | None) -> Tenant | None:
    """The tenant that a form names, locked with its organization; Invalid (field `tenant`) if it is gone."""
    if id is None:
        return None
    tenant = db.session.get(Tenant, id)
    if tenant is None or tenant.organization_id != place.organization.id:
        raise Invalid("There is no such tenant any more. Choose another.", "tenant")
    return tenant
