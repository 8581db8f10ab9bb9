"""The badge: one line of SVG that says the status to eyes, to screen readers, and to any cache."""

import re

import pytest
from lxml import etree

from statuspage.database import transaction
from statuspage.models.service import Service
from statuspage.models.status import ServiceStatus
from statuspage.web.badge import COLOURS, Half, short

pytestmark = pytest.mark.one_database
SVG = "{http://www.w3.org/2000/svg}"


def badge(client, path="/acme/badge.svg", **query):
    response = client.get(path, query_string=query)
    assert response.content_type == "image/svg+xml; charset=utf-8"
    return etree.fromstring(response.data)


def texts(svg):
    return [text.text for text in svg.iter(f"{SVG}text")]


@pytest.mark.parametrize("status", list(ServiceStatus))
def test_it_says_the_status_in_a_word_and_its_colour(cast, client, status):
    with transaction(cast.acme):
        cast.acme_service.update(own_status=status)
    svg = badge(client)
    assert texts(svg) == ["Acme", status.word]
    assert svg.find(f"{SVG}title").text == svg.get("aria-label") == f"Acme: {status.word}"
    assert svg.get("role") == "img"
    assert COLOURS[status] in {path.get("fill") for path in svg.iter(f"{SVG}path")}


def test_a_tenant_has_its_own(cast, client):
    with transaction(cast.acme):
        cast.north_service.update(own_status=ServiceStatus.MAJOR_OUTAGE)
    assert texts(badge(client, "/acme/north/badge.svg")) == ["North", "Major outage"]
    assert texts(badge(client)) == ["Acme", "Operational"]


def test_a_page_that_watches_nothing_has_no_status(cast, client):
    with transaction(cast.acme):
        cast.acme_service.remove()
    assert texts(badge(client)) == ["Acme", "No data"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("uptime", "uptime"),
        ("", "Acme"),
        ("  \n\x00 ", "Acme"),
        ("</text><script>alert(1)</script>", "</text><script>alert(1)</script>"),
        ("\"&'\ufffe\x1b x", "\"&' x"),
        ("حالة 状態 🎉", "حالة 状態 🎉"),
        ("x" * 41, "x" * 39 + "…"),
        ("{{ 7 * 7 }}", "{{ 7 * 7 }}"),
    ],
)
def test_any_label_is_text(cast, client, given, shown):
    svg = badge(client, label=given)
    assert texts(svg) == [shown, "Operational"]
    assert {element.tag for element in svg.iter()} == {
        SVG + name for name in ("svg", "title", "path", "g", "text")
    }


def test_the_words_fit_between_the_edges(cast, client):
    for label in ("il", "WWWWW", "Status of everything", "状態"):
        svg = badge(client, label=label)
        first, second = svg.iter(f"{SVG}text")
        assert float(first.get("x")) == Half(label).width / 2
        assert float(second.get("x")) == Half(label).width + Half("Operational").width / 2
        assert int(svg.get("width")) == Half(label).width + Half("Operational").width
    assert Half("WWWWW").length > 2 * Half("iiiii").length
    assert Half("状態").length == 23
    assert not Half("状態").exact


def test_white_words_are_readable_on_every_colour():
    for colour in (*COLOURS.values(), "#4b535d"):
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5, colour


def luminance(colour):
    """WCAG 2.2, relative luminance."""
    parts = [int(pair, 16) / 255 for pair in re.findall("..", colour[1:])]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_caches_ask_each_time_and_are_told_when_nothing_changed(cast, client):
    first = client.get("/acme/badge.svg?label=状態")
    assert first.headers["Cache-Control"] == "public, max-age=0, stale-if-error=3600"
    known = {"If-None-Match": first.headers["ETag"]}
    assert client.get("/acme/badge.svg?label=状態", headers=known).status_code == 304
    assert client.get("/acme/badge.svg", headers=known).status_code == 200
    with transaction(cast.acme):
        cast.north_service.update(own_status=ServiceStatus.MAJOR_OUTAGE)  # shows elsewhere
    assert client.get("/acme/badge.svg?label=状態", headers=known).status_code == 304
    with transaction(cast.acme):
        Service.create(cast.acme, None, name="New")
    assert client.get("/acme/badge.svg?label=状態", headers=known).status_code == 200


def test_other_sites_may_show_it_and_opened_by_itself_it_can_do_nothing(cast, client):
    response = client.get("/acme/badge.svg")
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response.headers["Content-Security-Policy"] == (
        "default-src 'none'; frame-ancestors 'none'; sandbox"
    )


def test_a_name_is_cut_off_where_a_badge_ends_to_be_one():
    assert short("a" * 40) == "a" * 40
    assert short("word " * 20) == "word word word word word word word word…"
