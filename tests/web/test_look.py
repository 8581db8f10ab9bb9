"""Theme and logo as files: kept for ever by version, harmless when opened; and what crawlers are told."""

import base64
import hashlib

import pytest
from lxml import html

from statuspage.database import transaction
from statuspage.models.status import Visibility

pytestmark = pytest.mark.one_database
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
FOREVER = "max-age=31536000, immutable"


@pytest.fixture
def branded(cast):
    with transaction(cast.acme):
        cast.acme.set_look(accent="#0f766e", logo=SVG)
    return cast


def page(client, path):
    return html.document_fromstring(client.get(path, headers={"Accept": "text/html"}).text)


def test_without_a_look_a_page_asks_for_none(cast, client):
    shown = page(client, "/acme")
    assert not shown.xpath("//img")
    assert not shown.xpath("//link[@rel='stylesheet']")
    for path in ("/acme/theme.css", "/acme/logo"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/acme", "/acme/north", "/acme/history", "/acme/north/history"])
def test_every_page_of_the_organization_wears_its_look(branded, client, path):
    shown = page(client, path)
    assert not shown.xpath("//link[@rel='stylesheet']"), "nothing is waited for"
    assert shown.xpath("string(//*[@id='accent']/style)") == client.get("/acme/theme.css").text
    (logo,) = shown.xpath("//header//img")
    assert logo.get("src") == f"/acme/logo?v={branded.acme.logo_hash}"
    assert logo.get("alt") == "Acme"


@pytest.mark.parametrize("path", ["/acme", "/acme/north", "/acme/history", "/embed/acme"])
def test_the_browser_may_take_the_colour_from_the_document_also_when_it_has_that(branded, client, path):
    """A 304 replaces the policy that the browser has kept (RFC 9111, 3.2)."""
    fresh = client.get(path, headers={"Accept": "text/html"})
    style = html.document_fromstring(fresh.text).xpath("string(//*[@id='accent']/style)")
    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    again = client.get(path, headers={"Accept": "text/html", "If-None-Match": fresh.headers["ETag"]})
    assert again.status_code == 304
    for answer in (fresh, again):
        assert f"'sha256-{hashed}'" in answer.headers["Content-Security-Policy"]


def test_the_theme_sets_the_accent_for_light_and_dark(branded, client):
    theme = client.get("/acme/theme.css?v=0f766e")
    assert theme.text == "@layer tokens{:root{--accent:light-dark(#0f766e,#4c9993)}}\n"
    assert theme.content_type == "text/css; charset=utf-8"


def test_a_shared_link_shows_the_logo_if_those_who_show_it_can_draw_it(branded, client):
    image = "//meta[@property='og:image']/@content"
    assert not page(client, "/acme").xpath(image)
    with transaction(branded.acme):
        branded.acme.set_look(logo=b"\x89PNG\r\n\x1a\n")
    assert page(client, "/acme/north/history").xpath(image) == [
        f"http://localhost/acme/logo?v={branded.acme.logo_hash}"
    ]


@pytest.mark.parametrize("path", ["/acme/theme.css?v=0f766e", "/acme/logo?v={hash}"])
def test_a_version_is_kept_for_ever_and_any_other_address_is_asked_anew(branded, client, path):
    path = path.format(hash=branded.acme.logo_hash)
    named = client.get(path)
    assert named.headers["Cache-Control"] == f"public, {FOREVER}"
    other = client.get(path.partition("?")[0] + "?v=older")
    assert other.data == named.data
    assert "no-cache" in other.headers["Cache-Control"]
    again = client.get(path, headers={"If-None-Match": named.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_logo_that_is_opened_as_a_document_runs_nothing(branded, client):
    logo = client.get("/acme/logo")
    assert (logo.content_type, logo.data) == ("image/svg+xml", SVG)
    assert logo.headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    )
    assert logo.headers["X-Content-Type-Options"] == "nosniff"


def test_what_is_private_has_a_private_look(branded, client):
    with transaction(branded.acme):
        branded.acme.update(visibility=Visibility.PRIVATE)
    for path in ("/acme/theme.css?v=0f766e", "/acme/logo"):
        assert client.get(path).status_code == 404
        seen = client.get(path, headers=branded.bearer("acme-viewer"))
        assert seen.headers["Cache-Control"].startswith("private, ")


# --- search engines --------------------------------------------------------------------------------

PATHS = ["/acme", "/acme/north", "/acme/history", "/acme/history.atom"]


@pytest.mark.parametrize("path", PATHS)
def test_search_engines_are_welcome_unless_the_organization_says_otherwise(cast, client, path):
    def told():
        answer = client.get(path, headers={"Accept": "text/html"})
        return answer.headers.get("X-Robots-Tag"), '<meta name="robots" content="noindex">' in answer.text

    assert told() == (None, False)
    with transaction(cast.acme):
        cast.acme.update(indexed=False)
    assert told() == ("noindex", not path.endswith(".atom"))


def test_a_private_page_is_never_indexed(cast, client):
    answer = client.get("/globex", headers=cast.bearer("globex-owner"))
    assert answer.headers["X-Robots-Tag"] == "noindex"


def test_crawlers_stay_out_of_what_is_for_programs_and_members(client):
    robots = client.get("/robots.txt")
    assert robots.content_type == "text/plain; charset=utf-8"
    rules = dict.fromkeys(line.partition(": ")[2] for line in robots.text.splitlines())
    assert {"/api/", "/admin/", "/socket.io/"} <= set(rules)
    assert "/" not in rules
