"""Isolation, generated from the route map: somebody else's ids read nothing, write nothing, hint nothing.

Every rule of the application has a row in ROWS; a new route without one fails here. A row makes the
request that names `its` things. Whoever has no business there must get, to the letter, the answer
that a thing gets that never existed.
"""

from dataclasses import dataclass

import pytest
from sqlalchemy import select

from statuspage.database import db, new_id, transaction
from statuspage.models.consumer import Consumer
from statuspage.models.event import Event
from statuspage.models.incident import Incident
from statuspage.models.membership import Membership
from statuspage.models.organization import Organization, Tenant
from statuspage.models.service import Service, ServiceGroup
from statuspage.models.status import ServiceStatus
from statuspage.models.token import ApiToken
from statuspage.models.user import User

pytestmark = pytest.mark.one_database
SECRET = "Zebra"  # stands in every text of the places that strangers must not see


class Typed(dict):
    """The fields of a form."""


def form(rule, path, **fields):
    """The rows of a form's page: it is shown, and it is sent."""
    return {
        (rule, "GET"): lambda its: (path(its), None),
        (rule, "POST"): lambda its: (path(its), Typed(fields)),
    }


@dataclass(frozen=True)
class Its:
    """Ids and slugs of one place: an organization, or a tenant of it, and what is in it."""

    organization: str
    organization_slug: str
    tenant: str | None
    tenant_slug: str | None
    service: str
    group: str
    incident: str
    update: str = "nosuchupd000"
    member: str = "nosuchmem000"
    token: str = "nosuchtok000"
    consumer: str = "nosuchcon000"

    @property
    def path(self) -> str:
        return f"/{self.organization_slug}" + (f"/{self.tenant_slug}" if self.tenant_slug else "")

    @property
    def admin(self) -> str:
        return f"/admin/{self.organization_slug}"

    @property
    def body(self) -> dict:
        place = {"organizationId": self.organization}
        return {**place, "tenantId": self.tenant} if self.tenant else place

    @property
    def query(self) -> str:
        return "&".join(f"{name}={value}" for name, value in self.body.items())


NOWHERE = {
    None: Its("nosuchorg000", "nowhere", None, None, "nosuchsvc000", "nosuchgrp000", "nosuchinc000"),
    "tenant": Its(
        "org-456", "acme", "nosuchten000", "nowhere", "nosuchsvc000", "nosuchgrp000", "nosuchinc000"
    ),
}
TENANT = Typed(name="x", slug="x", visibility="public")
UPDATE = {"status": "resolved", "message": "x"}

