"""Pages as documents: complete without scripts, safe with any text, and what the client script needs."""

import base64
import hashlib
import re
from datetime import timedelta

import pytest
from jinja2 import Environment, TemplateNotFound
from lxml import html
from markupsafe import escape

from statuspage.clock import iso, now
from statuspage.database import transaction
from statuspage.models.incident import Incident
from statuspage.models.organization import Organization
from statuspage.models.service import Service, ServiceGroup
from statuspage.models.status import Impact, IncidentStatus, ServiceStatus
from statuspage.web.errors import answer
from statuspage.web.markdown import markdown, plain
from statuspage.web.templating import Templates, browser, duration

pytestmark = pytest.mark.one_database
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\" onclick='x' style='x' {{ 1234 * 4321 }}"


@pytest.fixture
def stage(cast):
    """Acme with a group, an open incident of three updates, and a resolved one three days ago."""
    with transaction(cast.acme):
        group = ServiceGroup.create(cast.acme, None, name="Core")
        cast.acme_service.update(group=group, description="REST and live connections")
        Service.create(cast.acme, None, name="Website")
        cast.past = Incident.open(
            cast.acme, None, title="Slow sign-in", message="A", started_at=now() - timedelta(days=3)
        )
        cast.past.resolve(message="Mended.")
        cast.open = Incident.open(
            cast.acme,
            None,
            title="Errors",
            message="First.",
            services={cast.acme_service.id: ServiceStatus.PARTIAL_OUTAGE},
        )
        cast.open.post_update(status=IncidentStatus.IDENTIFIED, message="Second.")
        cast.open.post_update(status=IncidentStatus.MONITORING, message="*Third*.")
    cast.addresses = [
        "/",
        "/acme",
        "/acme/north",
        f"/acme/incidents/{cast.open.id}",
        f"/acme/north/incidents/{cast.open.id}",
        f"/acme/incidents/{cast.past.id}",
        "/acme/history",
        "/acme/north/history",
        "/nowhere",
    ]
    return cast


def document(client, path):
    response = client.get(path, headers={"Accept": "text/html"})
    assert response.content_type == "text/html; charset=utf-8"
    return html.document_fromstring(response.text)


def board_ids(page):
    return [child.get("id") for child in page.get_element_by_id("board")]


def words(element):
    return " ".join(element.text_content().split())


# --- complete without scripts ----------------------------------------------------------------------


def test_a_page_says_everything_without_scripts(stage, client):
    page = document(client, "/acme")
    assert words(page.find(".//h1")) == "Partial outage: 1 service affected"
    assert words(page.get_element_by_id(f"service-{stage.acme_service.id}")) == (
        "API REST and live connections Partial outage"
    )
    for text in ("Errors", "First.", "Second.", "Third.", "Slow sign-in", "Mended.", "Website Operational"):
        assert text in words(page.body)
    assert page.xpath("//noscript/meta[@http-equiv='refresh']")


def test_every_moment_is_readable_as_the_server_wrote_it(stage, client):
    for address in stage.addresses:
        for time in document(client, address).iter("time"):
            clock = r", \d\d:\d\d UTC" if "T" in time.get("datetime") else ""
            assert re.fullmatch(r"\d{1,2} [A-Z][a-z]{2} \d{4}" + clock, time.text)


def test_an_incident_page_shows_every_update_unfolded(stage, client):
    page = document(client, f"/acme/incidents/{stage.open.id}")
    assert words(page.find(".//h1")) == "Errors"
    assert [words(item) for item in page.find_class("message")] == ["Third.", "Second.", "First."]
    assert not page.xpath("//main//details")


def test_a_card_shows_the_newest_update_and_folds_the_rest(stage, client):
    card = document(client, "/acme").get_element_by_id(f"incident-{stage.open.id}")
    fold = card.get_element_by_id(f"earlier-{stage.open.id}")
    assert words(fold.find("summary")) == "2 earlier updates"
    assert [words(item) for item in card.find_class("message")] == ["Third.", "Second.", "First."]
    assert [words(item) for item in fold.find_class("message")] == ["Second.", "First."]


