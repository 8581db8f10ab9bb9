"""The admin at three in the morning: few moves, by mouse or by keyboard, with and without scripts."""

import pytest
from playwright.sync_api import expect

from statuspage.config import ROOT

AXE = "async () => (await axe.run(document, {resultTypes: ['violations']})).violations.map(v => v.id)"


@pytest.fixture
def tidy(api):
    """What a test reports is gone after it."""

    def ids() -> set[str]:
        return {i["id"] for i in api("GET", "/incidents?organizationId=org-456")["items"]}

    before = ids()
    yield
    for id in ids() - before:
        api("DELETE", f"/incidents/{id}")


@pytest.fixture
def two(api):
    """Two services to put in order, in a group of their own."""
    group = api("POST", "/groups", {"organizationId": "org-456", "name": "Order"})
    place = {"organizationId": "org-456", "groupId": group["id"]}
    services = [api("POST", "/services", {**place, "name": name}) for name in ("First", "Second")]
    yield [service["id"] for service in services]
    for service in services:
        api("DELETE", f"/services/{service['id']}")
    api("DELETE", f"/groups/{group['id']}")


def test_a_status_is_changed_in_one_interaction_and_everybody_sees_it(operator, visitor):
    public, other = visitor().open(), operator().open("/admin/acme")
    desk = operator().open("/admin/acme")
    row = desk.page.locator("#control-service-1")
    button = row.get_by_role("button", name="Major outage", exact=True)
    button.click()  # 1
    for visit in (desk, other):
        expect(visit.page.locator("#control-service-1")).to_have_attribute("data-status", "major_outage")
        expect(visit.page.locator("#activity")).to_contain_text("Robin Demo")
    expect(button).to_be_focused()
    public.expect_status("major_outage")
    row.get_by_role("button", name="Undo").click()
    expect(public.service()).not_to_have_attribute("data-status", "major_outage")


def test_an_incident_is_published_in_four_interactions(operator, visitor, tidy):
    public, other = visitor().open(), operator().open("/admin/acme")
    page = operator().open("/admin/acme").page
    page.get_by_role("link", name="Report incident").click()  # 1
    page.wait_for_url("**/incidents/new")
    expect(page.locator("#title")).to_be_focused()
    page.keyboard.type("Sign-in is slow")  # 2
    page.get_by_role("radiogroup", name="Sign-in").get_by_title("Degraded performance").click()  # 3
    page.get_by_role("button", name="Publish").click()  # 4
    expect(page.locator("#story h1")).to_have_text("Sign-in is slow")
    expect(other.page.locator("#open")).to_contain_text("Sign-in is slow")
    expect(public.page.locator("#incidents")).to_contain_text("Sign-in is slow")
    other.page.get_by_role("link", name="Post update on Sign-in is slow").click()
    expect(other.page.locator("#message")).to_be_focused()


def test_an_incident_is_published_by_keyboard_alone(operator, visitor, tidy):
    public = visitor().open()
    page = operator().open("/admin/acme").page
    page.keyboard.press("n")  # 1
    page.wait_for_url("**/incidents/new")
    expect(page.locator("#title")).to_be_focused()
    page.keyboard.type("Nothing answers")  # 2
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")  # 3: the first service is degraded
    page.keyboard.press("Enter")  # 4
    expect(page.locator("#story h1")).to_have_text("Nothing answers")
    expect(page.locator("#story .chips [data-status=degraded]")).to_have_count(1)
    expect(public.page.locator("#incidents")).to_contain_text("Nothing answers")


def test_the_key_can_be_switched_off_and_the_focus_stays_where_a_row_went(operator, api):
    incident = api("POST", "/incidents", {"organizationId": "org-456", "title": "Short", "message": "Begun."})
    page = operator().open("/admin/acme").page
    page.get_by_label("to report").uncheck()
    page.reload()
    page.locator(f"#open-{incident['id']}").get_by_role("link", name="Post update").focus()
    page.keyboard.press("n")
    api("DELETE", f"/incidents/{incident['id']}")
    expect(page.locator("#open a").first).to_be_focused()
    page.get_by_label("to report").check()
    page.keyboard.press("n")
    page.wait_for_url("**/incidents/new")


def test_a_form_keeps_what_was_typed_shows_what_is_wrong_and_a_preview(operator, tidy):
    visit = operator(viewport={"width": 360, "height": 600}).open("/admin/acme/incidents/new")
    page = visit.page
    page.locator("#message").fill("It **burns**.")
    page.locator("#title").focus()
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview strong")).to_have_text("burns")
    expect(page.locator("#preview")).to_be_in_viewport()
    page.locator("#title").fill("x")
    page.locator("#title").evaluate("field => (field.value = ' ')")
    visit.stamp()
    page.get_by_role("button", name="Publish").click()
    expect(page.locator("#title-error")).to_have_text("Fill this in.")
    expect(page.locator("#message")).to_have_value("It **burns**.")
    assert visit.is_stamped, "the form was swapped in place"
    visit.complaints.clear()  # the browser reports the 422


