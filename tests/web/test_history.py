"""History: every incident once, in its month; quiet months say so; what is no month is explained."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from lxml import html

from statuspage.clock import now
from statuspage.database import transaction
from statuspage.models.incident import Incident
from statuspage.models.service import Service
from statuspage.web import history
from statuspage.web.history import Month

pytestmark = pytest.mark.one_database
BROWSER = {"Accept": "text/html"}


def happened(cast, title, started_at, tenant=None, minutes=95):
    incident = Incident.open(cast.acme, tenant, title=title, message="First.", started_at=started_at)
    incident.resolve(message="**Mended** for good.", at=started_at + timedelta(minutes=minutes))
    return incident


@pytest.fixture
def past(cast):
    """An incident in each of January, March and April 2024, one of North's, and one that is not over."""
    with transaction(cast.acme):
        happened(cast, "In January", datetime(2024, 1, 31, 23, 30, tzinfo=UTC))
        happened(cast, "In March", datetime(2024, 3, 10, tzinfo=UTC))
        happened(cast, "In April", datetime(2024, 4, 30, 12, tzinfo=UTC))
        happened(cast, "Of North", datetime(2024, 4, 2, tzinfo=UTC), cast.north)
        happened(cast, "Of South", datetime(2024, 4, 2, tzinfo=UTC), cast.south)
        cast.running = Incident.open(cast.acme, None, title="Running", message="We look.")
    return cast


def document(client, path):
    answer = client.get(path, headers=BROWSER)
    assert answer.status_code == 200
    return html.document_fromstring(answer.text)


def months(page):
    """What stands under each month."""
    found = {}
    for section in page.find_class("month"):
        title = section.find("h2").text.strip()
        found[title] = section.xpath(".//h3/a/text()") or " ".join(section.xpath("./p/text()"))
    return found


def words(element):
    return " ".join(element.text_content().split())


def test_three_months_stand_on_a_page_newest_first_and_quiet_ones_say_so(past, client):
    assert months(document(client, "/acme/history?month=2024-04")) == {
        "April 2024": ["In April"],
        "March 2024": ["In March"],
        "February 2024": "No incidents",
    }


def test_a_tenants_history_has_the_organizations_incidents_and_its_own(past, client):
    assert months(document(client, "/acme/north/history?month=2024-04"))["April 2024"] == [
        "In April",
        "Of North",
    ]


def test_an_incident_links_to_its_page_and_tells_impact_length_and_last_words(past, client):
    (article,) = document(client, "/acme/history?month=2024-03").xpath("//article[.//a='In March']")
    assert words(article) == "10 Mar 2024 In March No impact on services, 1 hour 35 minutes Mended for good."
    (address,) = article.xpath(".//a/@href")
    assert "In March" in client.get(address, headers=BROWSER).text
    assert "not over yet" in words(document(client, "/acme/history").xpath("//article[.//a='Running']")[0])


def test_a_month_is_a_month_of_the_organizations_zone(past, client):
    assert "January 2024" in months(document(client, "/acme/history?month=2024-01"))
    with transaction(past.acme):
        past.acme.update(timezone="Asia/Tokyo")
    shown = months(document(client, "/acme/history?month=2024-04"))
    assert shown["February 2024"] == ["In January"]


def test_pages_lead_from_now_to_the_beginning_and_back_over_every_incident_once(past, client):
    seen, path, steps = [], "/acme/history", []
    while path:
        page = document(client, path)
        steps.append(path)
        seen += page.xpath("//article//h3/a/text()")
        path = next(iter(page.xpath("//a[@rel='next']/@href")), None)
    assert seen == ["Running", "In April", "In March", "In January"]
    back = [steps[-1]]
    while newer := document(client, back[-1]).xpath("//a[@rel='prev']/@href"):
        back += newer
    assert back[::-1] == steps


