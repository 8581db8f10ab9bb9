"""The first view of the demo's page: light over the wire, in few requests, and nothing on it jumps."""

import re
import statistics
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import LOGO, Visitor
from tests.server import Server

MOST_BYTES = 60 * 1024
MOST_REQUESTS = 10
MOST_SHIFT = 0.02  # cumulative layout shift; 0.1 is called good (web.dev/cls)
MOST_DELAY = 1.3  # times the largest paint of a bare page with the same text
ROUNDS = 3
FAST_3G = {"offline": False, "latency": 562.5, "downloadThroughput": 180_000, "uploadThroughput": 84_375}
KEPT = ("/sw.js", "/offline")  # for when the network is gone
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
    for path in KEPT:  # the browser asks for them by itself, afterwards
        wire.bytes[path] = httpx.get(visit.url + path).num_bytes_downloaded
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


# --- how soon it is painted ------------------------------------------------------------------------

WATCH_PAINTS = """
new PerformanceObserver(list => {
  for (const { startTime } of list.getEntries()) window.painted = startTime;
}).observe({ type: "largest-contentful-paint", buffered: true });
"""


@pytest.fixture
def bare(server: Server) -> Iterator[str]:
    """The address of a page with the same words in the same order, and nothing else."""
    board = httpx.get(server.url + "/acme").text.partition("<main")[2].partition("</main>")[0]
    text = re.sub(r"<(p|h[1-4]|[uo]l|li)\b[^>]*>", r"<\1>", "<main" + board)
    text = re.sub(r"<(?!/?(p|h[1-4]|[uo]l|li)\b)[^>]+>", "", text)
    viewport = "<meta name=viewport content='width=device-width'>"
    document = f"<!doctype html><meta charset=utf-8>{viewport}{text}".encode()

    class Bare(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Bare) as shop:
        shop.daemon_threads = True
        threading.Thread(target=shop.serve_forever).start()
        yield f"http://127.0.0.1:{shop.server_port}/"
        shop.shutdown()


def largest_paint(browser: Browser, url: str) -> float:
    """Milliseconds until the largest thing in a phone's window is painted, on a slow phone and line."""
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", FAST_3G)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.add_init_script(WATCH_PAINTS)
    page.goto(url)
    page.wait_for_function("window.painted")  # the observer is told some time after the paint
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    painted = float(page.evaluate("painted"))
    context.close()
    return painted


@pytest.mark.alone
def test_it_is_painted_almost_as_soon_as_a_bare_page_with_the_same_words(
    browser: Browser, server: Server, bare: str, set_look: Callable[..., Any]
) -> None:
    """Also in the colours of its organization."""
    set_look(accent="#0f766e", logo=LOGO)
    pairs = [
        (largest_paint(browser, bare), largest_paint(browser, server.url + "/acme")) for _ in range(ROUNDS)
    ]
    least, ours = (statistics.median(times) for times in zip(*pairs, strict=True))
    assert ours <= MOST_DELAY * least, pairs
