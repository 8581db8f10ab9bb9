"""The console: the live protocol by hand, shown as it is, and code that runs as it is copied."""

import os
import re
import subprocess
import sys
from subprocess import PIPE
from threading import Timer

import pytest
from playwright.sync_api import expect

from statuspage.config import ROOT
from tests.browser.visit import DEADLINE

TRANSPORTS = {
    "websocket": "WebSocket",
    "polling": "long-polling",
    "sse": "server-sent events",
    "held": "held polling",
}
AXE = "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"
PROGRAMS = {
    "javascript": ["node", "--input-type=module"],
    "python": [sys.executable, "-"],
    "curl": ["bash", "-eus"],
}


class Console:
    """The page at /console, and what a person does there."""

    def __init__(self, visit, token=""):
        self.visit, self.page = visit, visit.page
        self.page.goto(visit.url + "/console?organization=org-456")
        self.page.get_by_label("token", exact=True).fill(token)

    def connect(self, transport="websocket"):
        self.page.locator(f"input[value={transport}]").check()
        self.page.get_by_role("button", name="Connect", exact=True).click()
        self.expect_connected(transport)
        return self

    def expect_connected(self, transport="websocket"):
        expect(self.page.locator("#state")).to_have_text(f"Connected by {TRANSPORTS[transport]}")

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()

    def expect_answer(self, event, words):
        answered = self.rows(event).locator(".answered").last
        expect(answered).to_have_text(re.compile(f"{words} · \\d+ ms"), timeout=DEADLINE * 1000)

    def join(self):
        self.press("Join")
        self.expect_answer("join-organization", "✓ acknowledged")
        return self

    def rows(self, name):
        return self.page.locator(f"#rows > [data-name='{name}']")

    def data_of(self, row):
        row.locator("summary").click()
        return row.locator("pre").last

    @property
    def cursor(self):
        return self.page.locator("#position").text_content()

    def code(self, language):
        self.page.get_by_role("tab", name=re.compile(language, re.IGNORECASE)).click()
        return self.page.locator("#source").text_content()


@pytest.fixture
def console(visit, server):
    return Console(visit, server.token)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_event_arrives_by_every_transport_and_moves_the_cursor(console, set_status, transport):
    console.connect(transport)
    if transport in ("websocket", "polling"):
        console.press("Authenticate")
        console.expect_answer("authenticate", "✓ acknowledged")
    set_status("major_outage")
    event = console.rows("service-update").first
    expect(event.locator(".gist")).to_have_text("API · major_outage")
    expect(event.locator(".id")).to_have_attribute("title", console.cursor)
    expect(console.data_of(event)).to_contain_text('"ownStatus": "major_outage"')
    console.press("Disconnect")
    expect(console.page.locator("#state")).to_have_text("Not connected")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_was_missed_comes_once_when_the_cursor_is_given(console, set_status, transport):
    console.connect(transport)
    if transport in ("websocket", "polling"):
        console.join()
    set_status("major_outage")
    expect(console.rows("service-update")).to_have_count(1)
    console.press("Disconnect")
    set_status("partial_outage")
    console.press("Reconnect with cursor")
    console.expect_connected(transport)
    expect(console.rows("service-update")).to_have_count(2)
    set_status("major_outage")
    expect(console.rows("service-update")).to_have_count(3)
    shown = console.rows("service-update").locator(".gist").all_text_contents()
    assert [text.split(" · ")[1] for text in shown] == ["major_outage", "partial_outage", "major_outage"]
    assert console.rows("gap").count() == 0
    assert console.page.get_by_text("seen before").count() == 0


def test_what_nobody_asked_for_is_marked_as_a_gap(console, set_status):
    console.connect().join()
    set_status("major_outage")
    expect(console.rows("service-update")).to_have_count(1)
    before = console.cursor
    console.press("Disconnect")
    set_status("degraded")
    console.connect().join()
    expect(console.rows("gap")).to_contain_text(f"Nothing was heard after {before}")


def test_the_token_is_masked_and_kept_nowhere(console, server):
    console.connect()
    console.press("Authenticate")
    console.expect_answer("authenticate", "✓ acknowledged")
    expect(console.data_of(console.rows("authenticate")).first).not_to_be_empty()
    assert '"token": "••••••"' in console.rows("authenticate").text_content()
    assert server.token not in console.page.content()
    assert server.token not in console.page.url
    assert console.page.evaluate("Object.keys(localStorage).length + Object.keys(sessionStorage).length") == 0
    console.page.get_by_label("Include my token").check()
    assert server.token in console.code("Python")


def test_what_is_refused_is_said_in_the_servers_words(visit, server):
    console = Console(visit, "wrong").connect()
    console.press("Authenticate")
    console.expect_answer("authenticate", "✕ This token is unknown, expired or revoked.")
    expect(console.rows("authentication-error")).to_have_count(1)
    console.press("Leave")
    console.expect_answer("leave-organization", "✕ You are not in this organization.")
    console.press("Ping")
    console.expect_answer("ping", "✓ acknowledged")


@pytest.mark.cuts_the_network
def test_a_refused_stream_is_lost_for_the_reason_that_the_server_gives(visit):
    console = Console(visit, "wrong")
    console.page.locator("input[value=sse]").check()
    console.press("Connect")
    expect(console.page.locator("#state")).to_have_text(re.compile("^Lost: 401: This token is unknown"))


@pytest.mark.cuts_the_network
def test_a_lost_connection_is_called_lost(visitor, gate, server):
    console = Console(visitor(url=gate.url), server.token).connect().join()
    gate.refuse("/")
    gate.cut()
    expect(console.page.locator("#state")).to_have_text(re.compile("^Lost: "))
    expect(console.page.get_by_role("button", name="Join", exact=True)).to_be_disabled()


