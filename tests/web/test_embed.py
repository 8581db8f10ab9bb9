"""The embed as a document: who may frame it, what it says, and the script that puts it there."""

import gzip
import re

import pytest
from lxml import html

from statuspage.database import transaction
from statuspage.models.embedding import allow_embedding
from statuspage.models.incident import Incident
from statuspage.models.service import Service
from statuspage.models.status import Impact, ServiceStatus
from tests.web.test_isolation import NAMELESS, ROWS, Its

pytestmark = pytest.mark.one_database
EVIL = "<script>alert(1)</script>\" onclick='x' {{ 1234 * 4321 }}"


def words(element):
    return " ".join(element.text_content().split())


def document(client, path="/embed/acme"):
    return html.document_fromstring(client.get(path).text)


def policy(response):
    parts = response.headers["Content-Security-Policy"].split("; ")
    return {name: values for name, _, values in (part.partition(" ") for part in parts)}


# --- who may frame it ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origins", "ancestors"),
    [
        ([], "'self'"),
        (["https://a.example"], "'self' https://a.example"),
        (["https://a.example", "http://localhost:8080"], "'self' https://a.example http://localhost:8080"),
        (["*"], "*"),
    ],
)
def test_only_the_sites_that_the_organization_allows_may_frame_it(cast, client, origins, ancestors):
    with transaction(cast.acme):
        allow_embedding(cast.acme, origins)
    for path in ("/embed/acme", "/embed/acme/north"):
        response = client.get(path)
        assert policy(response)["frame-ancestors"] == ancestors
        assert "X-Frame-Options" not in response.headers
        assert document(client, path).get_element_by_id("board").get("data-origins") == " ".join(origins)


def test_otherwise_it_is_as_strict_as_every_page(cast, client):
    embed, page = policy(client.get("/embed/acme")), policy(client.get("/acme"))
    for directive in page.keys() - {"frame-ancestors", "script-src", "style-src"}:
        assert embed[directive] == page[directive]
    assert embed["script-src"] == "'self'"


def test_everything_else_refuses_to_be_framed(cast, client):
    with transaction(cast.acme):
        allow_embedding(cast.acme, ["*"])
        incident = Incident.open(cast.acme, None, title="Open", message="x")
    its = Its("org-456", "acme", None, None, cast.acme_service.id, "none", incident.id)
    paths = {row(its)[0] for (rule, method), row in ROWS.items() if method == "GET" and "/embed/" not in rule}
    paths |= {rule for rule, _ in NAMELESS}
    paths |= {"/embed/nowhere", "/embed/acme/south", "/embed/globex", "/embed/acme?view=x"}
    for path in paths:
        response = client.get(path, headers=cast.bearer("acme-owner" if "/api/" in path else None))
        assert policy(response)["frame-ancestors"] == "'none'", path
        assert response.headers["X-Frame-Options"] == "DENY", path
        response.close()


# --- what it says ----------------------------------------------------------------------------------


@pytest.fixture
def trouble(cast):
    """Acme with seven open incidents, one worse than the others, and eleven services that are not well."""
    with transaction(cast.acme):
        for number in range(10):
            Service.create(cast.acme, None, name=f"Node {number}", own_status=ServiceStatus.DEGRADED)
        cast.worst = Incident.open(
            cast.acme,
            None,
            title="API is down",
            message="*All* requests fail.",
            services={cast.acme_service.id: ServiceStatus.MAJOR_OUTAGE},
        )
        for number in range(6):
            Incident.open(cast.acme, None, title=f"Small {number}", message="x", impact=Impact.MINOR)
    return cast


def test_the_line_is_a_shape_a_sentence_and_a_link(trouble, client):
    page = document(client)
    (status,) = page.get_element_by_id("board")
    assert words(status) == "Major outage: 11 services affected Acme status (opens in a new tab)"
    assert status.find("svg/use").get("href") == "#shape-major_outage"
    link = status.find(".//a")
    assert (link.get("href"), link.get("target"), link.get("rel")) == ("/acme", "_blank", "noopener")


