"""The console as a document: for nobody in particular, hidden from search, no burden of other pages."""

import pytest
from lxml import html

pytestmark = pytest.mark.one_database


def document(client, query=""):
    return html.document_fromstring(client.get(f"/console{query}").text)


def value(page, name):
    return page.get_element_by_id(name).get("value")


def test_it_is_not_to_be_found_by_search_engines_and_framed_by_nobody(client):
    answer = client.get("/console")
    assert (answer.status_code, answer.headers["X-Robots-Tag"]) == (200, "noindex")
    assert html.document_fromstring(answer.text).xpath("//meta[@name='robots']/@content") == ["noindex"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-cache"


def test_the_address_fills_in_ids_and_nothing_else(cast, client):
    page = document(client, "?organization=org-456&tenant=tenant-789&token=x&userId=y")
    assert [value(page, name) for name in ("organizationId", "tenantId")] == ["org-456", "tenant-789"]
    assert [value(page, name) for name in ("token", "userId", "cursor")] == ["", "", ""]
    assert not [name for name in cast.tokens.values() if name in client.get("/console").text]


@pytest.mark.parametrize(
    "evil", ["%22onfocus%3Dx%20", "%3Cscript%3E%00", "a" * 65, "%ED%A0%80", "a&organization=b"]
)
def test_what_cannot_be_an_id_fills_in_nothing_that_acts(client, evil):
    answer = client.get(f"/console?organization={evil}&tenant={evil}")
    page = html.document_fromstring(answer.text)
    assert answer.status_code == 200
    assert not page.xpath("//@*[starts-with(name(), 'on')] | //@style")
    assert [script.get("type") for script in page.iter("script") if script.text] == [None, "importmap"]


def test_it_brings_its_own_modules_and_style_and_other_pages_do_not(cast, app, client):
    console, public = client.get("/console").text, client.get("/acme").text
    assets = app.extensions["assets"]
    for asset in (assets.apart["console"], assets.modules["console/main"], assets.modules["console/log"]):
        assert asset.integrity in console
        assert asset.integrity not in public
        assert client.get(asset.url).status_code == 200
    assert "transports" not in client.get(assets.stylesheet.url).text


def test_every_id_stands_once_and_every_field_has_a_label(client):
    page = document(client)
    ids = page.xpath("//@id")
    assert sorted(ids) == sorted(set(ids))
    for field in page.xpath("//input[@type!='radio' and @type!='checkbox'] | //textarea"):
        assert page.xpath(f"//label[@for='{field.get('id')}']")
