"""The first view of the demo's page: light over the wire, in few requests, and nothing on it jumps."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Visitor

MOST_BYTES = 60 * 1024
MOST_REQUESTS = 10
MOST_SHIFT = 0.02  # cumulative layout shift; 0.1 is called good (web.dev/cls)
LIVE = ("/socket.io/", "/acme/stream", "/acme/changes")

WATCH_SHIFTS = """
window.shifts = [];
new PerformanceObserver(list => {
  for (const { value, sources } of list.getEntries())
    shifts.push([value, sources.map(({ node }) => node?.id || node?.className || node?.nodeName).join(" ")]);
}).observe({ type: "layout-shift", buffered: true });
"""


class Wire:
    """What a page's loading costs, counted by the browser: headers and packed bodies."""

    def __init__(self, page: Page) -> None:
        self.bytes: dict[str, float] = {}
        self._urls: dict[str, str] = {}
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.requestWillBeSent", self._note)
        session.on("Network.loadingFinished", self._count)

    def _note(self, event: dict[str, Any]) -> None:
        url = event["request"]["url"]
        if not url.startswith("data:") and not any(path in url for path in LIVE):
            self._urls[event["requestId"]] = url

    def _count(self, event: dict[str, Any]) -> None:
        if url := self._urls.get(event["requestId"]):
            self.bytes[url] = event["encodedDataLength"]


def test_the_first_view_is_light(visitor: Visitor) -> None:
    visit = visitor()
    wire = Wire(visit.page)
    visit.open()
    visit.page.wait_for_load_state("load")
    assert sum(wire.bytes.values()) <= MOST_BYTES, wire.bytes
    assert len(wire.bytes) <= MOST_REQUESTS, wire.bytes
    assert len(wire.bytes) > 5, "it was counted"


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("path", ["/acme", "/acme/north", "incident"])
def test_nothing_jumps_while_the_page_comes_alive(
    visitor: Visitor, api: Callable[..., Any], width: int, path: str
) -> None:
    if path == "incident":
        newest = api("GET", "/incidents?organizationId=org-456")["items"][0]["id"]
        path = f"/acme/incidents/{newest}"
    visit = visitor(viewport={"width": width, "height": 900}, timezone_id="America/St_Johns")
    visit.page.add_init_script(WATCH_SHIFTS)
    visit.open(path)
    visit.page.wait_for_load_state("load")
    visit.page.evaluate("new Promise(requestAnimationFrame)")
    shifts = visit.page.evaluate("shifts")
    assert sum(value for value, _ in shifts) < MOST_SHIFT, shifts


ADD_LINES = """() => {
  const line = word => Object.assign(document.createElement("h2"), { textContent: word });
  const lines = ["These", "lines", "come", "late"].map(line);
  document.querySelector(".top").after(...lines);
}"""


def test_the_watch_sees_what_jumps(visitor: Visitor) -> None:
    visit = visitor()
    visit.page.add_init_script(WATCH_SHIFTS)
    visit.open()
    visit.page.evaluate(ADD_LINES)
    visit.until(lambda: sum(value for value, _ in visit.page.evaluate("shifts")) > MOST_SHIFT)