def test_full_shows_the_worst_incidents_and_services_and_counts_the_others(trouble, client):
    page = document(client, "/embed/acme?view=full")
    assert [part.get("id") for part in page.get_element_by_id("board")] == ["status", "incidents", "services"]
    incidents, services = page.get_element_by_id("incidents"), page.get_element_by_id("services")
    assert re.match(r"API is down .* All requests fail\. Investigating \d", words(incidents[0]))
    assert incidents[0].find(".//a").get("href") == f"/acme/incidents/{trouble.worst.id}"
    assert [words(row)[:5] for row in incidents[1:5]] == ["Small"] * 4
    assert words(incidents[5]) == "and 2 more"
    assert words(services[0]) == "API Major outage"
    assert (len(services), words(services[8])) == (9, "and 3 more")


def test_where_all_is_well_full_is_the_line(cast, client):
    page = document(client, "/embed/acme?view=full")
    assert words(page.get_element_by_id("status")).startswith("All systems operational")
    for id in ("incidents", "services"):
        assert page.get_element_by_id(id).get("hidden") is not None


def test_a_tenants_embed_has_its_name_and_shows_both(trouble, client):
    with transaction(trouble.acme):
        trouble.north_service.update(own_status=ServiceStatus.MAINTENANCE)
    page = document(client, "/embed/acme/north")
    assert words(page.find(".//a")) == "North status (opens in a new tab)"
    assert page.find(".//a").get("href") == "/acme/north"
    assert "11 services" in words(page.get_element_by_id("status"))


def test_no_text_becomes_markup(cast, client):
    with transaction(cast.acme):
        cast.acme.update(name=EVIL)
        cast.acme_service.update(name=EVIL)
        Incident.open(
            cast.acme, None, title=EVIL, message=EVIL, services={cast.acme_service.id: ServiceStatus.DEGRADED}
        )
    response = client.get("/embed/acme?view=full")
    assert "onclick='" not in response.text
    assert "5351954" not in response.text.replace("1234 * 4321", "")
    assert len(html.document_fromstring(response.text).xpath("//script")) == 1


@pytest.mark.parametrize("theme", ["light", "dark", "auto", "transparent"])
def test_a_theme_is_said_to_the_style_sheet(cast, client, theme):
    assert document(client, f"/embed/acme?theme={theme}").get("data-theme") == theme


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("view=half", "“half” is no view. Write view=line or full, or leave it away."),
        ("view=", "“” is no view."),
        ("theme=<b>", "“<b>” is no theme. Write theme=light, dark, auto or transparent, or leave it away."),
    ],
)
def test_a_wrong_value_is_answered_in_words(cast, client, query, sentence):
    response = client.get(f"/embed/acme?{query}", headers={"Accept": "text/html"})
    assert response.status_code == 422
    assert sentence in words(html.document_fromstring(response.text))


def test_it_is_complete_without_scripts_and_then_looks_again(cast, client):
    page = document(client)
    (refresh,) = page.xpath("//noscript/meta[@http-equiv='refresh']")
    assert refresh.get("content") == "30"


def test_it_is_asked_about_each_time_and_sent_when_it_changed(cast, client):
    first = client.get("/embed/acme")
    assert first.headers["Cache-Control"] == "public, max-age=0, stale-if-error=3600"
    known = {"If-None-Match": first.headers["ETag"]}
    again = client.get("/embed/acme", headers=known)
    assert (again.status_code, again.data) == (304, b"")
    assert policy(again) == policy(first)
    assert client.get("/embed/acme?theme=dark", headers=known).status_code == 200
    with transaction(cast.acme):
        cast.acme_service.update(own_status=ServiceStatus.DEGRADED)
    assert client.get("/embed/acme", headers=known).status_code == 200


def test_a_member_sees_a_private_one_and_no_cache_keeps_it(cast, client):
    response = client.get("/embed/acme/south", headers=cast.bearer("south-editor"))
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert "Authorization" in response.headers["Vary"]


# --- the script ------------------------------------------------------------------------------------


def test_the_script_is_for_other_sites_small_and_kept_for_an_hour(client):
    response = client.get("/embed.js", headers={"Accept-Encoding": "gzip"})
    assert response.content_type == "text/javascript; charset=utf-8"
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Cache-Control"] == "public, max-age=3600"
    assert len(response.data) < 1_500
    plain = client.get("/embed.js")
    assert plain.data == gzip.decompress(response.data)
    assert plain.headers["ETag"] != response.headers["ETag"]
    known = {"If-None-Match": plain.headers["ETag"]}
    assert client.get("/embed.js", headers=known).status_code == 304
