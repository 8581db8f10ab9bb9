"""Consumers over REST: whose they are, what waits for them, and what they acknowledge."""

import pytest

from statuspage.database import db, transaction
from statuspage.models import consumer as consumers
from statuspage.models import retention
from statuspage.models.consumer import Consumer
from statuspage.models.role import Role
from statuspage.models.token import ApiToken
from tests.live.test_consuming import age_everything
from tests.live.test_entry import cursor_of, ids_after, say

NEW = {"organizationId": "org-456", "consumerId": "billing"}


@pytest.fixture
def billing(api) -> str:
    """The id of the editor's consumer of Acme's page."""
    answer = api.post("/consumers", NEW, by="acme-editor")
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/consumers/{answer.json['id']}"
    return answer.json["id"]


def waiting(api, consumer: str = "billing", by: str = "acme-editor", **query):
    asked = "".join(f"&{name}={value}" for name, value in query.items())
    answer = api.get(f"/events?consumer={consumer}{asked}", by=by)
    assert answer.status_code == 200, answer.text
    return answer.json


def acknowledge(api, id: str, consumer: str = "billing", by: str = "acme-editor"):
    return api.ask("PUT", f"/consumers/{consumer}/cursor", {"id": id}, by=by)


def test_events_wait_until_they_are_acknowledged_a_page_at_a_time(api, cast, billing):
    assert waiting(api) == {"events": [], "cursor": cursor_of(cast.acme), "reset": False, "more": False}
    start = cast.acme.seq
    say(cast.acme, 5)
    say(cast.acme, 2, cast.north)
    expected, got = ids_after(cast.acme, start), []
    assert len(expected) == 5, "a tenant's are not this page's"
    while True:
        page = waiting(api, limit=2)
        assert page == waiting(api, billing, limit=2), "the same ones come again, by either name"
        got += [event["id"] for event in page["events"]]
        assert acknowledge(api, page["cursor"]).json["cursor"] == page["cursor"]
        if not page["more"]:
            break
    assert got == expected
    assert waiting(api)["events"] == []
    assert set(page["events"][0]) == {
        *("event", "id", "since", "type", "data", "organizationId", "tenantId", "timestamp")
    }


def test_more_than_a_page_of_the_log_waits_in_order(api, cast, billing, app, monkeypatch):
    """Not from memory: this process has only just opened the log."""
    monkeypatch.setattr("statuspage.live.feed.PAGE", 4)
    start = cast.acme.seq
    say(cast.acme, 9)
    app.extensions["live"].hub.channels.clear()
    got = []
    while page := waiting(api):
        got += [event["id"] for event in page["events"]]
        acknowledge(api, page["cursor"])
        if not page["more"]:
            break
    assert got == ids_after(cast.acme, start)


def test_nothing_moves_back_and_nothing_is_acknowledged_that_is_not_there(api, cast, billing):
    begun, last = cursor_of(cast.acme), say(cast.acme, 3)
    assert acknowledge(api, last).json["cursor"] == last
    assert acknowledge(api, begun).json["cursor"] == last
    for wrong in ("nonsense", "other:1", cursor_of(cast.acme, cast.acme.seq + 1)):
        refused = acknowledge(api, wrong)
        assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (422, "/id")
    assert api.get("/consumers/billing", by="acme-editor").json["cursor"] == last


def test_one_that_is_too_far_behind_is_told_where_to_go_on(api, cast, billing, app):
    say(cast.acme, 3)
    with transaction(cast.acme):
        cast.acme.prune(cast.acme.seq - 1)
    app.extensions["live"].hub.channels.clear()
    for end in ("pruned", "of another epoch"):
        told = waiting(api)
        assert told == {"events": [], "cursor": cursor_of(cast.acme), "reset": True, "more": False}, end
        assert acknowledge(api, told["cursor"]).status_code == 200
        id = say(cast.acme)
        assert [event["id"] for event in waiting(api)["events"]] == [id]
        with transaction(cast.acme):
            cast.acme.renew_epoch()


def test_one_that_was_away_until_its_lines_were_forgotten_is_told_so(api, cast, billing, app):
    say(cast.acme, 3)
    age_everything(days=400)
    say(cast.acme)
    retention.pruning({"EVENT_DAYS": 365})(lambda: True)
    app.extensions["live"].hub.channels.clear()
    assert waiting(api) == {"events": [], "cursor": cursor_of(cast.acme), "reset": True, "more": False}


def test_it_may_begin_at_a_position_of_its_own(api, cast):
    start = cast.acme.seq
    say(cast.acme, 2)
    begun = api.post("/consumers", {**NEW, "cursor": cursor_of(cast.acme, start)}, by="acme-editor")
    assert begun.json["cursor"] == cursor_of(cast.acme, start)
    assert len(waiting(api)["events"]) == 2