# rule and method -> the request that names its things: (path, JSON body or None)
ROWS = {
    ("/<org>", "GET"): lambda its: (its.path, None),
    ("/<org>/<tenant>", "GET"): lambda its: (its.path, None),
    ("/<org>/incidents/<id>", "GET"): lambda its: (f"{its.path}/incidents/{its.incident}", None),
    ("/<org>/<tenant>/incidents/<id>", "GET"): lambda its: (f"/acme/north/incidents/{its.incident}", None),
    ("/<org>/history", "GET"): lambda its: (f"{its.path}/history", None),
    ("/<org>/<tenant>/history", "GET"): lambda its: (f"{its.path}/history?month=2026-11", None),
    ("/<org>/history.atom", "GET"): lambda its: (f"{its.path}/history.atom", None),
    ("/<org>/<tenant>/history.atom", "GET"): lambda its: (f"{its.path}/history.atom", None),
    ("/<org>/theme.css", "GET"): lambda its: (f"/{its.organization_slug}/theme.css", None),
    ("/<org>/logo", "GET"): lambda its: (f"/{its.organization_slug}/logo", None),
    ("/<org>/changes", "GET"): lambda its: (f"{its.path}/changes", None),
    ("/<org>/<tenant>/changes", "GET"): lambda its: (f"{its.path}/changes?view=data&cursor=x:1", None),
    ("/<org>/stream", "GET"): lambda its: (f"{its.path}/stream", None),
    ("/<org>/<tenant>/stream", "GET"): lambda its: (f"{its.path}/stream?view=data", None),
    ("/embed/<org>", "GET"): lambda its: (f"/embed{its.path}", None),
    ("/embed/<org>/<tenant>", "GET"): lambda its: (f"/embed{its.path}?view=full&theme=dark", None),
    ("/<org>/badge.svg", "GET"): lambda its: (f"{its.path}/badge.svg", None),
    ("/<org>/<tenant>/badge.svg", "GET"): lambda its: (f"{its.path}/badge.svg?label=x", None),
    ("/api/services", "GET"): lambda its: (f"/api/services?{its.query}", None),
    ("/api/services", "POST"): lambda its: ("/api/services", {**its.body, "name": "x"}),
    ("/api/services/<id>", "GET"): lambda its: (f"/api/services/{its.service}", None),
    ("/api/services/<id>", "PUT"): lambda its: (f"/api/services/{its.service}", {"status": "degraded"}),
    ("/api/services/<id>", "PATCH"): lambda its: (f"/api/services/{its.service}", {"name": "x"}),
    ("/api/services/<id>", "DELETE"): lambda its: (f"/api/services/{its.service}", None),
    ("/api/groups", "GET"): lambda its: (f"/api/groups?{its.query}", None),
    ("/api/groups", "POST"): lambda its: ("/api/groups", {**its.body, "name": "x"}),
    ("/api/groups/<id>", "GET"): lambda its: (f"/api/groups/{its.group}", None),
    ("/api/groups/<id>", "PUT"): lambda its: (f"/api/groups/{its.group}", {"name": "x"}),
    ("/api/groups/<id>", "PATCH"): lambda its: (f"/api/groups/{its.group}", {"position": 3}),
    ("/api/groups/<id>", "DELETE"): lambda its: (f"/api/groups/{its.group}", None),
    ("/api/incidents", "GET"): lambda its: (f"/api/incidents?{its.query}", None),
    ("/api/incidents", "POST"): lambda its: (
        "/api/incidents",
        {**its.body, "title": "x", "message": "x", "services": {its.service: "degraded"}},
    ),
    ("/api/incidents/<id>", "GET"): lambda its: (f"/api/incidents/{its.incident}", None),
    ("/api/incidents/<id>", "PUT"): lambda its: (f"/api/incidents/{its.incident}", {"title": "x"}),
    ("/api/incidents/<id>", "PATCH"): lambda its: (f"/api/incidents/{its.incident}", {"impact": "major"}),
    ("/api/incidents/<id>", "DELETE"): lambda its: (f"/api/incidents/{its.incident}", None),
    ("/api/incidents/<id>/updates", "GET"): lambda its: (f"/api/incidents/{its.incident}/updates", None),
    ("/api/incidents/<id>/updates", "POST"): lambda its: (f"/api/incidents/{its.incident}/updates", UPDATE),
    ("/api/status", "GET"): lambda its: (f"/api/status?{its.query}", None),
    ("/api/websocket/info", "GET"): lambda its: (f"/api/websocket/info?{its.query}", None),
    ("/api/websocket/broadcast", "POST"): lambda its: (
        "/api/websocket/broadcast",
        {**its.body, "type": "service-update", "data": {"x": 1}},
    ),
    ("/api/consumers", "GET"): lambda its: (f"/api/consumers?{its.query}", None),
    ("/api/consumers", "POST"): lambda its: ("/api/consumers", {**its.body, "consumerId": "x"}),
    ("/api/consumers/<id>", "GET"): lambda its: (f"/api/consumers/{its.consumer}", None),
    ("/api/consumers/<id>", "DELETE"): lambda its: (f"/api/consumers/{its.consumer}", None),
    ("/api/consumers/<id>/cursor", "PUT"): lambda its: (
        f"/api/consumers/{its.consumer}/cursor",
        {"id": "x:1"},
    ),
    ("/api/events", "GET"): lambda its: (f"/api/events?consumer={its.consumer}", None),
    ("/admin/<org>", "GET"): lambda its: (f"/admin/{its.organization_slug}", None),
    ("/admin/<org>/preview", "POST"): lambda its: (f"{its.admin}/preview", Typed(message="x")),
    ("/admin/<org>/incidents", "GET"): lambda its: (f"{its.admin}/incidents", None),
    ("/admin/<org>/incidents/past", "GET"): lambda its: (f"{its.admin}/incidents/past", None),
    **form("/admin/<org>/incidents/new", lambda its: f"{its.admin}/incidents/new", title="x", message="x"),
    ("/admin/<org>/incidents/<id>", "GET"): lambda its: (f"{its.admin}/incidents/{its.incident}", None),
    ("/admin/<org>/incidents/<id>/updates", "POST"): lambda its: (
        f"{its.admin}/incidents/{its.incident}/updates",
        Typed(status="monitoring", message="x"),
    ),
    ("/admin/<org>/incidents/<id>/resolution", "POST"): lambda its: (
        f"{its.admin}/incidents/{its.incident}/resolution",
        Typed(message="x"),
    ),
    **form(
        "/admin/<org>/incidents/<id>/updates/<update_id>",
        lambda its: f"{its.admin}/incidents/{its.incident}/updates/{its.update}",
        message="y",
    ),
    **form(
        "/admin/<org>/incidents/<id>/edit",
        lambda its: f"{its.admin}/incidents/{its.incident}/edit",
        title="x",
    ),
    **form(
        "/admin/<org>/incidents/<id>/deletion", lambda its: f"{its.admin}/incidents/{its.incident}/deletion"
    ),
    ("/admin/<org>/services", "GET"): lambda its: (f"{its.admin}/services", None),
    **form("/admin/<org>/services/new", lambda its: f"{its.admin}/services/new", name="x"),
    **form(
        "/admin/<org>/services/<id>/edit", lambda its: f"{its.admin}/services/{its.service}/edit", name="x"
    ),
    **form("/admin/<org>/services/<id>/deletion", lambda its: f"{its.admin}/services/{its.service}/deletion"),
    ("/admin/<org>/services/<id>/place", "POST"): lambda its: (
        f"{its.admin}/services/{its.service}/place",
        Typed(to="up"),
    ),
    **form("/admin/<org>/groups/new", lambda its: f"{its.admin}/groups/new", name="x"),
    **form("/admin/<org>/groups/<id>/edit", lambda its: f"{its.admin}/groups/{its.group}/edit", name="x"),
    **form("/admin/<org>/groups/<id>/deletion", lambda its: f"{its.admin}/groups/{its.group}/deletion"),
    ("/admin/<org>/groups/<id>/place", "POST"): lambda its: (
        f"{its.admin}/groups/{its.group}/place",
        Typed(to="up"),
    ),
    ("/admin/<org>/services/<id>/status", "POST"): lambda its: (
        f"/admin/{its.organization_slug}/services/{its.service}/status",
        Typed(status="degraded"),
    ),
    ("/admin/<org>/tenants", "GET"): lambda its: (f"{its.admin}/tenants", None),
    ("/admin/<org>/tenants/new", "GET"): lambda its: (f"{its.admin}/tenants/new", None),
    ("/admin/<org>/tenants/new", "POST"): lambda its: (f"{its.admin}/tenants/new", TENANT),
    ("/admin/<org>/tenants/<id>", "GET"): lambda its: (f"{its.admin}/tenants/{its.tenant}", None),
    ("/admin/<org>/tenants/<id>", "POST"): lambda its: (f"{its.admin}/tenants/{its.tenant}", TENANT),
    ("/admin/<org>/tenants/<id>/deletion", "GET"): lambda its: (
        f"{its.admin}/tenants/{its.tenant}/deletion",
        None,
    ),
    ("/admin/<org>/tenants/<id>/deletion", "POST"): lambda its: (
        f"{its.admin}/tenants/{its.tenant}/deletion",
        Typed(),
    ),
    ("/admin/<org>/members", "GET"): lambda its: (f"{its.admin}/members", None),
    ("/admin/<org>/members/new", "GET"): lambda its: (f"{its.admin}/members/new", None),
    ("/admin/<org>/members/new", "POST"): lambda its: (
        f"{its.admin}/members/new",
        Typed(email="eve@example.org", name="Eve", role="viewer"),
    ),
    ("/admin/<org>/members/<id>", "GET"): lambda its: (f"{its.admin}/members/{its.member}", None),
    ("/admin/<org>/members/<id>", "POST"): lambda its: (
        f"{its.admin}/members/{its.member}",
        Typed(role="viewer"),
    ),
    ("/admin/<org>/members/<id>/removal", "POST"): lambda its: (
        f"{its.admin}/members/{its.member}/removal",
        Typed(),
    ),
    ("/admin/<org>/members/<id>/invitation", "POST"): lambda its: (
        f"{its.admin}/members/{its.member}/invitation",
        Typed(),
    ),
    ("/admin/<org>/analytics", "GET"): lambda its: (f"{its.admin}/analytics?range=week", None),
    ("/admin/<org>/analytics/export", "GET"): lambda its: (
        f"{its.admin}/analytics/export?of=connections&format=json",
        None,
    ),
    ("/admin/<org>/tokens", "GET"): lambda its: (f"{its.admin}/tokens", None),
    ("/admin/<org>/tokens/new", "GET"): lambda its: (f"{its.admin}/tokens/new", None),
    ("/admin/<org>/tokens/new", "POST"): lambda its: (
        f"{its.admin}/tokens/new",
        Typed(name="x", role="viewer"),
    ),
    ("/admin/<org>/tokens/<id>/revocation", "GET"): lambda its: (
        f"{its.admin}/tokens/{its.token}/revocation",
        None,
    ),
    ("/admin/<org>/tokens/<id>/revocation", "POST"): lambda its: (
        f"{its.admin}/tokens/{its.token}/revocation",
        Typed(),
    ),
    ("/admin/<org>/settings", "GET"): lambda its: (f"{its.admin}/settings", None),
    ("/admin/<org>/settings", "POST"): lambda its: (f"{its.admin}/settings", Typed(name="x")),
    ("/admin/<org>/settings/logo", "POST"): lambda its: (f"{its.admin}/settings/logo", Typed(remove="1")),
    ("/admin/<org>/settings/deletion", "GET"): lambda its: (f"{its.admin}/settings/deletion", None),
    ("/admin/<org>/settings/deletion", "POST"): lambda its: (
        f"{its.admin}/settings/deletion",
        Typed(slug=its.organization_slug),
    ),
}
# What every member may do: make tokens of one's own.
ANY_MEMBERS = {rule for rule in ROWS if rule[0].startswith("/admin/<org>/tokens")}
# What is somebody's own: those who read as members make theirs, and touch nobody else's.
OWN = ("/api/consumers", "POST")
# Rules that name nobody's things: they show what is public, or nothing.
NAMELESS = {
    ("/", "GET"),
    ("/robots.txt", "GET"),
    ("/healthz", "GET"),
    ("/readyz", "GET"),
    ("/metrics", "GET"),
    ("/static/<path:file>", "GET"),
    ("/api/openapi.json", "GET"),
    ("/console", "GET"),
    ("/sign-in", "GET"),
    ("/sign-in", "POST"),
    ("/sign-out", "POST"),
    ("/join/<secret>", "GET"),
    ("/join/<secret>", "POST"),
    ("/setup", "GET"),
    ("/setup", "POST"),
    ("/account", "GET"),
    ("/account/password", "POST"),
    ("/account/sessions", "POST"),
    ("/admin", "GET"),
    ("/embed.js", "GET"),
    ("/sw.js", "GET"),
    ("/offline", "GET"),
}

