"""Groups of services in the admin."""

from flask import Response, request

from ...database import transaction
from ...models.errors import Invalid
from ...models.service import ServiceGroup
from ...schemas import group as shapes
from ..auth import current_proof
from ..form import Form
from ..idempotency import once_to
from .affected import find_tenant, pages_of
from .place import Place, blueprint, enter, last_save, load, screen, stay
from .service import STEPS, before


@blueprint.route("/admin/<org>/groups/new", methods=["GET", "POST"])
def create_group(org: str) -> Response:
    """A heading at the end of a page. `?tenant=` says whose."""
    place = enter(org, "group.create")
    form = Form(shapes.GroupForm, {"tenant": request.args.get("tenant", "")})
    if form.sent:
        with form.refusals():
            new = form.read()

            def create() -> str:
                ServiceGroup.create(place.organization, find_tenant(place, new.tenant), name=new.name)
                return f"{place.base}/services"

            return once_to(create, place.organization)
    return _edit(place, form, None)


@blueprint.route("/admin/<org>/groups/<id>/edit", methods=["GET", "POST"])
def edit_group(org: str, id: str) -> Response:
    """Another name."""
    place = enter(org, "group.update")
    group: ServiceGroup = load(place, ServiceGroup, id)
    form = Form(shapes.GroupForm, {"name": group.name})
    if form.sent:
        with form.refusals():
            change = form.read()

            def save() -> str:
                form.check({"name": group.name}, last_save(place, group.id))
                group.update(name=change.name)
                return f"{place.base}/services"

            return once_to(save, place.organization)
    return _edit(place, form, group)


def _edit(place: Place, form: Form, group: ServiceGroup | None) -> Response:
    return screen(
        place,
        "sheet",
        "admin/services/group.html",
        form=form,
        at="services",
        group=group,
        pages=pages_of(place),
    )


@blueprint.post("/admin/<org>/groups/<id>/place")
def move_group(org: str, id: str) -> Response:
    """`to` is `up`, `down`, or where it was dropped: `/GROUP`, before which it stands; `/`: last."""
    place = enter(org, "group.update")
    group: ServiceGroup = load(place, ServiceGroup, id)
    to = request.form.get("to", "")
    _, dropped, before_id = to.partition("/")
    if to not in STEPS and not dropped:
        raise Invalid("Say where to: up, down, or before another group.", "to")
    with transaction(place.organization, by=current_proof().user_id):
        if to in STEPS:
            group.step(STEPS[to])
        else:
            group.move(before(place, ServiceGroup, before_id))
    return stay(f"{place.base}/services")


@blueprint.route("/admin/<org>/groups/<id>/deletion", methods=["GET", "POST"])
def delete_group(org: str, id: str) -> Response:
    """Asks first, and says what it means."""
    place = enter(org, "group.delete")
    if request.method == "POST":

        def remove() -> str:
            load(place, ServiceGroup, id).remove()
            return f"{place.base}/services"

        return once_to(remove, place.organization)
    group: ServiceGroup = load(place, ServiceGroup, id)
    return screen(
        place,
        "sheet",
        "admin/services/delete_group.html",
        form=Form(shapes.GroupForm),
        at="services",
        group=group,
        names=[service.name for service in group.services],
    )