def test_a_shared_link_has_a_title_a_sentence_and_one_address(stage, client):
    page = document(client, f"/org-456/incidents/{stage.open.id}")
    meta = {tag.get("property") or tag.get("name"): tag.get("content") for tag in page.iter("meta")}
    address = f"http://localhost/acme/incidents/{stage.open.id}"
    assert meta["description"] == meta["og:description"] == "Third."
    assert meta["og:title"] == page.find(".//title").text == "Errors · Acme"
    assert meta["og:url"] == page.xpath("//link[@rel='canonical']/@href")[0] == address


def test_lines_of_a_message_stay_apart_where_only_text_can_stand():
    message = "It comes back:\n\n- **Reads** work\n- Writes fail\n\nMore soon."
    assert plain(message) == "It comes back: Reads work · Writes fail · More soon."


# --- what the client script builds on --------------------------------------------------------------


def test_the_top_level_ids_are_there_even_when_there_is_nothing_to_show(stage, client):
    with transaction():
        Organization.create(slug="brand-new", name="Brand new")
    full, empty = document(client, "/acme"), document(client, "/brand-new")
    assert board_ids(full) == board_ids(empty) == ["banner", "incidents", "services", "history"]
    assert words(empty.find(".//h1")) == "No services yet"
    assert "hidden" not in full.get_element_by_id("history").attrib
    assert "hidden" in empty.get_element_by_id("history").attrib, "it has no past yet"
    for page in (full, empty):
        assert page.xpath("//header//*[@id='name']")
        assert {"mark", "spoken", "zone"} <= set(page.xpath("//@id"))
    assert board_ids(document(client, f"/acme/incidents/{stage.open.id}")) == ["incident"]


def test_every_id_stands_once(stage, client):
    for address in stage.addresses:
        ids = document(client, address).xpath("//@id")
        assert sorted(ids) == sorted(set(ids))


def test_every_symbol_that_is_used_is_drawn_once_outside_of_what_a_change_replaces(stage, client):
    for status in ServiceStatus:
        with transaction(stage.acme):
            Service.create(stage.acme, None, name=status.value, own_status=status)
    for address in stage.addresses:
        page = document(client, address)
        drawn = set(page.xpath("//symbol/@id"))
        assert {href.removeprefix("#") for href in page.xpath("//use/@href")} <= drawn
        assert not page.xpath("//main//symbol | //header//symbol")


def test_what_is_worst_stands_first(stage, client):
    with transaction(stage.acme):
        Incident.open(stage.acme, None, title="Critical", message="x", impact=Impact.CRITICAL)
        Incident.open(stage.acme, None, title="Nothing much", message="x")
    titles = document(client, "/acme").xpath("//*[@id='incidents']/article//h2")
    assert [words(title) for title in titles] == ["Critical", "Errors", "Nothing much"]


@pytest.mark.parametrize(("services", "is_open"), [(9, True), (20, False)])
def test_of_many_groups_only_those_in_trouble_are_open(stage, client, services, is_open):
    with transaction(stage.acme):
        calm = ServiceGroup.create(stage.acme, None, name="Calm")
        for number in range(services):
            Service.create(stage.acme, None, name=str(number), group=calm)
    page = document(client, "/acme")
    assert page.get_element_by_id(f"group-{stage.acme_service.group_id}").get("open") is not None
    assert (page.get_element_by_id(f"group-{calm.id}").get("open") is not None) is is_open


def test_the_organizations_groups_stand_above_the_tenants(stage, client):
    for number in range(3):
        with transaction(stage.acme):
            group = ServiceGroup.create(stage.acme, stage.north, name=f"North {number}", position=0)
            Service.create(stage.acme, stage.north, name="Gateway", group=group)
    titles = [words(title) for title in document(client, "/acme/north").xpath("//*[@id='services']//h3")]
    assert titles[0] == "Core"


def test_quiet_days_in_a_row_are_one_row_and_a_day_with_an_open_incident_is_not_quiet(stage, client):
    rows = document(client, "/acme").xpath("//*[@id='history']/section")
    assert len(rows) == 4  # today, two quiet days, the day of the past incident, ten quiet days
    assert "1 incident, not over yet" in words(rows[0])
    assert len(rows[1].xpath(".//time")) == 2
    assert "No incidents" in words(rows[1])
    assert "Slow sign-in" in words(rows[2])
    assert "No incidents" in words(rows[3])


