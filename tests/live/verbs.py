"""Every verb of the models, as a step that a test can take: `VERBS[name](cast, n)` changes something.

`n` picks among what is there. A step that the rules refuse changes nothing, as with a real operator.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from statuspage.database import db, transaction
from statuspage.models.embedding import allow_embedding
from statuspage.models.errors import Refusal
from statuspage.models.incident import Incident
from statuspage.models.invitation import Invitation
from statuspage.models.membership import Membership
from statuspage.models.organization import Organization, Tenant
from statuspage.models.role import Role
from statuspage.models.service import Service, ServiceGroup
from statuspage.models.status import Impact, IncidentStatus, ServiceStatus, Visibility
from statuspage.models.token import ApiToken
from statuspage.models.user import User
from tests.cast import Cast

NAMES = ("API", "Ü <script>alert(1)</script>", "a" * 80, "حالة الخدمة", "状態", "&amp; \"quoted\" 'name'")


def take(name: str, cast: Cast, n: int) -> bool:
    """Take one step in Acme; False when the rules refused it."""
    try:
        with transaction(cast.acme):
            VERBS[name](cast, n)
    except Refusal:
        return False
    return True


def pick(rows: Sequence[Any], n: int) -> Any:
    if not rows:
        raise Refusal("There is none to pick.")
    return rows[n % len(rows)]


def of(model: type[Any], cast: Cast) -> list[Any]:
    return db.session.query(model).filter_by(organization_id=cast.acme.id).order_by(model.id).all()


def place(cast: Cast, n: int) -> Tenant | None:
    return pick([None, *of(Tenant, cast)], n)


def status(n: int) -> ServiceStatus:
    return pick(list(ServiceStatus), n)


def affected(cast: Cast, tenant: Tenant | None, n: int) -> dict[str, ServiceStatus]:
    services = [s for s in of(Service, cast) if s.tenant_id == (tenant.id if tenant else None)]
    return {service.id: status(n + i) for i, service in enumerate(services) if (n >> i) & 1}


def groups(cast: Cast, tenant_id: str | None) -> list[ServiceGroup | None]:
    return [None, *(group for group in of(ServiceGroup, cast) if group.tenant_id == tenant_id)]


def create_service(cast: Cast, n: int) -> None:
    tenant = place(cast, n)
    group = pick(groups(cast, tenant.id if tenant else None), n)
    Service.create(cast.acme, tenant, name=pick(NAMES, n), group=group, own_status=status(n))


def update_service(cast: Cast, n: int) -> None:
    service = pick(of(Service, cast), n)
    changes = [
        {"own_status": status(n).value},
        {"name": pick(NAMES, n)},
        {"description": f"Description {n}"},
        {"position": n % 5},
        {"group": pick(groups(cast, service.tenant_id), n)},
        {"own_status": status(n).value, "name": f"Both {n}"},
    ]
    service.update(**pick(changes, n // 7))


def move_service(cast: Cast, n: int) -> None:
    service = pick(of(Service, cast), n)
    group = pick(groups(cast, service.tenant_id), n // 3)
    there = [
        other
        for other in of(Service, cast)
        if other.group is group and other.tenant_id == service.tenant_id and other is not service
    ]
    service.move(group, pick([None, *there], n // 7))


def update_group(cast: Cast, n: int) -> None:
    pick(of(ServiceGroup, cast), n).update(name=f"Group {n % 9}", position=n % 4)


def move_group(cast: Cast, n: int) -> None:
    group = pick(of(ServiceGroup, cast), n)
    group.move(pick(groups(cast, group.tenant_id), n // 2))


def open_incident(cast: Cast, n: int) -> None:
    tenant = place(cast, n)
    Incident.open(
        cast.acme,
        tenant,
        title=f"{pick(NAMES, n)} {n}",
        message="First line.\n\nSecond *line*.",
        status=pick(list(IncidentStatus)[:3], n),
        services=affected(cast, tenant, n),
        impact=pick([None, *Impact], n),
    )


def post_update(cast: Cast, n: int) -> None:
    incident = pick(of(Incident, cast), n)
    services = affected(cast, incident.tenant, n) if n % 2 else None
    incident.post_update(status=pick(list(IncidentStatus), n), message=f"Update {n}", services=services)


def update_incident(cast: Cast, n: int) -> None:
    changes = [{"title": f"Renamed {n}"}, {"set_impact": pick([None, "minor", "critical"], n)}]
    pick(of(Incident, cast), n).update(**pick(changes, n))


def turn_day(cast: Cast, n: int) -> None:
    """Midnight, as many days on as it takes."""
    tomorrow = cast.acme.today + timedelta(days=1 + n % 3)
    with patch.object(Organization, "local_date", lambda _: tomorrow):
        cast.acme.turn_day()


def edit_message(cast: Cast, n: int) -> None:
    pick(pick(of(Incident, cast), n).updates, n).edit(f"Corrected {n}", by=cast.users["acme-owner"].id)


def create_tenant(cast: Cast, n: int) -> None:
    Tenant.create(cast.acme, slug=f"t{n}", name=f"Tenant {n}")


def update_tenant(cast: Cast, n: int) -> None:
    changes = [{"name": f"North {n}"}, {"slug": f"north-{n}"}]
    cast.north.update(**pick(changes, n))


def toggle(cast: Cast, place: Organization | Tenant) -> None:
    place.update(visibility=Visibility.PRIVATE if place.public else Visibility.PUBLIC)


def update_organization(cast: Cast, n: int) -> None:
    changes = [
        {"name": f"Acme {n}"},
        {"slug": f"acme-{n}"},
        {"timezone": pick(["UTC", "Pacific/Auckland"], n)},
    ]
    cast.acme.update(**pick(changes, n))


LOGO = b'<svg xmlns="http://www.w3.org/2000/svg"><title>%d</title></svg>'


def set_look(cast: Cast, n: int) -> None:
    changes = [{"accent": "#0a7ea4"}, {"logo": LOGO % n}, {"accent": ""}, {"logo": b""}]
    cast.acme.set_look(**pick(changes, n))


def grant_membership(cast: Cast, n: int) -> None:
    Membership.grant(
        cast.users["acme-viewer"], pick([Role.VIEWER, Role.EDITOR], n), cast.acme, place(cast, n)
    )


def invite(cast: Cast, n: int) -> None:
    user = User.create(name=pick(NAMES, n), email=f"guest-{n}@example.org")
    Membership.grant(user, Role.VIEWER, cast.acme, place(cast, n))
    Invitation.create(user, cast.acme, granter=Role.ADMIN)


def accept(cast: Cast, n: int) -> None:
    invite(cast, n + 1000)
    pick(of(Invitation, cast), n).accept("a hash")


def create_token(cast: Cast, n: int) -> None:
    ApiToken.create(cast.users["acme-owner"], Role.VIEWER, cast.acme, name=f"Token {n}")


VERBS: dict[str, Callable[[Cast, int], Any]] = {
    "Service.create": create_service,
    "Service.update": update_service,
    "Service.move": move_service,
    "Service.step": lambda cast, n: pick(of(Service, cast), n).step(1 if n % 2 else -1),
    "Service.remove": lambda cast, n: pick(of(Service, cast), n).remove(),
    "ServiceGroup.create": lambda cast, n: ServiceGroup.create(cast.acme, place(cast, n), name=f"Group {n}"),
    "ServiceGroup.update": update_group,
    "ServiceGroup.step": lambda cast, n: pick(of(ServiceGroup, cast), n).step(1 if n % 2 else -1),
    "ServiceGroup.move": move_group,
    "ServiceGroup.remove": lambda cast, n: pick(of(ServiceGroup, cast), n).remove(),
    "Incident.open": open_incident,
    "Incident.post_update": post_update,
    "Incident.resolve": lambda cast, n: pick(of(Incident, cast), n).resolve(message="Done."),
    "Incident.update": update_incident,
    "Incident.remove": lambda cast, n: pick(of(Incident, cast), n).remove(),
    "IncidentUpdate.edit": edit_message,
    "Tenant.create": create_tenant,
    "Tenant.update": update_tenant,
    "Tenant.remove": lambda cast, n: pick([t for t in of(Tenant, cast) if t.id != cast.north.id], n).remove(),
    "Tenant.visibility": lambda cast, n: toggle(cast, cast.south),
    "Organization.update": update_organization,
    "Organization.set_look": set_look,
    "Organization.visibility": lambda cast, n: toggle(cast, cast.acme),
    "Organization.allow_embedding": lambda cast, n: allow_embedding(cast.acme, [f"https://{n}.example"]),
    "Organization.turn_day": turn_day,
    "Organization.prune": lambda cast, n: cast.acme.prune(cast.acme.seq - n % 4),
    "Organization.renew_epoch": lambda cast, n: cast.acme.renew_epoch(),
    "Membership.grant": grant_membership,
    "Membership.remove": lambda cast, n: pick(of(Membership, cast), n).remove(),
    "Invitation.create": invite,
    "Invitation.accept": accept,
    "ApiToken.create": create_token,
    "ApiToken.revoke": lambda cast, n: pick(of(ApiToken, cast), n).revoke(),
}