def test_two_operators_on_one_incident_see_each_other(operator, api):
    incident = api("POST", "/incidents", {"organizationId": "org-456", "title": "Two", "message": "Begun."})
    try:
        first, second = (operator().open(f"/admin/acme/incidents/{incident['id']}") for _ in range(2))
        second.page.locator("#post #message").fill("From the second.")
        first.page.locator("#post #message").fill("From the first.")
        first.page.get_by_role("button", name="Post update").click()
        expect(second.page.locator("#said")).to_contain_text("From the first.")
        expect(second.page.locator("#post #message")).to_have_value("From the second.")
        second.page.get_by_role("button", name="Post update").click()
        expect(second.page.locator("#post .meanwhile")).to_contain_text("From the first.")
        expect(second.page.locator("#post .trouble")).to_contain_text(
            "Robin Demo saved something here just now"
        )
        expect(second.page.locator("#post .trouble")).to_be_focused()
        second.page.get_by_role("button", name="Post update").click()
        expect(first.page.locator("#said")).to_contain_text("From the second.")
        first.page.get_by_role("button", name="Resolve the incident").click()
        expect(first.page.locator("#post .meanwhile")).to_contain_text("From the second.")
        first.page.get_by_role("button", name="Resolve the incident").click()
        expect(second.page.locator("#story .state")).to_have_text("Resolved")
        for visit in (first, second):
            visit.complaints.clear()  # the browser reports the 409
    finally:
        api("DELETE", f"/incidents/{incident['id']}")


def test_a_session_that_ends_in_the_middle_costs_a_sign_in_and_one_click(operator, server, tidy):
    visit = operator().open("/admin/acme/incidents/new")
    page = visit.page
    page.locator("#title").fill("Typed before the session ended")
    _send_too_late(page, page.get_by_role("button", name="Publish"), server.password)
    expect(page.locator("#story h1")).to_have_text("Typed before the session ended")
    visit.open("/admin/acme")
    row = page.locator("#control-service-1")
    undo = row.get_by_role("button", name="Undo")
    _send_too_late(page, row.get_by_title("Major outage"), server.password)
    expect(row).to_have_attribute("data-status", "major_outage")
    undo.click()
    expect(row).not_to_have_attribute("data-status", "major_outage")
    visit.complaints.clear()  # the browser reports the 401


def _send_too_late(page, button, password):
    """Press this when the session has ended, sign in again, and send what is kept."""
    page.context.clear_cookies()
    button.click()
    page.locator("#email").fill("robin@example.org")
    page.locator("#password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Send it now").click()


def test_services_are_put_in_order_by_hand_and_by_keyboard(operator, two):
    first, second = (f"#place-of-{id}" for id in two)
    tall = {"width": 1280, "height": 1400}  # a page that scrolls under the mouse drags something else
    page, other = (operator(viewport=tall).open("/admin/acme/services").page for _ in range(2))
    rows = [each.locator(f"{first}, {second}") for each in (page, other)]
    page.locator(second).drag_to(page.locator(first), target_position={"x": 30, "y": 2})
    for row in rows:
        expect(row.first).to_contain_text("Second")
    button = page.locator(second).get_by_role("button", name="Move Second down")
    button.focus()
    page.keyboard.press("Enter")
    for row in rows:
        expect(row.first).to_contain_text("First")
    expect(button).to_be_focused()
    page.locator(".heading header", has_text="Order").drag_to(page.locator(".heading header").first)
    for each in (page, other):
        expect(each.locator(".heading header").first).to_contain_text("Order")


def test_without_a_script_an_incident_is_reported_and_resolved(operator, tidy):
    page = operator(java_script_enabled=False).page
    page.goto(f"{operator().url}/admin/acme/incidents/new")
    page.locator("#title").fill("Without a script")
    page.get_by_role("radiogroup", name="API").get_by_title("Partial outage").click()
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview")).to_contain_text("We are looking into it")
    page.get_by_role("button", name="Publish").click()
    expect(page.locator("#story h1")).to_have_text("Without a script")
    expect(page.locator("#story .chips")).to_contain_text("API")
    page.get_by_role("button", name="Resolve the incident").click()
    expect(page.locator("#story .state")).to_have_text("Resolved")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_a_narrow_window_does_not_scroll_sideways(operator, api, theme):
    incident = api("GET", "/incidents?organizationId=org-456")["items"][0]["id"]
    page = operator(color_scheme=theme, viewport={"width": 320, "height": 640}).page
    for path in (
        "",
        "/incidents",
        f"/incidents/{incident}",
        "/incidents/new",
        "/services",
        "/services/new",
        "/analytics",
    ):
        page.goto(f"{operator().url}/admin/acme{path}")
        page.evaluate((ROOT / "node_modules/axe-core/axe.min.js").read_text())
        assert page.evaluate(AXE) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path


@pytest.mark.cuts_the_network
@pytest.mark.parametrize("status", [502, 200])  # of a proxy whose server is away; of a page to sign in
def test_numbers_stay_when_a_refresh_fails_and_are_refreshed_again(operator, status):
    page = operator().open("/admin/acme/analytics").page
    numbers, first = page.locator("#numbers"), page.locator("#numbers dd").first

    def refresh() -> None:
        with page.expect_event("requestfinished", lambda request: "/analytics?" in request.url):
            numbers.dispatch_event("every")  # as htmx does every ten seconds

    other = {"status": status, "content_type": "text/html", "body": "<main><h1>Another page</h1></main>"}
    page.route("**/analytics?*", lambda route: route.fulfill(**other))
    refresh()
    page.unroute("**/analytics?*")
    expect(page.locator("#toast")).to_be_hidden()
    first.evaluate("dd => dd.textContent = 'old'")
    refresh()
    expect(first).not_to_have_text("old")