def test_the_banner_says_since_when_also_without_an_incident(cast, client):
    def since():
        return document(client, "/acme").xpath("//section[@class='banner']//time/@datetime")

    assert since() == []
    for status, moments in ((ServiceStatus.MAJOR_OUTAGE, 1), (ServiceStatus.OPERATIONAL, 0)):
        with transaction(cast.acme):
            cast.acme_service.update(own_status=status)
        assert len(since()) == moments
    incident_start = now() - timedelta(hours=2)
    with transaction(cast.acme):
        cast.acme_service.update(own_status=ServiceStatus.DEGRADED)
        affected = {cast.acme_service.id: ServiceStatus.MAJOR_OUTAGE}
        Incident.open(cast.acme, None, title="A", message="A", services=affected, started_at=incident_start)
    assert since() == [iso(incident_start)]


# --- any text, and a strict Content-Security-Policy ------------------------------------------------


@pytest.fixture
def hostile(stage):
    """Somebody has written markup into everything that can be written."""
    with transaction(stage.acme):
        stage.acme.update(name=EVIL)
        stage.north.update(name=EVIL)
        group = ServiceGroup.create(stage.acme, None, name=EVIL)
        stage.acme_service.update(name=EVIL, description=EVIL, group=group)
        stage.open.update(title=EVIL)
        stage.past.update(title=EVIL)
        stage.open.post_update(status=IncidentStatus.MONITORING, message=EVIL)
    return stage


def test_text_stays_text_in_every_field(hostile, client):
    for address in hostile.addresses:
        page = document(client, address)
        kinds = [script.get("type") for script in page.iter("script")]
        assert kinds in ([None], [None, "importmap", "module"])  # None: static/theme.js
        assert not list(page.iter("img"))
        assert "5332114" not in words(page.body)
    page = document(client, "/acme/north")
    texts = [page.find(".//title").text, page.get_element_by_id("name").text_content()]
    texts += [page.get_element_by_id(id).text_content() for id in board_ids(page)[1:]]
    for text in texts:
        assert "<script>alert(1)</script>" in text


def test_nothing_has_a_style_attribute_or_an_inline_handler(hostile, client):
    for address in hostile.addresses:
        page = document(client, address)
        assert not page.xpath("//@style | //body//style")
        assert not page.xpath("//@*[starts-with(name(), 'on') or starts-with(name(), 'hx-on')]")


def test_names_of_any_script_bring_their_own_direction(stage, client):
    name = "بوابة الدفع"
    with transaction(stage.acme):
        stage.acme_service.update(name=name)
        stage.open.update(title=name)
    for element in document(client, "/acme").xpath(f"//body//*[text()='{name}']"):
        assert element.get("dir") == "auto"


def test_what_stands_in_the_document_itself_is_allowed_by_its_hash(stage, client):
    for address in stage.addresses:
        answer = client.get(address, headers={"Accept": "text/html"})
        page = html.document_fromstring(answer.text)
        inline = [*page.iter("style"), *(script for script in page.iter("script") if not script.get("src"))]
        assert len(inline) >= 1
        for element in inline:
            digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in answer.headers["Content-Security-Policy"]


# --- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/nowhere", "/acme/nowhere", "/acme/incidents/nowhere", "/a/b/c/d"])
def test_a_page_that_is_not_there_says_what_to_do_next(cast, client, path):
    response = client.get(path, headers={"Accept": "text/html"})
    page = html.document_fromstring(response.text)
    assert response.status_code == 404
    assert words(page.find(".//h1")) == "There is nothing here"
    assert "Check the address" in words(page.body)
    assert page.xpath("//main//a/@href") == [f"/sign-in?next={path}", "/"]