STRANGERS = {
    "globex": (
        None,
        "acme-viewer",
        "acme-editor",
        "acme-admin",
        "acme-owner",
        "north-admin",
        "south-editor",
    ),
    "east": (None, "acme-viewer", "acme-editor", "acme-admin", "acme-owner", "north-admin", "south-editor"),
    "south": (None, "north-editor", "north-admin", "globex-owner"),
}
OUTSIDERS = (
    "globex-owner",
    "north-editor",
    "north-admin",
)  # the admin is for members of the whole organization
CASES = [(place, who) for place, strangers in STRANGERS.items() for who in strangers]


@pytest.fixture
def places(cast):
    """Globex (private), its tenant East, and Acme's private tenant South, each with a secret in it."""
    cast.places = {}
    for name, organization, tenant in (
        ("globex", cast.globex, None),
        ("east", cast.globex, cast.east),
        ("south", cast.acme, cast.south),
    ):
        with transaction(organization):
            if tenant is None:
                organization.set_look(accent="#0a5c7a", logo=b"<svg xmlns='x'/>")
            service = Service.create(organization, tenant, name=f"{SECRET} service")
            group = ServiceGroup.create(organization, tenant, name=f"{SECRET} group")
            incident = Incident.open(
                organization,
                tenant,
                title=f"{SECRET} incident",
                message=SECRET,
                services={service.id: ServiceStatus.DEGRADED},
            )
        cast.places[name] = Its(
            organization.id,
            organization.slug,
            tenant.id if tenant else None,
            tenant.slug if tenant else None,
            service.id,
            group.id,
            incident.id,
            incident.updates[0].id,
            *(_held(organization) if name == "globex" else ()),
            consumer=_consumer(cast, organization, tenant),
        )
    return cast