def test_a_broadcast_goes_out_checked_and_comes_in(console):
    console.connect().join()
    data = console.page.get_by_label("data", exact=True)
    for wrong, words in (
        ("{", "This is not JSON yet"),
        ("[1]", "must be a JSON object"),
        (" ", "Write the data"),
    ):
        data.fill(wrong)
        console.press("Send broadcast")
        expect(console.page.locator("#data-problem")).to_contain_text(words)
        expect(data).to_be_focused()
    assert console.rows("broadcast").count() == 0
    data.fill('{"name": "<b>Évé 🎉</b>"}')
    expect(console.page.locator("#data-problem")).to_be_hidden()
    console.press("Send broadcast")
    console.expect_answer("broadcast", "✓ 202")
    expect(console.rows("service-update").locator(".gist")).to_have_text("<b>Évé 🎉</b>")


def test_pause_filter_order_and_clear(console, set_status):
    console.connect().join()
    page = console.page
    console.press("Pause")
    set_status("major_outage")
    expect(page.locator("#count")).to_contain_text("waiting")
    assert console.rows("service-update").count() == 0
    console.press("Resume")
    expect(console.rows("service-update")).to_be_visible()
    page.locator("#names [data-name='service-update']").click()
    expect(console.rows("service-update")).to_be_hidden()
    assert page.locator("#rows > li").last.get_attribute("data-name") == "connect"
    page.get_by_label("Newest").select_option("bottom")
    assert page.locator("#rows > li").first.get_attribute("data-name") == "connect"
    console.press("Clear")
    expect(page.locator("#empty")).to_be_visible()


def test_a_burst_leaves_a_bounded_list_with_the_newest_in_it(console):
    """Five thousand events at once, as from a busy log."""
    milliseconds = console.page.evaluate(
        """async () => {
          const { add } = await import("console/log");
          const frame = () => new Promise(requestAnimationFrame);
          const began = performance.now();
          for (let id = 1; id <= 5000; id++) {
            const payload = { data: { name: `n${id}` } };
            add({ way: "in", kind: "x", name: "x", id: `e:${id}`, payload, bytes: 9 });
            if (id % 500 === 0) await frame();
          }
          await frame();
          return performance.now() - began;
        }"""
    )
    assert milliseconds < 10_000, "a fraction of this on an idle machine"
    expect(console.page.locator("#rows > li")).to_have_count(500)
    expect(console.page.locator("#rows > li").first).to_contain_text("#5000")
    expect(console.page.locator("#count")).to_have_text("last 500 of 5000")


@pytest.mark.parametrize("language", PROGRAMS)
def test_copied_code_runs(console, server, language):
    """A program that joins hears what a program that broadcasts has sent."""
    page = console.page
    environ = os.environ | {"TOKEN": server.token}
    page.get_by_label("What the code does").select_option("join")
    with subprocess.Popen(
        PROGRAMS[language], cwd=ROOT, env=environ, stdin=PIPE, stdout=PIPE, text=True
    ) as listener:
        deadline = Timer(DEADLINE, listener.kill)
        deadline.start()
        try:
            listener.stdin.write(console.code(language))
            listener.stdin.close()
            assert any("cursor" in line for line in listener.stdout)
            page.get_by_label("data", exact=True).fill(
                '{"name": "Zebra\'s \\"$HOME\\" `x` — 🎉", "on": true, "off": null}'
            )
            page.get_by_label("What the code does").select_option("broadcast")
            sent = subprocess.run(
                PROGRAMS[language],
                cwd=ROOT,
                env=environ,
                input=console.code(language),
                capture_output=True,
                text=True,
                timeout=DEADLINE,
            )
            assert "broadcastId" in sent.stdout, sent.stderr
            assert any("Zebra" in line for line in listener.stdout)
        finally:
            deadline.cancel()
            listener.kill()


def test_copy_puts_the_shown_code_into_the_clipboard_and_says_so(visitor, server):
    visit = visitor(permissions=["clipboard-read", "clipboard-write"])
    console = Console(visit, server.token)
    shown = console.code("curl")
    console.press("Copy")
    expect(console.page.locator("#copy")).to_have_text("Copied")
    assert console.page.evaluate("navigator.clipboard.readText()") == shown


def test_it_works_by_keyboard_alone(console):
    page = console.page
    page.locator("input[value=websocket]").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("input[value=polling]")).to_be_checked()
    page.keyboard.press("Enter")
    console.expect_connected("polling")
    page.get_by_role("tab", name="JavaScript").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Python")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#source")).to_contain_text("import socketio")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_a_narrow_window_does_not_scroll_sideways(visitor, server, theme):
    visit = visitor(color_scheme=theme, viewport={"width": 360, "height": 740})
    console = Console(visit, server.token).connect().join()
    console.data_of(console.rows("join-organization"))
    console.page.evaluate((ROOT / "node_modules/axe-core/axe.min.js").read_text())
    assert console.page.evaluate(AXE) == []
    assert console.page.evaluate("document.documentElement.scrollWidth") == 360


def test_without_scripts_it_says_what_it_needs(visitor):
    visit = visitor(java_script_enabled=False)
    visit.page.goto(visit.url + "/console")
    expect(visit.page.get_by_text("The console needs JavaScript")).to_be_visible()
    expect(visit.page.locator("main")).to_be_hidden()
    expect(visit.page.locator(".needs a")).to_have_attribute("href", "/api/openapi.json")