@pytest.mark.parametrize(
    ("path", "named"), [("/acme/incidents/x1", "/acme/incidents/x1"), ("/join/s3cr3t", "/join/<secret>")]
)
def test_the_log_of_an_error_names_the_page_and_no_secret(app, client, monkeypatch, caplog, path, named):
    def fail(**_):
        raise RuntimeError("Broken")

    monkeypatch.setitem(app.view_functions, app.url_map.bind("").match(path)[0], fail)
    assert client.get(path).status_code == 500
    assert f"GET {named}\n" in caplog.text
    assert "s3cr3t" not in caplog.text


@pytest.mark.parametrize("status", [401, 403, 404, 409, 413, 422, 429, 500, 503])
def test_every_refusal_is_a_page_of_ours_that_says_what_to_do_next(app, status):
    with app.test_request_context("/acme", headers={"Accept": "text/html"}):
        page = html.document_fromstring(answer(status, "It was so.").get_data(as_text=True))
    assert f"Error {status}" in words(page.body)
    assert ("It was so." in words(page.body)) is (status != 404)
    assert page.xpath("//meta[@name='robots']/@content") == ["noindex"]
    again = page.xpath("//main//a[text()='Load this page again']")
    assert bool(again) is (status in (429, 500, 503))


# --- what templates write --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo", "<p>one<br>\ntwo</p>"),
        ("# Title", "<p><strong>Title</strong></p>"),
        ("- **a**", "<ul>\n<li><strong>a</strong></li>\n</ul>"),
        ("<b onclick=x>a</b>", "<p>&lt;b onclick=x&gt;a&lt;/b&gt;</p>"),
        ("[a](https://b.c)", '<p><a href="https://b.c" rel="nofollow noopener">a</a></p>'),
        ("[a](javascript:x)", "<p>[a](javascript:x)</p>"),
        ("![a](https://b.c)", '<p>!<a href="https://b.c" rel="nofollow noopener">a</a></p>'),
        ('```evil"onclick=x\na\n```', "<pre><code>a\n</code></pre>"),
    ],
)
def test_markdown_becomes_the_safe_few_elements(text, expected):
    assert markdown(text) == expected


def test_plain_words_of_a_message_are_escaped_again_where_they_stand():
    assert plain("**a** &amp; <b>\n\nc") == "a & <b> c"
    assert escape(plain("<b>")) == "&lt;b&gt;"


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 16) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1", "Safari on an iPhone"),
        ("curl/8.5", "curl/8.5"),
        ("", "A browser that does not say what it is"),
    ],
)
def test_a_browser_by_its_name(agent, expected):
    assert browser(agent) == expected


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (timedelta(seconds=59), "less than a minute"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(hours=2, minutes=5, seconds=59), "2 hours 5 minutes"),
        (timedelta(days=3, hours=4, minutes=5), "3 days 4 hours"),
        (timedelta(days=1, minutes=10), "1 day"),
        (timedelta(hours=10), "10 hours"),
    ],
)
def test_lengths_of_time(length, expected):
    assert duration(length) == expected


@pytest.mark.parametrize(
    ("accept", "kind"),
    [("*/*", "application/problem+json"), ("text/html,application/xml;q=0.9,*/*;q=0.8", "text/html")],
)
def test_a_browser_gets_a_page_and_a_program_a_problem(client, accept, kind):
    refused = client.get("/nowhere/changes", headers={"Accept": accept})
    assert (refused.status_code, refused.mimetype) == (404, kind)


def test_what_a_browser_keeps_for_later_is_complete_in_itself(client):
    script = client.get("/sw.js")
    assert script.mimetype == "text/javascript"
    assert client.application.extensions["live"].build in script.text
    page = client.get("/offline")
    assert page.status_code == 200
    assert "<style>" in page.text
    assert not re.search(r'<(?:link rel="stylesheet"|script src|img)', page.text)


def test_a_new_version_laid_over_this_one_changes_no_page_until_the_next_start(tmp_path):
    (tmp_path / "page.html").write_text("of this version")
    environment = Environment(loader=Templates(str(tmp_path)))
    (tmp_path / "page.html").write_text("of the next")
    (tmp_path / "new.html").write_text("of the next")
    assert environment.get_template("page.html").render() == "of this version"
    with pytest.raises(TemplateNotFound):
        environment.get_template("new.html")
