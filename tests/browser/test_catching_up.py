"""However a page fell behind, it ends as a fresh load: by its position, or whole, or by a reload."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.visit import RUNGS

STATUSES = ("degraded", "partial_outage", "major_outage", "maintenance", "operational")


@pytest.fixture
def outage(api):
    """An open incident with two updates; gone afterwards, however the test left it."""
    incident = api(
        "POST",
        "/incidents",
        {
            "organizationId": "org-456",
            "title": "Storm",
            "message": "It is raining in.",
            "services": {"service-1": "degraded"},
        },
    )
    api(
        "POST",
        f"/incidents/{incident['id']}/updates",
        {"status": "identified", "message": "There is a hole."},
    )
    yield incident
    ids = [found["id"] for found in api("GET", "/incidents?organizationId=org-456")["items"]]
    if incident["id"] in ids:
        api("DELETE", f"/incidents/{incident['id']}")


@pytest.mark.cuts_the_network
def test_a_copy_from_a_cache_catches_up_a_hundred_events(gate, visitor, server, set_status):
    gate.serve("/acme", httpx.get(server.url + "/acme"))
    for number in range(102):  # the last status is not the first one
        set_status(STATUSES[number % len(STATUSES)])
    for rung, refused in RUNGS.items():
        gate.refuse(*refused)
        visit = visitor(gate.url).open(by=rung)
        visit.expect_same_as_fresh(server.url)
        assert f'data-cursor="{visit.cursor}"' in httpx.get(server.url + "/acme").text


def test_a_copy_of_another_epoch_is_replaced_whole(gate, gated, server, set_status):
    old = httpx.get(server.url + "/acme")
    gate.serve("/acme", old, re.sub('data-cursor="[^"]+"', 'data-cursor="bygone:99"', old.text))
    set_status("major_outage")
    gated.open()
    gated.expect_same_as_fresh(server.url)
    assert not gated.cursor.startswith("bygone")


def test_a_position_that_the_log_never_reached_is_replaced_whole(gate, gated, server, set_status):
    old = httpx.get(server.url + "/acme")
    gate.serve("/acme", old, re.sub('data-cursor="([^"]+)"', r'data-cursor="\g<1>000"', old.text))
    set_status("major_outage")
    gated.open()
    gated.expect_same_as_fresh(server.url)


def test_back_from_another_page(own_browser, visitor, server, set_status):
    visit = visitor(context=own_browser.new_context()).open()
    visit.stamp()
    visit.page.goto(server.url + "/acme/north")
    set_status("major_outage")
    visit.page.go_back(wait_until="commit")
    assert visit.is_stamped, "it came out of the back/forward cache"
    visit.expect_same_as_fresh(server.url)
    visit.wait_live()


@contextmanager
def frozen(browser: Browser) -> Iterator[None]:
    """The processes of its pages stand still, as in the sleep of a tab or of a laptop."""
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    pages = [process["id"] for process in processes if process["type"] == "renderer"]
    for page in pages:
        os.kill(page, signal.SIGSTOP)
    try:
        yield
    finally:
        for page in pages:
            os.kill(page, signal.SIGCONT)


@pytest.mark.cuts_the_network
@pytest.mark.parametrize("cut", [False, True], ids=["connection held", "connection lost"])
def test_a_page_that_was_frozen(own_browser, gate, visitor, server, set_status, cut):
    visit = visitor(gate.url, context=own_browser.new_context()).open()
    with frozen(own_browser):
        for status in STATUSES[:3]:
            set_status(status)
        if cut:
            gate.cut()
        set_status("maintenance")
    visit.expect_same_as_fresh(server.url)
    visit.wait_live()


def lose(visit, before: str) -> None:
    """The page as it would be had the last change of service-1 never reached it."""
    visit.page.evaluate(
        """before => {
          document.getElementById("board").dataset.cursor = before;
          document.getElementById("service-service-1").dataset.status = "operational";
        }""",
        before,
    )


def test_a_lost_message_is_found_by_the_next_one(visit, server, api, set_status):
    visit.open()
    before = visit.cursor
    set_status("major_outage")
    visit.expect_status("major_outage")
    other = api("GET", "/services?organizationId=org-456")["items"][-1]
    assert other["id"] != "service-1"
    lose(visit, before)
    set_status("degraded", other["id"])
    visit.expect_status("degraded", other["id"])
    visit.expect_same_as_fresh(server.url)
    set_status("operational", other["id"])


def test_a_lost_last_message_is_found_by_the_next_head(visit, server, set_status):
    visit.open()
    before = visit.cursor
    set_status("major_outage")
    visit.expect_status("major_outage")
    lose(visit, before)
    visit.expect_status("major_outage")
    visit.expect_same_as_fresh(server.url)


def test_a_part_without_a_place_brings_the_whole_board(visit, server, set_status):
    visit.open().stamp()
    visit.service().evaluate("row => row.remove()")
    set_status("major_outage")
    visit.expect_status("major_outage")
    visit.expect_same_as_fresh(server.url)
    assert visit.is_stamped, "without a reload"


def test_a_board_without_a_place_brings_a_reload(visit, server, set_status):
    visit.open().stamp()
    visit.page.locator("#services").evaluate("part => part.remove()")
    set_status("major_outage")
    visit.expect_status("major_outage")
    assert not visit.is_stamped
    visit.wait_live()
    visit.expect_same_as_fresh(server.url)


@pytest.mark.cuts_the_network
def test_the_page_of_a_deleted_incident_becomes_not_found(visit, api, outage):
    visit.open(f"/acme/incidents/{outage['id']}")
    api("DELETE", f"/incidents/{outage['id']}")
    expect(visit.page.locator("main.error")).to_be_visible(timeout=10_000)


def test_the_page_of_an_incident_follows_it(visit, server, api, outage):
    path = f"/acme/incidents/{outage['id']}"
    visit.open(path)
    api("POST", f"/incidents/{outage['id']}/updates", {"status": "resolved", "message": "The sun is out."})
    expect(visit.page.get_by_text("The sun is out.")).to_be_visible()
    visit.expect_same_as_fresh(server.url, path)


def test_an_incident_comes_grows_and_goes_on_an_open_page(visit, server, api, outage):
    visit.open()
    for status, message in (("monitoring", "It holds."), ("resolved", "It is dry.")):
        api("POST", f"/incidents/{outage['id']}/updates", {"status": status, "message": message})
        visit.expect_same_as_fresh(server.url)
    api("DELETE", f"/incidents/{outage['id']}")
    visit.expect_same_as_fresh(server.url)


# --- another build ---------------------------------------------------------------------------------


def test_other_markup_is_fetched_whole(visit, server):
    visit.open().stamp()
    build = visit.page.locator("html").get_attribute("data-build")
    visit.page.evaluate(
        """older => {
          document.documentElement.dataset.build = older;
          document.getElementById("headline").textContent = "As an older build put it";
        }""",
        build.split(".")[0] + ".older",
    )
    expect(visit.page.locator("html")).to_have_attribute("data-build", build)
    visit.expect_same_as_fresh(server.url)
    assert visit.is_stamped, "without a reload"


def test_other_scripts_bring_one_reload_even_when_a_cache_answers_it(gate, gated, server):
    page = httpx.get(server.url + "/acme")
    gate.serve("/acme", page, page.text.replace('data-build="', 'data-build="older-'))
    gated.page.add_init_script("Math.random = () => 0.05")  # a reload comes soon after a head
    gated.open()
    gated.until(lambda: gated.loads == 2)
    gated.wait_live().stamp()
    heads = gated.heads
    gated.until(lambda: gated.heads == heads + 3)
    assert gated.is_stamped
