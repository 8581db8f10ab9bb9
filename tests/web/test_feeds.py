"""The Atom feed: valid, complete, with ids that never change, and not sent again while nothing has."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from lxml import etree, html

from statuspage.database import transaction
from statuspage.models.incident import Incident
from statuspage.models.status import IncidentStatus, ServiceStatus
from statuspage.web import feeds

pytestmark = pytest.mark.one_database
ATOM = {"a": "http://www.w3.org/2005/Atom"}
TAG = re.compile(r"tag:[a-z0-9.-]+,\d{4}-\d\d-\d\d:[\w/.-]+")  # RFC 4151
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")  # RFC 3339


@pytest.fixture
def news(cast):
    with transaction(cast.acme):
        cast.old = Incident.open(cast.acme, None, title="Old", message="Was.")
        cast.errors = Incident.open(
            cast.acme,
            None,
            title="Errors & <b>trouble</b>",
            message="First <script>alert(1)</script>.",
            services={cast.acme_service.id: ServiceStatus.DEGRADED},
        )
        cast.of_north = Incident.open(cast.acme, cast.north, title="Of North", message="Here.")
        cast.errors.post_update(status=IncidentStatus.IDENTIFIED, message="It is the *balancer*.")
    return cast


def feed(client, path="/acme/history.atom"):
    answer = client.get(path)
    assert answer.content_type == "application/atom+xml; charset=utf-8"
    return etree.fromstring(answer.data)


def text(element, path):
    return element.xpath(f"string({path})", namespaces=ATOM)


def titles(element):
    return element.xpath("a:entry/a:title/text()", namespaces=ATOM)


@pytest.mark.parametrize("path", ["/acme/history.atom", "/acme/north/history.atom"])
def test_it_has_what_the_standard_asks_of_a_feed_and_of_each_entry(news, client, path):
    """RFC 4287, 4.1.1 and 4.1.2."""
    found = feed(client, path)
    assert found.tag == "{http://www.w3.org/2005/Atom}feed"
    assert found.xpath("a:link[@rel='self']/@href", namespaces=ATOM) == [f"http://localhost{path}"]
    assert text(found, "a:author/a:name")
    for element in (found, *found.findall("a:entry", ATOM)):
        for name in ("id", "title", "updated"):
            assert len(element.findall(f"a:{name}", ATOM)) == 1
        assert TAG.fullmatch(text(element, "a:id"))
        assert MOMENT.fullmatch(text(element, "a:updated"))
        assert len(element.xpath("a:link[@rel='alternate']", namespaces=ATOM)) == 1
    ids = found.xpath("//a:id/text()", namespaces=ATOM)
    assert len(ids) == len(set(ids))


def test_an_incident_is_one_entry_with_all_its_updates(news, client):
    (entry,) = feed(client).xpath("a:entry[contains(a:title, 'Errors')]", namespaces=ATOM)
    assert text(entry, "a:title") == "Errors & <b>trouble</b>"
    content = entry.find("a:content", ATOM)
    assert content.get("type") == "html"
    shown = html.fromstring(f"<div>{content.text}</div>")
    words = " ".join(shown.text_content().split())
    assert re.fullmatch(
        r"Identified – \d.* UTC It is the balancer\. Investigating – \d.* UTC "
        r"First <script>alert\(1\)</script>\. Minor impact\. Affects API\.",
        words,
    )
    assert [em.text for em in shown.iter("em")] == ["balancer"]
    assert not list(shown.iter("script"))
    (address,) = entry.xpath("a:link/@href", namespaces=ATOM)
    assert address == f"http://localhost/acme/incidents/{news.errors.id}"


def test_what_was_updated_last_comes_first_and_only_so_many(news, client, monkeypatch):
    assert titles(feed(client)) == ["Errors & <b>trouble</b>", "Old"]
    with transaction(news.acme):
        news.old.post_update(status=IncidentStatus.MONITORING, message="Again.")
    assert titles(feed(client)) == ["Old", "Errors & <b>trouble</b>"]
    monkeypatch.setattr(feeds, "ENTRIES", 1)
    with transaction(news.acme):
        news.acme.update(name="Acme Inc.")
    assert titles(feed(client)) == ["Old"]


def test_a_tenants_feed_has_the_organizations_incidents_and_its_own(news, client):
    assert set(titles(feed(client, "/acme/north/history.atom"))) == {
        "Errors & <b>trouble</b>",
        "Old",
        "Of North",
    }


def test_ids_stay_whatever_is_renamed_moved_or_said(news, client):
    def ids(path, host="http://localhost"):
        return set(
            etree.fromstring(client.get(path, base_url=host).data).xpath("//a:id/text()", namespaces=ATOM)
        )

    before = ids("/acme/history.atom")
    with transaction(news.acme):
        news.acme.update(name="Acme Inc.", slug="acme-inc", timezone="Asia/Tokyo")
        news.errors.update(title="Renamed")
        news.errors.resolve(message="Done.")
    assert ids("/acme-inc/history.atom", "https://status.example.org") == before


def test_characters_that_no_xml_may_hold_are_left_out(news, client):
    with transaction(news.acme):
        news.old.update(title="a\x0bb\ufffec\x1f🎉")
    assert "abc🎉" in titles(feed(client))


def test_an_unchanged_feed_is_not_sent_again(news, client):
    first = client.get("/acme/history.atom")
    for same in ("ETag", "Last-Modified"):
        asks = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}[same]
        again = client.get("/acme/history.atom", headers={asks: first.headers[same]})
        assert (again.status_code, again.data) == (304, b"")
    with transaction(news.acme):
        news.old.resolve(message="Done.")
    changed = client.get("/acme/history.atom", headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200
    assert "Done." in changed.text


def test_one_who_knows_only_a_time_gets_what_changed_after_it(news, client):
    an_hour_ago = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    assert client.get("/acme/history.atom", headers={"If-Modified-Since": an_hour_ago}).status_code == 200
    soon = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    asks = {"If-None-Match": '"other"', "If-Modified-Since": soon}
    assert client.get("/acme/history.atom", headers=asks).status_code == 200, "the tag is asked first"


def test_a_private_feed_is_for_those_who_may_read_it(news, client):
    assert client.get("/globex/history.atom").status_code == 404
    seen = client.get("/globex/history.atom", headers=news.bearer("globex-owner"))
    assert seen.status_code == 200
    assert seen.headers["Cache-Control"] == "private, no-cache"


def test_links_lead_to_where_visitors_reach_us_and_not_where_a_stranger_says(news, client):
    """Which proxies are believed is said by PROXIES: see test_proxies.py."""
    said = {"X-Forwarded-Proto": "http"}
    found = client.get("/acme/history.atom", headers=said, base_url="https://status.example.org")
    addresses = etree.fromstring(found.data).xpath("//a:link/@href", namespaces=ATOM)
    assert all(address.startswith("https://status.example.org/acme") for address in addresses)
    page = html.document_fromstring(client.get("/acme", headers=said, base_url="https://localhost").data)
    assert page.xpath("//link[@rel='canonical']/@href") == ["https://localhost/acme"]


def test_pages_name_their_feed(news, client):
    for path in ("/acme", "/acme/north", "/acme/history"):
        page = html.document_fromstring(client.get(path).data)
        (address,) = page.xpath("//link[@rel='alternate']/@href")
        assert address in page.xpath("//*[@id='subscribe']//a/@href")
        assert client.get(address).status_code == 200