def test_the_page_links_to_its_history_and_the_history_to_the_page(past, client):
    for path in ("/acme", "/acme/north"):
        assert f"{path}/history" in document(client, path).xpath("//*[@id='history']//a/@href")
        assert path in document(client, f"{path}/history").xpath("//main//a/@href")


@pytest.mark.parametrize(
    "month", ["2024", "2024-13", "2024-00", "0000-01", "24-01", "2024-1", "x", "2024-01\n", "٢٠٢٤-٠١"]
)
def test_what_is_no_month_is_answered_with_a_page_that_says_how_to_write_one(past, client, month):
    answer = client.get("/acme/history", query_string={"month": month}, headers=BROWSER)
    assert answer.status_code == 422
    assert "Write the month like 2026-11" in answer.text


@pytest.mark.parametrize(
    ("month", "sentence"),
    [
        ("2023-12", "The history of this page begins in January 2024."),
        ("0001-01", "The history of this page begins in January 2024."),
        ("9999-12", "December 9999 has not begun yet."),
    ],
)
def test_a_month_outside_of_the_history_is_said_to_be(past, client, month, sentence):
    answer = client.get(f"/acme/history?month={month}", headers=BROWSER)
    assert (answer.status_code, sentence in answer.text) == (422, True)


def test_a_history_of_very_many_says_that_it_is_not_all(past, client, monkeypatch):
    monkeypatch.setattr(history, "MOST", 1)
    page = document(client, "/acme/history?month=2024-04")
    assert page.xpath("//article//h3/a/text()") == ["In April"]
    assert "The API has all of them" in words(page.body)


def test_an_unchanged_history_is_not_sent_again(past, client):
    first = client.get("/acme/history")
    same = {"If-None-Match": first.headers["ETag"]}
    assert client.get("/acme/history", headers=same).status_code == 304
    with transaction(past.acme):
        past.running.resolve(message="Done.")
    assert client.get("/acme/history", headers=same).status_code == 200


def test_documents_travel_packed_to_those_who_can_unpack_them(past, client):
    with transaction(past.acme):
        for number in range(10):
            Service.create(past.acme, None, name=f"Service {number}")
    for path in ("/acme", "/acme/history", "/acme/history.atom"):
        plain, packed = (client.get(path, headers=h) for h in ({}, {"Accept-Encoding": "gzip"}))
        assert packed.headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in plain.headers
        assert len(packed.data) < len(plain.data) / 2
        assert "Accept-Encoding" in packed.headers["Vary"]


def test_months_are_counted_over_the_turn_of_the_year():
    assert str(Month(2024, 1).later(-1)) == "2023-12"
    assert str(Month(2024, 11).later(3)) == "2025-02"
    assert Month.of(now().date()) >= Month(2024, 12)


@pytest.mark.parametrize("words", ["ELEVATED", "balancer  carries", "100%_"])
def test_it_is_searched_in_titles_and_in_all_that_was_said(client, cast, words):
    with transaction(cast.acme):
        found = Incident.open(
            cast.acme, None, title="Elevated errors", message="The balancer carries 100%_ now"
        )
        Incident.open(cast.acme, None, title="Something else", message="It carries 1000 now")
        Incident.open(cast.acme, cast.south, title="Elevated in private", message="balancer carries 100%_")
    found_links = document(client, f"/acme/history?q={quote(words)}").xpath("//article//h3/a/@href")
    assert found_links == [f"/acme/incidents/{found.id}"]
    old, new = (client.get(f"/acme/history?q={each}").headers["ETag"] for each in ("one", "two"))
    assert old != new


@pytest.mark.parametrize("words", ["nothing like it", "\x00", "x" * 5000, "<script>", "‮", "%", "'"])
def test_whatever_is_looked_for_is_answered_in_words(client, cast, words):
    answer = client.get(f"/acme/history?q={quote(words)}")
    assert answer.status_code == 200
    assert "<script>”" not in answer.text
