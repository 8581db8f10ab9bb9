"""Services over REST: the seed's examples, what a change does, and lists."""

import base64
import json

from statuspage.database import db, transaction
from statuspage.models.incident import Incident
from statuspage.models.service import Service, ServiceGroup
from statuspage.models.status import ServiceStatus
from tests.web.api.asking import lines

ACME = "/services?organizationId=org-456"


def test_the_seeds_two_examples(api, cast):
    made = api.post(
        "/services",
        {"name": "Test Service", "description": "Test", "organizationId": "org-456"},
        by="acme-admin",
    )
    assert made.status_code == 201
    assert made.headers["Location"] == f"/api/services/{made.json['id']}"
    assert made.json == {
        "id": made.json["id"],
        "organizationId": "org-456",
        "tenantId": None,
        "groupId": None,
        "name": "Test Service",
        "description": "Test",
        "status": "operational",
        "ownStatus": "operational",
        "position": 1,
        "createdAt": made.json["createdAt"],
        "updatedAt": made.json["updatedAt"],
    }
    changed = api.ask("PUT", f"/services/{made.json['id']}", {"status": "degraded"}, by="acme-admin")
    assert changed.status_code == 200
    later = {"status": "degraded", "ownStatus": "degraded", "updatedAt": changed.json["updatedAt"]}
    assert changed.json == {**made.json, **later}
    assert lines(cast.acme)[-2:] == [("service-update", "created"), ("service-update", "status-changed")]
    read = api.get(f"/services/{made.json['id']}")
    assert (read.json, read.headers["ETag"]) == (changed.json, changed.headers["ETag"])


def test_an_open_incident_shows_something_worse_than_the_operators_word(api, cast):
    with transaction(cast.acme):
        down = {cast.acme_service.id: ServiceStatus.MAJOR_OUTAGE}
        Incident.open(cast.acme, None, title="Down", message="!", services=down)
    changed = api.patch(f"/services/{cast.acme_service.id}", {"status": "degraded"}, by="acme-editor")
    assert (changed.json["status"], changed.json["ownStatus"]) == ("major_outage", "degraded")


def test_a_patch_changes_what_it_names_and_records_nothing_when_nothing_differs(api, cast, things):
    path = f"/services/{things.service}"
    before = api.get(path).json
    answer = api.patch(path, {"description": " Two\r\nlines ", "groupId": None}, by="acme-editor")
    kept = {**before, "description": "Two\nlines", "groupId": None, "updatedAt": answer.json["updatedAt"]}
    assert answer.json == kept
    assert api.patch(path, {"groupId": things.group}, by="acme-editor").json["groupId"] == things.group
    so_far = lines(cast.acme)
    same = api.patch(path, {"groupId": things.group, "description": "Two\nlines"}, by="acme-editor")
    assert same.json["groupId"] == things.group
    assert lines(cast.acme) == so_far


def test_an_empty_patch_says_what_is_missing(api, cast):
    answer = api.patch(f"/services/{cast.acme_service.id}", {}, by="acme-editor")
    assert answer.status_code == 422
    assert answer.json["errors"] == [{"pointer": "", "detail": "Give at least one field."}]


def test_a_group_of_another_page_is_as_unknown_as_one_that_is_nowhere(api, cast):
    with transaction(cast.acme, cast.globex):
        foreign = [
            ServiceGroup.create(cast.acme, cast.north, name="North").id,
            ServiceGroup.create(cast.globex, None, name="Globex").id,
            "nothing",
        ]
    new = {"name": "Shop", "organizationId": "org-456"}
    asked = [api.post("/services", {**new, "groupId": id}, by="acme-owner") for id in foreign]
    path = f"/services/{cast.acme_service.id}"
    asked += [api.patch(path, {"groupId": id}, by="acme-owner") for id in foreign]
    assert {answer.status_code for answer in asked} == {422}
    assert len({answer.data for answer in asked}) == 1


def test_a_tenants_service_is_created_on_the_tenants_page_only(api, cast):
    new = {"name": "Shop", "organizationId": "org-456", "tenantId": "tenant-789"}
    made = api.post("/services", new, by="north-editor").json
    assert made["tenantId"] == "tenant-789"
    assert made not in api.get(ACME).json["items"]
    assert made in api.get(f"{ACME}&tenantId=tenant-789").json["items"]
    new["organizationId"] = cast.globex.id
    assert api.post("/services", new, by="globex-owner").status_code == 404