@pytest.mark.one_database
def test_a_consumer_is_its_users_own(api, cast, billing, subtests):
    body = {"id": cursor_of(cast.acme)}
    asks = {
        "events": lambda by: api.get(f"/events?consumer={billing}", by=by),
        "cursor": lambda by: api.ask("PUT", f"/consumers/{billing}/cursor", body, by=by),
        "read": lambda by: api.get(f"/consumers/{billing}", by=by),
        "delete": lambda by: api.delete(f"/consumers/{billing}", by=by),
        "list": lambda by: api.get("/consumers?organizationId=org-456", by=by),
        "create": lambda by: api.post("/consumers", NEW, by=by),
    }
    expected = {  # a visitor, a stranger, a team mate, an admin, its user
        "events": (401, 403, 403, 403, 200),
        "cursor": (401, 403, 403, 403, 200),
        "read": (401, 403, 403, 200, 200),
        "list": (401, 403, 200, 200, 200),
        "create": (401, 403, 201, 201, 409),
    }
    who = (None, "globex-owner", "acme-viewer", "acme-admin", "acme-editor")
    for verb, statuses in expected.items():
        with subtests.test(verb):
            assert tuple(asks[verb](by).status_code for by in who) == statuses
    mine = api.get("/consumers?organizationId=org-456", by="acme-viewer").json["items"]
    assert [each["userId"] for each in mine] == [cast.users["acme-viewer"].id]
    assert len(api.every("/consumers?organizationId=org-456&limit=2", by="acme-admin")) == 2
    assert [asks["delete"](by).status_code for by in who] == [401, 403, 403, 204, 404]


@pytest.mark.one_database
def test_a_tenants_admin_lists_that_tenants_consumers_and_the_own(api, cast, billing):
    """The organization's own page is read there too, but who listens to it is not this admin's business."""
    of_north = {**NEW, "tenantId": "tenant-789"}
    ids = [
        api.post("/consumers", body, by=who).json["id"]
        for body, who in ((of_north, "north-editor"), (NEW, "north-admin"), (of_north, "acme-viewer"))
    ]
    listed = lambda by: [  # noqa: E731
        each["id"]
        for each in api.get("/consumers?organizationId=org-456&tenantId=tenant-789", by=by).json["items"]
    ]
    assert listed("north-admin") == ids
    assert listed("north-editor") == ids[:1]
    assert listed("acme-admin") == [ids[0], ids[2]]
    assert api.get(f"/consumers/{billing}", by="north-admin").status_code == 403


@pytest.mark.one_database
def test_a_token_reaches_no_further_by_its_users_consumers(api, cast):
    """Another token of the same user goes on with it, if it reaches the scope."""
    whole = {**NEW, "scope": "all"}
    assert api.post("/consumers", whole, by="north-editor").status_code == 404
    assert api.post("/consumers", {**whole, "tenantId": "tenant-789"}, by="acme-editor").status_code == 422
    assert api.post("/consumers", whole, by="acme-editor").json["scope"] == "all"
    with transaction(cast.acme):
        user, north = (db.session.merge(each) for each in (cast.users["acme-editor"], cast.north))
        _, cast.tokens["other"] = ApiToken.create(user, Role.VIEWER, cast.acme)
        _, cast.tokens["narrow"] = ApiToken.create(user, Role.EDITOR, cast.acme, north)
    say(cast.acme, 1, cast.south)
    assert len(waiting(api, by="other")["events"]) == 1
    assert api.get("/events?consumer=billing", by="narrow").status_code == 404
    assert acknowledge(api, cursor_of(cast.acme), by="narrow").status_code == 404
    assert api.get("/consumers?organizationId=org-456", by="other").json["items"] == []
    assert len(api.get("/consumers?organizationId=org-456&scope=all", by="other").json["items"]) == 1


@pytest.mark.one_database
def test_one_name_in_two_organizations_is_told_apart_by_id(api, cast):
    ids = [
        api.post("/consumers", {**NEW, "organizationId": id}, by="operator").json["id"]
        for id in ("org-456", cast.globex.id)
    ]
    refused = api.get("/events?consumer=billing", by="operator")
    assert (refused.status_code, "by its id" in refused.json["detail"]) == (409, True)
    for id in ids:
        assert waiting(api, id, by="operator")["events"] == []


@pytest.mark.one_database
def test_if_match_guards_a_consumer(api, cast, billing):
    etag = api.get(f"/consumers/{billing}", by="acme-editor").headers["ETag"]
    path, body = f"/consumers/{billing}/cursor", {"id": say(cast.acme)}
    assert api.ask("PUT", path, body, by="acme-editor", If_Match=etag).status_code == 200
    assert api.ask("PUT", path, body, by="acme-editor", If_Match=etag).status_code == 412
    assert api.delete(f"/consumers/{billing}", by="acme-editor", If_Match=etag).status_code == 412


@pytest.mark.one_database
def test_an_organization_has_so_many_consumers(api, billing, monkeypatch):
    monkeypatch.setattr(consumers, "MOST", 1)
    refused = api.post("/consumers", {**NEW, "consumerId": "other"}, by="acme-editor")
    assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (409, "/consumerId")


def test_whoever_asks_is_seen_at_most_once_a_minute(api, billing):
    seen = lambda: api.get(f"/consumers/{billing}", by="acme-editor").json["seenAt"]  # noqa: E731
    first = seen()
    waiting(api)
    assert seen() == first
    with transaction():
        consumer = db.session.get(Consumer, billing)
        consumer.seen_at -= 2 * consumers.SEEN
    waiting(api)
    consumers.last_seen.store()
    assert seen() > first
