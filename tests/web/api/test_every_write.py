"""Every write endpoint: who may, who may not, what bad input is told, what is done once."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from statuspage.clock import now
from statuspage.database import db, snapshot, transaction
from statuspage.models import retention
from statuspage.models.idempotency import KEPT, IdempotentRequest
from statuspage.web.api.endpoint import ENDPOINTS
from tests.web.api.asking import Api, Things, at_once, lines
from tests.web.api.writes import CHANGING, CREATING, OWNED, SPOKEN, WRITES

PROBLEM = "application/problem+json"
EVERY = WRITES | OWNED


@pytest.fixture
def write(api: Api):
    """`write(name, things, by, **headers)`: call the endpoint rightly."""

    def call(name: str, things: Things, by: str | None, **headers: str):
        endpoint = EVERY[name]
        return api.ask(name.split()[0], endpoint.path(things), endpoint.sent(things), by=by, **headers)

    return call


@pytest.fixture
def send(api: Api, things: Things):
    """`send(name, body, type)`: call the endpoint with this body as it is."""

    def call(name: str, body: str | bytes, type: str | None = "application/json"):
        path, headers = f"/api{EVERY[name].path(things)}", api.cast.bearer("acme-owner")
        client = api.app.test_client()
        return client.open(path, method=name.split()[0], data=body, content_type=type, headers=headers)

    return call


def test_the_table_holds_every_write_endpoint():
    routed = {f"{method} {each.path}" for each in ENDPOINTS for method in each.methods if method != "GET"}
    assert routed == set(EVERY)


# --- who may ---------------------------------------------------------------------------------------


@pytest.mark.one_database
def test_it_works_for_the_least_role_and_for_a_team_mate(write, cast, subtests):
    for name, endpoint in WRITES.items():
        for by in (f"acme-{endpoint.least}", "acme-owner"):
            with subtests.test(name, by=by):
                things = Things.make(cast.acme)
                before = len(lines(cast.acme))
                answer = write(name, things, by)
                assert answer.status_code in (200, 201, 202, 204), answer.text
                assert len(lines(cast.acme)) > before


@pytest.mark.one_database
def test_an_editor_of_one_tenant_may_write_there(write, cast, subtests):
    for name in [name for name, endpoint in WRITES.items() if endpoint.least == "editor"]:
        with subtests.test(name):
            answer = write(name, Things.make(cast.acme, cast.north), "north-editor")
            assert answer.status_code in (200, 201, 204), answer.text


@pytest.mark.one_database
def test_those_who_may_not_are_told_so_and_change_nothing(write, cast, things, subtests):
    south, globex = Things.make(cast.acme, cast.south), Things.make(cast.globex)
    refused = {
        "a stranger, of a private organization": (globex, "acme-owner", 404),
        "a visitor, of a private organization": (globex, None, 404),
        "a team mate of another private tenant": (south, "north-editor", 404),
        "a visitor": (things, None, 401),
        "a reader": (things, "acme-viewer", 403),
        "a stranger, of a public page": (things, "globex-owner", 403),
        "an editor of one tenant, of the organization's own": (things, "north-editor", 403),
    }
    before = lines(cast.acme), lines(cast.globex)
    for name in WRITES:
        for who, (where, by, status) in refused.items():
            with subtests.test(name, who=who):
                assert write(name, where, by).status_code == status
    assert (lines(cast.acme), lines(cast.globex)) == before


# --- bad input -------------------------------------------------------------------------------------


@pytest.mark.one_database
def test_bad_input_gets_words_beside_its_field_and_changes_nothing(api, cast, things, subtests):
    before = lines(cast.acme)
    for name, endpoint in SPOKEN.items():
        for field, pointer, values in endpoint.wrong:
            with subtests.test(name, pointer=pointer):
                for value in values:
                    body = {**endpoint.sent(things), field: value}
                    answer = api.ask(name.split()[0], endpoint.path(things), body, by="acme-owner")
                    assert (answer.status_code, answer.mimetype) == (422, PROBLEM), value
                    pointed = {error["pointer"]: error["detail"] for error in answer.json["errors"]}
                    assert pointed.get(pointer, "").endswith("."), (value, pointed)
    assert lines(cast.acme) == before


@pytest.mark.one_database
def test_a_body_that_is_no_json_object_is_refused(send, cast, subtests):
    before = lines(cast.acme)
    deep = "[" * 100_000 + "]" * 100_000
    bodies = ["", "{", "[]", '"x"', "5", "null", b"\xff{}", '{"name":"\\ud800"}', f'{{"a":{deep}}}', deep]
    for name in SPOKEN:
        with subtests.test(name):
            for body in bodies:
                answer = send(name, body)
                assert (answer.status_code, answer.mimetype) == (400, PROBLEM), body[:20]
    assert lines(cast.acme) == before


@pytest.mark.one_database
def test_a_body_of_another_type_or_too_large_is_refused(send, cast, subtests):
    before = lines(cast.acme)
    large = '{"name": "%s"}' % ("x" * 10_000_000)
    for name in SPOKEN:
        with subtests.test(name):
            for type in ("text/plain", "application/x-www-form-urlencoded", None):
                assert send(name, "{}", type).status_code == 415, type
            answer = send(name, large)
            assert (answer.status_code, answer.json["status"]) == (413, 413)
    assert lines(cast.acme) == before


# --- Idempotency-Key -------------------------------------------------------------------------------


def test_the_same_post_twice_is_done_once_and_answered_alike(write, cast, things, subtests):
    for name in CREATING:
        with subtests.test(name):
            first = write(name, things, "acme-admin", Idempotency_Key=name[5:])
            after_first = lines(cast.acme)
            second = write(name, things, "acme-admin", Idempotency_Key=name[5:])
            assert (second.status_code, second.data) == (first.status_code, first.data)
            assert second.headers.get("Location") == first.headers.get("Location")
            assert "Idempotent-Replayed" not in first.headers
            assert second.headers["Idempotent-Replayed"] == "true"
            assert lines(cast.acme) == after_first


def test_the_same_post_twice_at_the_same_moment_is_done_once(write, things, subtests):
    for name in CREATING:
        with subtests.test(name):
            answers = at_once(*[lambda: write(name, things, "acme-admin", Idempotency_Key=name[5:])] * 2)  # noqa: B023
            assert answers[0].status_code in (201, 202)
            assert [(a.status_code, a.data) for a in answers] == [
                (answers[0].status_code, answers[0].data)
            ] * 2
            assert sorted("Idempotent-Replayed" in answer.headers for answer in answers) == [False, True]


def test_a_key_is_its_tokens_own_and_for_one_request_only(write, api, cast, things):
    path, body = "/services", {"name": "Shop", "organizationId": "org-456"}
    first = api.post(path, body, by="acme-admin", Idempotency_Key="key")
    for other_path, other_body in (
        (path, {**body, "name": "Other"}),
        ("/groups", body),
    ):
        refused = api.post(other_path, other_body, by="acme-admin", Idempotency_Key="key")
        assert refused.status_code == 422
        assert "another request" in refused.json["detail"]
    mine = api.post(path, body, by="acme-owner", Idempotency_Key="key")
    assert mine.status_code == 201
    assert mine.json["id"] != first.json["id"]


def test_a_key_of_a_post_that_failed_may_be_used_again(api, things):
    body = {"name": "Shop", "organizationId": "org-456", "groupId": "nothing"}
    assert api.post("/services", body, by="acme-editor", Idempotency_Key="key").status_code == 422
    body["groupId"] = things.group
    assert api.post("/services", body, by="acme-editor", Idempotency_Key="key").status_code == 201


def test_a_key_is_kept_for_a_day_and_then_forgotten(api):
    body = {"name": "Shop", "organizationId": "org-456"}
    for key in ("one", "two"):
        api.post("/services", body, by="acme-editor", Idempotency_Key=key)
    with transaction():
        db.session.execute(update(IdempotentRequest).values(created_at=now() - KEPT - timedelta(seconds=1)))
    again = api.post("/services", {**body, "name": "Other"}, by="acme-editor", Idempotency_Key="one")
    assert again.status_code == 201
    retention.pruning({"EVENT_DAYS": 365})(lambda: True)
    with snapshot() as session:
        assert session.scalars(select(IdempotentRequest.key)).all() == ["one"]


@pytest.mark.one_database
def test_a_key_is_visible_ascii(api, cast):
    before = lines(cast.acme)
    for key in ("", "two words", "x" * 256, "é"):
        body = {"name": "Shop", "organizationId": "org-456"}
        assert api.post("/services", body, by="acme-editor", Idempotency_Key=key).status_code == 422, key
    assert lines(cast.acme) == before


# --- If-Match --------------------------------------------------------------------------------------


@pytest.mark.one_database
def test_a_change_of_an_older_state_is_refused(write, api, cast, subtests):
    for name, endpoint in CHANGING.items():
        things = Things.make(cast.acme)
        path = endpoint.path(things)
        etag = api.get(path).headers["ETag"]
        noun = "title" if path.startswith("/incidents") else "name"
        assert api.patch(path, {noun: "Changed"}, by="acme-editor").status_code == 200
        before = lines(cast.acme)
        with subtests.test(name):
            for stale in (etag, '"nothing"', f"W/{etag}", "", "garbage"):
                lost = write(name, things, "acme-editor", If_Match=stale)
                assert lost.status_code == 412, stale
                assert lost.json["title"] == "Precondition Failed"
            assert lines(cast.acme) == before
            current = f'"other", {api.get(path).headers["ETag"]}'
            assert write(name, things, "acme-editor", If_Match=current).status_code in (200, 204)


@pytest.mark.one_database
def test_if_match_star_is_any_state(write, cast, subtests):
    for name in CHANGING:
        with subtests.test(name):
            answer = write(name, Things.make(cast.acme), "acme-editor", If_Match="*")
            assert answer.status_code in (200, 204)


def test_of_two_changes_of_one_state_at_the_same_moment_one_wins(write, api, cast, subtests):
    for name, endpoint in CHANGING.items():
        with subtests.test(name):
            things = Things.make(cast.acme)
            etag = api.get(endpoint.path(things)).headers["ETag"]
            answers = at_once(*[lambda: write(name, things, "acme-editor", If_Match=etag)] * 2)  # noqa: B023
            expected = [204, 404] if name.startswith("DELETE") else [200, 412]
            assert sorted(answer.status_code for answer in answers) == expected