def test_a_deleted_service_is_gone(api, cast):
    path = f"/services/{cast.acme_service.id}"
    answer = api.delete(path, by="acme-editor")
    assert (answer.status_code, answer.data) == (204, b"")
    assert api.get(path).status_code == 404
    assert api.delete(path, by="acme-editor").status_code == 404
    assert lines(cast.acme)[-1] == ("service-update", "deleted")


# --- lists -----------------------------------------------------------------------------------------


def names(pages):
    return [item["name"] for page in pages for item in page]


def test_a_list_comes_in_page_order_a_page_at_a_time(api, cast):
    with transaction(cast.acme):
        cast.acme_service.remove()
        for position, name in ((5, "d"), (1, "a"), (3, "b"), (3, "c"), (9, "e")):
            Service.create(cast.acme, None, name=name, position=position)
    pages = api.every(f"{ACME}&limit=2")
    assert [len(page) for page in pages] == [2, 2, 1]
    placed = [(item["position"], item["id"]) for page in pages for item in page]
    assert placed == sorted(placed)
    assert sorted(names(pages)) == ["a", "b", "c", "d", "e"]
    assert names(api.every(ACME)) == names(pages)


def test_what_is_added_or_deleted_meanwhile_shifts_no_page(api, cast):
    with transaction(cast.acme):
        rows = [Service.create(cast.acme, None, name=f"s{n}", position=n + 10) for n in range(4)]
    first = api.get(f"{ACME}&limit=3").json
    assert names([first["items"]]) == ["API", "s0", "s1"]
    with transaction(cast.acme):
        Service.create(cast.acme, None, name="early", position=0)
        rows[1].remove()
    rest = api.get(f"{ACME}&limit=3&after={first['next']}").json
    assert (names([rest["items"]]), rest["next"]) == (["s2", "s3"], None)


def test_a_list_shows_its_scope_and_no_more(api, cast):
    assert names(api.every(ACME)) == ["API"]
    assert sorted(names(api.every(f"{ACME}&tenantId=tenant-789"))) == ["API", "North gateway"]
    everything = api.every(f"{ACME}&scope=all", by="acme-viewer")
    assert sorted(names(everything)) == ["API", "North gateway", "South gateway"]


def test_lists_out_of_reach_are_not_found(api, cast):
    south, globex = f"{ACME}&tenantId={cast.south.id}", f"/services?organizationId={cast.globex.id}"
    assert api.get(south).status_code == 404
    assert api.get(south, by="north-editor").status_code == 404
    assert api.get(south, by="south-editor").status_code == 200
    assert api.get(globex, by="acme-owner").status_code == 404
    assert api.get(globex, by="globex-owner").status_code == 200
    for by in (None, "north-editor", "globex-owner"):
        assert api.get(f"{ACME}&scope=all", by=by).status_code == 404


def test_a_wrong_query_gets_words_beside_its_parameter(api):
    far = base64.urlsafe_b64encode(json.dumps([10**30, "x"]).encode()).decode()
    for query, pointer in (
        ("", "/organizationId"),
        ("?organizationId=", "/organizationId"),
        ("?organizationId=%00", "/organizationId"),
        ("?organizationId=a&organizationId=b", "/organizationId"),
        ("?organizationId=org-456&limit=0", "/limit"),
        ("?organizationId=org-456&limit=101", "/limit"),
        ("?organizationId=org-456&limit=" + "9" * 5000, "/limit"),
        ("?organizationId=org-456&scope=some", "/scope"),
        ("?organizationId=org-456&scope=all&tenantId=tenant-789", ""),
        ("?organizationId=org-456&tenant_id=tenant-789", "/tenant_id"),
        ("?organizationId=org-456&after=", "/after"),
        ("?organizationId=org-456&after=é", "/after"),
        ("?organizationId=org-456&after=WzEsMl0", "/after"),
        (f"?organizationId=org-456&after={far}", "/after"),
    ):
        answer = api.get(f"/services{query}")
        assert answer.status_code == 422, query
        assert [error["pointer"] for error in answer.json["errors"]] == [pointer], query


def test_a_reader_who_has_it_already_gets_304(api, cast):
    for path in (ACME, f"/services/{cast.acme_service.id}", "/status?organizationId=org-456"):
        etag = api.get(path).headers["ETag"]
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            answer = api.get(path, If_None_Match=known)
            assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", etag)
        assert api.get(path, If_None_Match='"other"').status_code == 200
        head = api.ask("HEAD", path)
        assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", etag)
    with transaction(cast.acme):
        cast.acme_service.update(name="Renamed")
    db.session.rollback()
    assert api.get(path, If_None_Match=etag).status_code == 200
