"""Incidents over REST: opened, updated, resolved once, listed."""

from datetime import timedelta
from itertools import pairwise

from statuspage.clock import now
from statuspage.database import db, snapshot, transaction
from statuspage.models.incident import Incident, IncidentUpdate
from statuspage.models.status import IncidentStatus
from tests.web.api.asking import at_once, lines

ACME = "/incidents?organizationId=org-456"


def test_an_incident_from_its_opening_to_its_end(api, cast):
    service = cast.acme_service.id
    opened = api.post(
        "/incidents",
        {
            "organizationId": "org-456",
            "title": "Checkout fails",
            "message": "We look.",
            "services": {service: "partial_outage"},
        },
        by="acme-editor",
    )
    assert opened.status_code == 201
    assert opened.headers["Location"] == f"/api/incidents/{opened.json['id']}"
    assert opened.json["impact"] == "major"
    assert opened.json["serviceIds"] == [service]
    assert api.get(f"/services/{service}").json["status"] == "partial_outage"
    path = f"/incidents/{opened.json['id']}"
    update = api.post(f"{path}/updates", {"status": "identified", "message": "A disk."}, by="acme-editor")
    assert update.status_code == 201
    assert update.json["services"] == {service: "partial_outage"}
    resolved = {"status": "resolved", "message": "Mended."}
    assert api.post(f"{path}/updates", resolved, by="acme-editor").status_code == 201
    assert api.get(f"/services/{service}").json["status"] == "operational"
    ended = api.get(path).json
    assert [said["status"] for said in ended["updates"]] == ["resolved", "identified", "investigating"]
    assert (ended["status"], ended["updates"][1]) == ("resolved", update.json)
    assert ended["resolvedAt"] is not None
    so_far = lines(cast.acme)
    again = api.post(f"{path}/updates", resolved, by="acme-editor")
    assert (again.status_code, again.json["title"]) == (409, "Conflict")
    assert lines(cast.acme) == so_far


def test_the_author_of_an_update_is_the_tokens_user(api, cast, things):
    said = {"status": "monitoring", "message": "!"}
    id = api.post(f"/incidents/{things.incident}/updates", said, by="acme-editor").json["id"]
    with snapshot() as session:
        assert session.get(IncidentUpdate, id).user_id == cast.users["acme-editor"].id


def test_of_two_resolutions_at_the_same_moment_one_wins(api, cast, things):
    path, resolved = f"/incidents/{things.incident}/updates", {"status": "resolved", "message": "Mended."}
    before = len(lines(cast.acme))
    answers = at_once(*[lambda: api.post(path, resolved, by="acme-editor")] * 3)
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert lines(cast.acme)[before:] == [("incident-update", "resolved")]


def test_a_change_of_status_points_to_updates(api, things):
    answer = api.patch(f"/incidents/{things.incident}", {"status": "resolved"}, by="acme-editor")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/status"
    assert "updates" in answer.json["errors"][0]["detail"]


def test_impact_is_set_and_given_back(api, things):
    path = f"/incidents/{things.incident}"
    assert api.patch(path, {"impact": "critical"}, by="acme-editor").json["impact"] == "critical"
    assert api.patch(path, {"title": "Slower"}, by="acme-editor").json["impact"] == "critical"
    assert api.patch(path, {"impact": None}, by="acme-editor").json["impact"] == "none"


def test_services_of_another_page_are_as_unknown_as_those_that_are_nowhere(api, cast, things):
    told = set()
    for id in (cast.north_service.id, cast.south_service.id, cast.globex_service.id, "nothing"):
        body = {"status": "monitoring", "message": "!", "services": {id: "degraded"}}
        answer = api.post(f"/incidents/{things.incident}/updates", body, by="acme-owner")
        assert answer.status_code == 422
        assert answer.json["errors"][0]["pointer"] == "/services"
        told.add(answer.json["detail"].replace(id, "…"))
    assert len(told) == 1


def test_a_deleted_incident_lets_go_of_its_services(api, cast):
    service = cast.acme_service.id
    body = {"organizationId": "org-456", "title": "!", "message": "!", "services": {service: "degraded"}}
    made = api.post("/incidents", body, by="acme-editor").json
    assert api.delete(f"/incidents/{made['id']}", by="acme-editor").status_code == 204
    assert api.get(f"/services/{service}").json["status"] == "operational"
    assert api.get(f"/incidents/{made['id']}").status_code == 404
    assert api.get(f"/incidents/{made['id']}/updates").status_code == 404


def test_incidents_are_listed_newest_first_open_or_resolved(api, cast):
    moment = now()
    with transaction(cast.acme):
        for n in range(5):  # two by two at the same moment
            began = moment - timedelta(seconds=n // 2)
            incident = Incident.open(cast.acme, None, title=f"i{n}", message="!", started_at=began)
            if n % 2:
                incident.resolve(message="Mended.")
        Incident.open(cast.acme, cast.south, title="South", message="!")
    pages = api.every(f"{ACME}&limit=2")
    assert [len(page) for page in pages] == [2, 2, 1]
    found = [item for page in pages for item in page]
    assert sorted(item["title"] for item in found) == ["i0", "i1", "i2", "i3", "i4"]
    for newer, older in pairwise(found):
        assert newer["startedAt"] > older["startedAt"] or newer["id"] < older["id"]
    assert titles(api, "&status=open") == ["i0", "i2", "i4"]
    assert titles(api, "&status=resolved") == ["i1", "i3"]
    assert len(titles(api, "&scope=all", by="acme-viewer")) == 6
    assert api.get(f"{ACME}&status=closed").json["errors"][0]["pointer"] == "/status"


def titles(api, query, **more):
    return sorted(item["title"] for page in api.every(ACME + query, **more) for item in page)


def test_updates_are_listed_newest_first(api, cast, things):
    with transaction(cast.acme):
        incident = db.session.get(Incident, things.incident)
        for n in range(4):
            incident.post_update(status=IncidentStatus.MONITORING, message=f"u{n}")
    path = f"/incidents/{things.incident}"
    pages = api.every(f"{path}/updates?limit=2")
    said = [[item["message"] for item in page] for page in pages]
    assert said == [
        ["u3", "u2"],
        ["u1", "u0"],
        ["We look."],
    ]
    assert [item for page in pages for item in page] == api.get(path).json["updates"]
