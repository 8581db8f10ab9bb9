"""Requests that nobody sends by accident get a problem, never a server error."""

from datetime import timedelta

from statuspage.clock import now
from statuspage.database import db
from statuspage.models.token import last_use
from tests.web.api.asking import lines

ODD_IDS = ("%00", "%ff%fe", "%ed%a0%80", "%", "%zz", "x" * 5000, "'--", "%F0%9F%92%A5", "a%0d%0ab")
PROBLEM = "application/problem+json"


def test_an_odd_id_in_the_path_is_not_found(api, cast):
    before = lines(cast.acme)
    for noun in ("services", "groups", "incidents"):
        for id in ODD_IDS:
            for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
                answer = api.ask(method, f"/{noun}/{id}", body, by="acme-owner")
                assert (answer.status_code, answer.mimetype) == (404, PROBLEM), (method, noun, id)
    assert lines(cast.acme) == before


def test_an_odd_query_is_told_what_is_wrong(api):
    for id in ODD_IDS:
        for path in ("services", "groups", "incidents", "status", "websocket/info"):
            answer = api.get(f"/{path}?organizationId={id}")
            assert answer.status_code in (404, 422), (path, id)
            assert answer.mimetype == PROBLEM


def test_an_odd_token_is_no_token(api):
    for value in ("", "Bearer", "Bearer ", "Bearer \xff", "Basic eDp5", "x" * 5000, "Bearer " + "x" * 5000):
        for path in ("/services?organizationId=org-456", "/websocket/info"):
            answer = api.get(path, Authorization=value)
            is_none = value in ("", "Basic eDp5")  # the latter is for a proxy before us
            assert answer.status_code in ((200, 422) if is_none else (401,)), value
            assert is_none or answer.headers["WWW-Authenticate"] == "Bearer"


def test_an_odd_precondition_is_no_match(api, cast):
    path = f"/services/{cast.acme_service.id}"
    for value in ('"', "W/", ",,,", "\xff", "x" * 5000, '"a", W/"b'):
        assert api.get(path, If_None_Match=value).status_code == 200, value
        assert api.patch(path, {"name": "x"}, by="acme-owner", If_Match=value).status_code == 412, value


def test_of_two_equal_keys_in_json_the_last_one_counts(api):
    body = '{"organizationId": "org-456", "name": "first", "name": "last"}'
    headers = api.cast.bearer("acme-owner")
    answer = api.app.test_client().post(
        "/api/services", data=body, content_type="application/json", headers=headers
    )
    assert answer.json["name"] == "last"


def test_markup_and_direction_marks_travel_unchanged(api):
    text = "<script>alert(1)</script> \u202eevil\u202c & ' \" \u2028 👩‍👩‍👧"
    new = {"organizationId": "org-456", "name": text, "description": text}
    made = api.post("/services", new, by="acme-owner").json
    assert (made["name"], made["description"]) == (text, text)
    assert api.get(f"/services/{made['id']}").json == made


def test_a_method_that_is_not_there_names_those_that_are(api, cast):
    for path, allowed in (
        ("/services", {"GET", "HEAD", "OPTIONS", "POST"}),
        (f"/services/{cast.acme_service.id}", {"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"}),
        ("/status?organizationId=org-456", {"GET", "HEAD", "OPTIONS"}),
    ):
        answer = api.ask("TRACE", path, by="acme-owner")
        assert (answer.status_code, answer.mimetype) == (405, PROBLEM)
        assert set(answer.headers["Allow"].split(", ")) == allowed


def test_what_was_deleted_between_looking_and_locking_is_not_found(api, cast, monkeypatch):
    """The row goes away after it was loaded and before the lock is had."""
    from statuspage.web.api import service

    really = service.transaction

    def late(*organizations, **more):
        monkeypatch.setattr(service, "transaction", really)
        assert api.delete(f"/services/{cast.acme_service.id}", by="acme-owner").status_code == 204
        return really(*organizations, **more)

    monkeypatch.setattr(service, "transaction", late)
    answer = api.patch(f"/services/{cast.acme_service.id}", {"name": "x"}, by="acme-owner")
    assert (answer.status_code, answer.json["detail"]) == (404, "It was deleted in the meantime.")
    assert lines(cast.acme)[-1] == ("service-update", "deleted")


def test_a_parameter_that_nobody_asks_for_is_refused(api, cast):
    for path in (f"/services/{cast.acme_service.id}?bogus=1", "/openapi.json?bogus=1"):
        answer = api.get(path, by="acme-owner")
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/bogus")
    before = lines(cast.acme)
    new = {"organizationId": "org-456", "name": "x"}
    assert api.post("/services?bogus=1", new, by="acme-owner").status_code == 422
    assert lines(cast.acme) == before


def test_the_last_use_of_a_token_is_kept(api, cast):
    row = cast.token_rows["acme-editor"]
    assert row.last_used_at is None
    api.get("/services?organizationId=org-456", by="acme-editor")
    last_use.store()
    db.session.refresh(row)
    assert now() - row.last_used_at < timedelta(minutes=1)