def _held(organization: Organization) -> list[str]:
    """The ids of a membership and of a token there."""
    return [
        db.session.query(model).filter_by(organization_id=organization.id).first().id
        for model in (Membership, ApiToken)
    ]


def _consumer(cast, organization: Organization, tenant: Tenant | None = None) -> str:
    """The id of one that Acme's owner, or Globex's, has there."""
    name = "acme-owner" if organization is cast.acme else "globex-owner"
    with transaction(organization):
        user_id = cast.users[name].id
        return Consumer.register(organization, tenant, user_id=user_id, consumer_id=new_id()).id


def ask(client, method, request, headers):
    path, body = request
    sent = {"data": body} if isinstance(body, Typed) else {"json": body}
    return client.open(path, method=method, headers=headers, **sent)


def rules(app):
    return {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def everything(cast) -> list[tuple]:
    """All rows that a request could have changed, and the log."""
    db.session.expire_all()
    tables = (
        Organization,
        Tenant,
        Service,
        ServiceGroup,
        Incident,
        Event,
        User,
        Membership,
        ApiToken,
        Consumer,
    )
    return [tuple(row) for table in tables for row in db.session.execute(select(table.__table__))]


def test_every_route_has_a_row(app):
    assert rules(app) == set(ROWS) | NAMELESS


@pytest.mark.parametrize(("place", "who"), CASES)
def test_a_stranger_reads_writes_and_learns_nothing(places, client, place, who):
    its = places.places[place]
    nothing = NOWHERE["tenant" if place == "south" else None]
    before = everything(places)
    for (rule, method), request in ROWS.items():
        answers = []
        for target in (its, nothing):
            response = ask(client, method, request(target), places.bearer(who))
            answers.append((response.status_code, response.get_data(as_text=True)))
            response.close()
        assert answers[0] == answers[1], f"{method} {rule} tells that it exists"
        unknown = 401 if who is None and rule.startswith("/admin") else 404  # operators sign in first
        assert answers[0][0] == unknown, f"{method} {rule}: {answers[0][0]}"
        assert SECRET not in answers[0][1]
    assert everything(places) == before


@pytest.mark.parametrize("who", [None, "globex-owner", "north-editor", "north-admin", "acme-viewer"])
def test_readers_of_a_public_page_write_nothing_there(places, client, who):
    with transaction(places.acme):
        group = ServiceGroup.create(places.acme, None, name="Core")
        incident = Incident.open(places.acme, None, title="Open", message="x")
    its = Its(
        "org-456",
        "acme",
        None,
        None,
        places.acme_service.id,
        group.id,
        incident.id,
        incident.updates[0].id,
        consumer=_consumer(places, places.acme),
    )
    before = everything(places)
    for (rule, method), request in ROWS.items():
        if method == "GET" or (who == "acme-viewer" and (rule, method) in ANY_MEMBERS):
            continue
        if (rule, method) == OWN and who in ("acme-viewer", "north-editor", "north-admin"):
            continue
        response = ask(client, method, request(its), places.bearer(who))
        refused = 404 if who in OUTSIDERS and rule.startswith("/admin") else 403
        assert response.status_code == (refused if who else 401), f"{method} {rule}"
    assert everything(places) == before


@pytest.mark.parametrize("who", [None, "acme-owner", "north-editor", "globex-owner"])
def test_no_list_or_page_that_is_open_to_somebody_shows_what_is_not(places, client, who):
    """Whoever may see some of Acme sees nothing of Globex, nor of South unless entitled."""
    entitled = who == "acme-owner"
    for path in (
        "/",
        "/acme",
        "/acme/north",
        "/acme/history",
        "/acme/history.atom",
        "/acme/north/history",
        "/acme/north/history.atom",
        "/acme/changes",
        "/acme/north/changes",
        "/embed/acme?view=full",
        "/embed/acme/north?view=full",
        "/acme/north/badge.svg",
        "/api/services?organizationId=org-456",
        "/api/services?organizationId=org-456&scope=all",
        "/api/incidents?organizationId=org-456&tenantId=tenant-789",
        "/api/incidents?organizationId=org-456&scope=all",
        "/api/groups?organizationId=org-456&scope=all",
        "/api/status?organizationId=org-456&scope=all",
        "/api/websocket/info?organizationId=org-456",
    ):
        text = client.get(path, headers=places.bearer(who)).get_data(as_text=True)
        assert "Globex" not in text or (who == "globex-owner" and path == "/"), path
        if not (entitled and "scope=all" in path):
            assert SECRET not in text, path


@pytest.mark.parametrize("who", ["acme-editor", "acme-admin", "acme-owner"])
@pytest.mark.parametrize("place", ["globex", "east", "south"])
def test_foreign_ids_in_a_body_are_answered_like_unknown_ones(places, client, who, place):
    """An editor of Acme's own page names a group or a service of somebody else."""
    its, nothing = places.places[place], NOWHERE[None]
    before = everything(places)

    def ask(target: Its) -> list[tuple[int, str]]:
        requests = [
            ("POST", "/api/services", {"organizationId": "org-456", "name": "x", "groupId": target.group}),
            ("PUT", f"/api/services/{places.acme_service.id}", {"groupId": target.group}),
            (
                "POST",
                "/api/incidents",
                {
                    "organizationId": "org-456",
                    "title": "x",
                    "message": "x",
                    "services": {target.service: ServiceStatus.DEGRADED.value},
                },
            ),
        ]
        answers = []
        for method, path, body in requests:
            response = client.open(path, method=method, json=body, headers=places.bearer(who))
            words = response.get_data(as_text=True)
            for id in (target.group, target.service):
                words = words.replace(id, "ID")
            answers.append((response.status_code, words))
        return answers

    assert ask(its) == ask(nothing)
    assert {status for status, _ in ask(its)} == {422}
    assert everything(places) == before


def test_what_a_tenants_admin_may_list_is_that_tenants(places, client):
    """Also of things that are listed together with the organization's own: whose consumers those are."""
    own, other = (_consumer(places, places.acme, tenant) for tenant in (places.north, None))
    for path in ("/api/consumers", "/api/websocket/info"):
        answer = client.get(
            f"{path}?organizationId=org-456&tenantId=tenant-789", headers=places.bearer("north-admin")
        )
        text = answer.get_data(as_text=True)
        assert answer.status_code == 200
        assert (own in text) == (path == "/api/consumers")
        for foreign in (other, places.places["south"].consumer):
            assert foreign not in text
    for id, expected in ((own, 200), (other, 403), (places.places["south"].consumer, 404)):
        answer = client.get(f"/api/consumers/{id}", headers=places.bearer("north-admin"))
        assert answer.status_code == expected


def test_a_tenant_of_another_organization_is_no_tenant_of_this_one(places, client):
    for body in (
        {"organizationId": "org-456", "tenantId": places.east.id, "name": "x"},
        {"organizationId": places.globex.id, "tenantId": places.north.id, "name": "x"},
    ):
        response = client.post("/api/services", json=body, headers=places.bearer("acme-owner"))
        assert response.status_code == 404
