"""Which other sites' scripts may read and write."""

import pytest

pytestmark = pytest.mark.one_database

TRUSTED, OTHER = "https://trusted.example", "https://other.example"


@pytest.fixture
def site(app, client, cast, monkeypatch):
    """`site(origin, method, path)`: the CORS headers that a script of that origin gets."""
    monkeypatch.setitem(app.config, "ORIGINS", [TRUSTED])

    def ask(origin, method, path, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = client.open(path, method=method, headers={**({"Origin": origin} if origin else {}), **named})
        found = {k.removeprefix("Access-Control-"): v for k, v in answer.headers if k.startswith("Access-")}
        return {**found, "Vary": answer.headers.get("Vary", "")}

    return ask


API = "/api/services?organizationId=org-456"


def test_everybody_may_read_without_credentials(site):
    for path in (API, "/api/status?organizationId=org-456", "/api/openapi.json", "/acme/changes"):
        for origin in (OTHER, None):
            found = site(origin, "GET", path)
            assert found["Allow-Origin"] == "*"
            assert "Allow-Credentials" not in found
    assert "ETag" in found["Expose-Headers"]


def test_a_trusted_site_may_read_and_write_with_credentials(site):
    found = site(TRUSTED, "GET", API)
    assert (found["Allow-Origin"], found["Allow-Credentials"]) == (TRUSTED, "true")
    for name in ("ETag", "Location", "Idempotent-Replayed"):
        assert name in found["Expose-Headers"]
    refused = site(TRUSTED, "POST", "/api/services")  # a refusal must be readable too
    assert refused["Allow-Origin"] == TRUSTED


def test_a_trusted_sites_preflight_is_granted(site):
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        found = site(TRUSTED, "OPTIONS", "/api/services", Access_Control_Request_Method=method)
        assert found["Allow-Origin"] == TRUSTED
        assert method in found["Allow-Methods"].split(", ")
        for name in ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match"):
            assert name in found["Allow-Headers"].split(", ")


def test_nobody_elses_write_is_granted_anything(site):
    for origin in (OTHER, "null", f"{TRUSTED}.evil.example", "http://trusted.example", TRUSTED.upper()):
        for wanted in ("POST", "PUT", "PATCH", "DELETE"):
            granted = site(origin, "OPTIONS", "/api/services", Access_Control_Request_Method=wanted)
            assert list(granted) == ["Vary"]
        assert list(site(origin, "POST", "/api/services")) == ["Vary"]


def test_everybodys_preflight_for_reading_grants_no_token(site):
    found = site(OTHER, "OPTIONS", API, Access_Control_Request_Method="GET")
    assert (found["Allow-Origin"], found["Allow-Methods"]) == ("*", "GET, HEAD")
    assert "Authorization" not in found["Allow-Headers"]


def test_caches_are_told_that_the_answer_depends_on_the_site(site):
    for origin in (TRUSTED, OTHER, None):
        assert "Origin" in site(origin, "GET", API)["Vary"].split(", ")


def test_pages_that_are_no_api_let_no_script_in(site):
    for path in ("/acme", "/", "/acme/north"):
        for origin in (TRUSTED, OTHER):
            assert "Allow-Origin" not in site(origin, "GET", path)


def test_a_trusted_site_may_follow_a_private_page_with_its_token(site):
    for path in ("/acme/changes", "/acme/stream"):
        found = site(TRUSTED, "OPTIONS", path, Access_Control_Request_Method="GET")
        assert (found["Allow-Origin"], found["Allow-Methods"]) == (TRUSTED, "GET, HEAD")
        assert {"Authorization", "Last-Event-ID"} <= set(found["Allow-Headers"].split(", "))
    assert "Build" in site(TRUSTED, "GET", "/acme/changes")["Expose-Headers"]
