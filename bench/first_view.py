"""The first view of the demo's page, everything over the wire, as a browser counts it."""

import httpx
from playwright.sync_api import sync_playwright

from bench.contenders import Ours
from bench.figures import Figures
from bench.plan import Plan
from tests.browser.test_first_view import KEPT, Wire
from tests.browser.visit import SWITCHES, chromium


def measure(figures: Figures, _plan: Plan) -> None:
    """It is the same each time, so it is counted in the first round only."""
    if figures.round:
        return
    with Ours() as server, sync_playwright() as playwright:
        url = f"http://127.0.0.1:{server.port}"
        browser = playwright.chromium.launch(executable_path=chromium(), args=SWITCHES)
        page = browser.new_page()
        wire = Wire(page)
        page.goto(url + "/acme")
        page.wait_for_load_state("load")
        page.wait_for_timeout(500)
        for path in KEPT:  # the browser asks for them by itself, afterwards
            wire.bytes[path] = httpx.get(url + path).num_bytes_downloaded
        browser.close()
    figures.note("first view", "ours", sum(wire.bytes.values()))
    figures.note("first view requests", "ours", len(wire.bytes))
