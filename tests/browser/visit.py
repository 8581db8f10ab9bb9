"""A visitor with a real browser: one page, what it shows, and what the browser complained about."""

import os
import re
import shutil
import time
from collections.abc import Callable
from typing import Any

import httpx
from playwright.sync_api import BrowserContext, Page, expect

SWITCHES = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]  # of Chromium
DEADLINE = 15.0  # seconds; whatever shall happen has happened by then, or the test fails

WEBSOCKET, STREAM, POLLING = "WebSocket", "server-sent events", "polling"

RUNGS = {WEBSOCKET: (), STREAM: ("/socket.io/",), POLLING: ("/socket.io/", "/stream")}
"""The transports, and what a gate must refuse for a page to use them."""

NETWORK = re.compile("Failed to load resource|WebSocket connection to|net::ERR_")
"""The browser's own report of a request that failed: expected where a test makes them fail."""

COUNT_SENTENCES = """() => {
  window.sentences = [];
  const spoken = document.getElementById("spoken");
  new MutationObserver(() => sentences.push(spoken.textContent)).observe(spoken, { childList: true });
}"""

NORMALISE = """html => {
  const normal = body => {
    body = body.cloneNode(true);
    const each = (selector, change) => body.querySelectorAll(selector).forEach(change);
    const without = (...names) => element => names.forEach(name => element.removeAttribute(name));
    each("time", without("title"));
    each("details", without("open"));
    each("#mark", without("hidden", "title", "data-state"));
    each("#board", without("data-cursor"));
    each("[data-htmx-powered]", without("data-htmx-powered"));
    each("time, #mark, #spoken, #zone", element => element.replaceChildren());
    each(".changed", row => row.classList.remove("changed"));
    each("[class='']", without("class"));
    return body.innerHTML.replace(/\\s+/g, " ").replace(/> /g, ">").replace(/ </g, "<");
  };
  const fresh = new DOMParser().parseFromString(html, "text/html");
  return [normal(document.body) + document.title, normal(fresh.body) + fresh.title];
}"""


def chromium() -> str | None:
    """The machine's own, best the one without windows, which takes half the time; None: Playwright's."""
    return shutil.which("chromium-headless-shell") or shutil.which("chromium")


class Visit:
    """One page of a browser. `url` is where it is reached: the server, or a gate before it."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page: Page = context.new_page()
        self.url = url
        self.complaints: list[str] = []
        self.loads = 0
        self.heads = 0  # by WebSocket
        self.page.on("console", lambda said: said.type == "error" and self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("domcontentloaded", self._count_load)
        self.page.on("websocket", lambda socket: socket.on("framereceived", self._count_head))

    def _count_load(self, _: Page) -> None:
        self.loads += 1

    def _count_head(self, frame: str | bytes) -> None:
        self.heads += '"head"' in str(frame)

    # --- going there -------------------------------------------------------------------------------

    def open(self, path: str = "/acme", by: str = WEBSOCKET) -> "Visit":
        """Load the page, and wait until it is live by this transport."""
        self.page.goto(self.url + path)
        return self.wait_live(by)

    def wait_live(self, by: str = WEBSOCKET, seconds: float = DEADLINE) -> "Visit":
        mark = self.page.locator("#mark")
        expect(mark).to_have_attribute("title", re.compile(f"by {by}"), timeout=seconds * 1000)
        expect(mark).to_have_text("Live")
        return self

    # --- what it shows -----------------------------------------------------------------------------

    def service(self, id: str = "service-1") -> Any:
        return self.page.locator(f"#service-{id}")

    def expect_status(self, status: str, id: str = "service-1", seconds: float = DEADLINE) -> None:
        expect(self.service(id)).to_have_attribute("data-status", status, timeout=seconds * 1000)

    def expect_mark(self, text: str, seconds: float = DEADLINE) -> None:
        expect(self.page.locator("#mark")).to_have_text(re.compile(text), timeout=seconds * 1000)

    @property
    def cursor(self) -> str:
        return self.page.locator("#board").get_attribute("data-cursor") or ""

    def expect_same_as_fresh(self, server: str, path: str = "/acme", seconds: float = DEADLINE) -> None:
        """The document is what the server would send now, but for times, folds, highlight and mark."""
        found: list[str] = []

        def same() -> bool:
            found[:] = self.page.evaluate(NORMALISE, httpx.get(server + path).text)
            return found[0] == found[1]

        try:
            self.until(same, seconds)
        except AssertionError:
            raise AssertionError(first_difference(*found)) from None

    # --- waiting -----------------------------------------------------------------------------------

    def until(self, holds: Callable[[], Any], seconds: float = DEADLINE) -> None:
        """Look again and again, while the browser's events come in."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "It did not come about in time."
            self.page.wait_for_timeout(20)

    def stamp(self) -> None:
        """Leave something in the page that a reload would lose."""
        self.page.evaluate("window.stamped = true")

    @property
    def is_stamped(self) -> bool:
        return bool(self.page.evaluate("window.stamped === true"))


def first_difference(shown: str, fresh: str) -> str:
    at = len(os.path.commonprefix([shown, fresh]))
    near = slice(max(0, at - 80), at + 160)
    return f"The page shows   …{shown[near]}…\na fresh load has …{fresh[near]}…"
