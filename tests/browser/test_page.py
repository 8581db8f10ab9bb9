"""What a visitor has in hand stays: place, focus, folds. What moves is marked, said, and timed honestly."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.gate import Gate
from tests.browser.visit import COUNT_SENTENCES

NOTE_HIGHLIGHTS = """() => {
  window.highlighted = new Set();
  new MutationObserver(records => {
    for (const { target } of records) if (target.classList.contains("changed")) highlighted.add(target.id);
  }).observe(document.body, { subtree: true, attributeFilter: ["class"] });
}"""


def test_place_focus_selection_and_folds_survive_a_change(visitor, set_status):
    visit = visitor(viewport={"width": 400, "height": 300}).open()
    page, row = visit.page, visit.service()
    about = row.locator("details")
    about.locator("> summary").click()
    row.locator(".name").evaluate("name => getSelection().selectAllChildren(name)")
    top = row.bounding_box()["y"]
    assert page.evaluate("scrollY") > 0
    set_status("major_outage")
    visit.expect_status("major_outage")
    assert row.bounding_box()["y"] == pytest.approx(top, abs=1), "the row stays where the eye is"
    assert about.locator("> summary").evaluate("summary => summary === document.activeElement")
    assert page.evaluate("getSelection().toString()") == "API"
    expect(about).to_have_attribute("open", "")


def test_what_the_visitor_folded_stays_folded_and_opened_stays_open(visit, set_status):
    visit.open()
    calm = visit.page.locator("details.group").filter(has_text="Backups")
    about = visit.service().locator("details")
    was_open = calm.get_attribute("open") is not None
    calm.locator("> summary").click()
    about.locator("> summary").click()
    set_status("major_outage")
    visit.expect_status("major_outage")
    visit.page.reload()
    visit.wait_live()
    assert (calm.get_attribute("open") is not None) is not was_open
    expect(about).to_have_attribute("open", "")


def test_a_group_in_which_something_goes_wrong_unfolds(visit, set_status):
    visit.open()
    group = visit.page.locator("details.group").filter(has_text="API")
    if group.get_attribute("open") is not None:
        group.locator("> summary").click()
    expect(group).not_to_have_attribute("open", "")
    set_status("major_outage")
    expect(group).to_have_attribute("open", "")


def test_a_change_is_said_once_and_highlights_only_what_changed(visit, set_status):
    visit.open()
    set_status("partial_outage")
    visit.expect_status("partial_outage")  # with it came what the test before had left unsaid
    visit.until(lambda: visit.page.locator(".changed").count() == 0)
    visit.page.evaluate(COUNT_SENTENCES)
    visit.page.evaluate(NOTE_HIGHLIGHTS)
    set_status("major_outage")
    visit.until(lambda: visit.page.evaluate("sentences.length"))
    assert visit.page.evaluate("sentences") == ["API: Major outage."]
    visit.until(lambda: visit.page.locator(".changed").count() == 0)
    assert visit.page.evaluate("[...highlighted]") == ["service-service-1"]
    set_status("degraded")
    visit.until(lambda: len(visit.page.evaluate("sentences")) == 2)


def test_an_incident_and_its_end_are_each_one_sentence_on_the_page_and_in_an_embed(visitor, server, api):
    """Whatever else they change: services, the banner, the title."""
    listeners = [visitor().open("/acme"), visitor()]
    with listeners[1].page.expect_request("**/stream?*"):
        listeners[1].page.goto(f"{server.url}/embed/acme?view=full")
    for listener in listeners:
        listener.page.evaluate(COUNT_SENTENCES)

    def expect_said(*sentences):
        for listener in listeners:
            listener.until(lambda page=listener.page: page.evaluate("sentences.length") >= len(sentences))
            assert listener.page.evaluate("sentences") == list(sentences)

    new = {
        "organizationId": "org-456",
        "title": "Fog",
        "message": "Thick.",
        "services": {"service-1": "major_outage"},
    }
    began = "Fog: Investigating. API: Major outage."
    fog = api("POST", "/incidents", new)["id"]
    try:
        expect_said(began)
        api("POST", f"/incidents/{fog}/updates", {"status": "resolved", "message": "Clear."})
        expect_said(began, "Fog: Resolved. API: Degraded performance.")
    finally:
        api("DELETE", f"/incidents/{fog}")


def test_the_passing_of_time_is_no_change(visit, set_status):
    visit.page.clock.install()
    visit.open()
    ago = visit.page.locator("#incidents time[data-relative]").first
    before = ago.text_content()
    visit.page.clock.fast_forward(600_000)
    expect(ago).not_to_have_text(before)
    visit.wait_live()
    visit.page.evaluate(NOTE_HIGHLIGHTS)
    set_status("major_outage")
    visit.expect_status("major_outage")
    visit.until(lambda: visit.page.evaluate("highlighted.size"))
    assert visit.page.evaluate("[...highlighted]") == ["service-service-1"]


def test_who_wants_less_motion_sees_the_new_state_and_no_motion(visitor, set_status):
    visit = visitor(reduced_motion="reduce").open()
    set_status("major_outage")
    changed = visit.page.locator(".changed").first
    expect(changed).to_have_css("animation-name", "none")


def test_title_and_icon_follow_the_status(visit, set_status):
    visit.open()
    icon = visit.page.locator("link[rel=icon]")
    before = icon.get_attribute("href")
    set_status("major_outage")
    expect(visit.page).to_have_title(re.compile("^Major outage"))
    after = icon.get_attribute("href")
    assert after != before
    assert after.startswith("data:image/svg+xml,")


def test_times_are_in_the_visitors_zone_and_words(visitor, server):
    visit = visitor(timezone_id="Asia/Kathmandu", locale="en-GB").open()
    moment = visit.page.locator("#history time[datetime*=T]").first
    utc = moment.get_attribute("title")
    assert re.fullmatch(r"\d+ \w+ \d{4}, \d\d:\d\d UTC", utc)
    local = moment.text_content()
    hour, minute = map(int, re.search(r"(\d\d):(\d\d)", utc).groups())
    later = (hour * 60 + minute + 5 * 60 + 45) % 1440
    assert local.endswith(f"{later // 60:02}:{later % 60:02}")
    assert re.fullmatch("Asia/Kat[h]?mandu", visit.page.locator("#zone").text_content())


def test_times_that_arrive_with_a_change_are_the_visitors_too(visit, api):
    visit.open()
    visit.page.evaluate(
        """() => document.addEventListener("live:changed", () => {
          window.foreign = document.querySelectorAll("time[datetime*=T]:not([title])").length;
        })"""
    )
    incident = api(
        "POST", "/incidents", {"organizationId": "org-456", "title": "Wind", "message": "It blows."}
    )
    visit.until(lambda: visit.page.evaluate("window.foreign === 0"))
    api("DELETE", f"/incidents/{incident['id']}")


def test_a_day_is_the_same_day_everywhere(visitor):
    days = [
        visitor(timezone_id=zone, locale="en-GB").open().page.locator("#history h3 time").all_text_contents()
        for zone in ("Pacific/Kiritimati", "Pacific/Niue")
    ]
    assert days[0] == days[1]


def test_relative_times_tick(visit, api):
    visit.page.clock.install()
    incident = api(
        "POST",
        "/incidents",
        {"organizationId": "org-456", "title": "Tick", "message": "Tock.", "services": {}},
    )
    try:
        visit.open()
        moment = visit.page.locator(f"#incident-{incident['id']} time[data-relative]").first
        expect(moment).to_have_text("just now")
        visit.page.clock.fast_forward(5 * 60_000)
        expect(moment).to_have_text(re.compile("^[45] minutes ago$"))
        assert re.search(r"\d{4}.*UTC", moment.get_attribute("title"))
    finally:
        api("DELETE", f"/incidents/{incident['id']}")


@pytest.mark.cuts_the_network
def test_the_mark_says_first_that_it_reconnects_and_then_how_old_the_page_is(gate, gated):
    gated.page.clock.install()
    gated.open()
    gate.refuse("/")
    gate.cut()
    gated.expect_mark("^Reconnecting…$")
    gated.page.clock.fast_forward(20_000)
    gated.expect_mark(r"^Offline: showing \d{1,2}:\d\d")
    gate.let_through()
    gated.page.clock.fast_forward(30_000)
    gated.expect_mark("^Live$", seconds=30)


def test_a_change_leaves_no_trace_of_its_making(visit, set_status):
    """No style element, no style attribute, no left-over class of htmx; the browser has nothing to report."""
    visit.open()
    set_status("major_outage")
    visit.expect_status("major_outage")
    assert visit.page.locator("head > style ~ style, body style, [style], [class*=htmx-]").count() == 0


@pytest.mark.cuts_the_network
def test_without_a_network_a_page_of_ours_says_so_until_it_is_back(visitor, gate, server):
    visit = visitor(url=gate.url, service_workers="allow").open()
    page, port = visit.page, int(gate.url.rpartition(":")[2])
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.reload()
    visit.wait_live()
    gate.close()
    page.goto(gate.url + "/acme/history")
    expect(page.locator("h1")).to_have_text("You are offline")
    assert page.url.endswith("/acme/history")
    with Gate(server.url, port):
        page.get_by_text("Try again now").click()
        expect(page.locator("h1")).to_have_text("History")


def test_the_history_stays_current_too(visit, api):
    page = visit.page
    page.goto(visit.url + "/acme/history")
    visit.wait_live()
    page.evaluate("window.stays = true")
    new = {"organizationId": "org-456", "title": "Live history", "message": "x"}
    id = api("POST", "/incidents", new)["id"]
    entry = page.locator(f"#past-{id}")
    expect(entry).to_contain_text("not over yet")
    api("POST", f"/incidents/{id}/updates", {"status": "resolved", "message": "Over."})
    expect(entry).to_contain_text("Over.")
    expect(page).to_have_title(re.compile("^History"))
    api("DELETE", f"/incidents/{id}")
    expect(entry).to_have_count(0)
    assert page.evaluate("window.stays"), "it was not loaded again"
