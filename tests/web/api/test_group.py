"""Groups over REST."""

from statuspage.database import transaction
from statuspage.models.service import Service, ServiceGroup
from tests.web.api.asking import lines


def test_a_group_is_created_changed_and_read(api, cast):
    made = api.post("/groups", {"name": " Websites ", "organizationId": "org-456"}, by="acme-editor")
    assert made.headers["Location"] == f"/api/groups/{made.json['id']}"
    assert (made.json["name"], made.json["position"], made.json["tenantId"]) == ("Websites", 0, None)
    path = f"/groups/{made.json['id']}"
    changed = api.patch(path, {"name": "Shops", "position": 7}, by="acme-editor").json
    assert changed == {**made.json, "name": "Shops", "position": 7}
    assert api.get(path).json == changed
    so_far = lines(cast.acme)
    assert api.patch(path, {"name": "Shops"}, by="acme-editor").status_code == 200
    assert lines(cast.acme) == so_far


def test_a_deleted_group_leaves_its_services_under_no_heading(api, cast, things):
    with transaction(cast.acme):
        group = ServiceGroup.create(cast.acme, None, name="Three")
        ids = [Service.create(cast.acme, None, name=f"s{n}", group=group).id for n in range(3)]
    before = len(lines(cast.acme))
    assert api.delete(f"/groups/{group.id}", by="acme-editor").status_code == 204
    assert lines(cast.acme)[before:] == [("service-update", "updated")] * 3 + [("group", "deleted")]
    assert [api.get(f"/services/{id}").json["groupId"] for id in ids] == [None, None, None]
    assert api.get(f"/services/{things.service}").json["groupId"] == things.group
    assert api.get(f"/groups/{group.id}").status_code == 404


def test_groups_are_listed_in_page_order_of_their_scope(api, cast):
    with transaction(cast.acme):
        for position, name in ((2, "c"), (0, "a"), (1, "b")):
            ServiceGroup.create(cast.acme, None, name=name, position=position)
        ServiceGroup.create(cast.acme, cast.south, name="South", position=0)
    pages = api.every("/groups?organizationId=org-456&limit=2")
    assert [[item["name"] for item in page] for page in pages] == [["a", "b"], ["c"]]
    assert len(api.get("/groups?organizationId=org-456&scope=all", by="acme-viewer").json["items"]) == 4
    assert api.get(f"/groups?organizationId=org-456&tenantId={cast.south.id}").status_code == 404
