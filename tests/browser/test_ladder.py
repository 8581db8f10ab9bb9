"""Whatever stands between page and server, the page finds a way, and says which."""

import os
import re
import signal
from contextlib import ExitStack

import httpx
import pytest
from playwright.sync_api import Route, expect

from tests.browser.gate import Gate
from tests.browser.visit import POLLING, RUNGS, STREAM, WEBSOCKET


@pytest.fixture(params=RUNGS)
def on_rung(request, gate, gated):
    """A page that is live by each transport in turn, because the better ones are refused."""
    gate.refuse(*RUNGS[request.param])
    return gated.open(by=request.param)


@pytest.mark.cuts_the_network
def test_a_change_arrives_by_every_transport(on_rung, server, set_status):
    set_status("major_outage")
    on_rung.expect_status("major_outage")
    on_rung.expect_same_as_fresh(server.url)
    set_status("operational")
    on_rung.expect_same_as_fresh(server.url)


@pytest.mark.cuts_the_network
def test_a_change_by_another_process_arrives_by_every_transport(server, visitor):
    with ExitStack() as gates:
        visits = []
        for rung, refused in RUNGS.items():
            gate = gates.enter_context(Gate(server.url))
            gate.refuse(*refused)
            visits.append(visitor(gate.url).open(by=rung))
        server.command("service", "status", "service-1", "partial_outage")
        for visit in visits:
            visit.expect_status("partial_outage", seconds=2)
            visit.expect_same_as_fresh(server.url)


def test_a_tenants_page_follows_its_own_and_its_organizations_services(visit, server, set_status):
    visit.open("/acme/north")
    set_status("major_outage")
    visit.expect_status("major_outage")
    visit.expect_same_as_fresh(server.url, "/acme/north")


@pytest.mark.cuts_the_network
def test_a_better_rung_takes_over_when_it_lives_again(gate, gated, server, set_status):
    gate.refuse("/socket.io/")
    gated.page.clock.install()
    gated.open(by=STREAM)
    gate.let_through()
    gated.page.clock.fast_forward(20_000)  # by then it has been tried again; if a moment too early, twice
    gated.wait_live(WEBSOCKET, seconds=45)
    gated.until(lambda: gate.connections("/stream") == 0)
    set_status("degraded")
    gated.expect_status("degraded")


@pytest.mark.cuts_the_network
def test_a_proxy_that_swallows_streams_is_found_out(gate, gated, set_status):
    gate.refuse("/socket.io/")
    gate.swallow("/stream")
    gated.page.clock.install()
    gated.page.goto(gated.url + "/acme")
    gated.until(lambda: gate.connections("/stream"))
    gated.page.clock.fast_forward(5_000)
    gated.wait_live(POLLING)
    set_status("major_outage")
    gated.expect_status("major_outage")


@pytest.mark.cuts_the_network
def test_what_hangs_is_given_up(gate, gated, set_status):
    gate.hang("/socket.io/", "/stream")
    gated.page.clock.install()
    gated.page.goto(gated.url + "/acme")
    for path in ("/socket.io/", "/stream"):
        gated.until(lambda path=path: gate.connections(path))
        gated.page.clock.fast_forward(5_000)
    gated.wait_live(POLLING)
    set_status("major_outage")
    gated.expect_status("major_outage")


@pytest.mark.cuts_the_network
def test_a_script_that_was_tampered_with_costs_only_its_rung(visit, set_status):
    def tamper(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text() + "\nwindow.tampered = true;")

    visit.page.route("**/static/socket.io-*", tamper)
    visit.page.goto(visit.url + "/acme")
    visit.wait_live(STREAM)
    set_status("major_outage")
    visit.expect_status("major_outage")
    assert visit.page.evaluate("window.tampered") is None
    assert any("integrity" in complaint for complaint in visit.complaints)
    visit.complaints.clear()


@pytest.mark.cuts_the_network
def test_the_server_dies_and_comes_back(visit, server, write):
    visit.open()
    server.kill()
    visit.expect_mark("Reconnecting…")
    write("service-1", own_status="major_outage")
    server.start()
    visit.expect_mark("Live", seconds=30)
    visit.expect_status("major_outage")
    visit.expect_same_as_fresh(server.url)


@pytest.mark.cuts_the_network
def test_the_server_is_restarted_in_order(visit, server, write):
    """It asks its clients to come back each at its own moment, within five seconds."""
    visit.open()
    server.stop()
    visit.expect_mark("Reconnecting…")
    write("service-1", own_status="major_outage")
    server.start()
    visit.expect_mark("Live", seconds=30)
    visit.expect_same_as_fresh(server.url)


@pytest.mark.cuts_the_network
def test_a_server_that_stops_for_a_while_is_waited_for(gated, gate, server, set_status):
    gated.open()
    os.kill(server.pid, signal.SIGSTOP)
    try:
        gate.cut()
        gated.expect_mark("Reconnecting…")
    finally:
        os.kill(server.pid, signal.SIGCONT)
    set_status("major_outage")
    gated.expect_mark("Live", seconds=30)
    gated.expect_same_as_fresh(server.url)


@pytest.mark.cuts_the_network
@pytest.mark.parametrize("seconds", [1, pytest.param(30, marks=[pytest.mark.soak, pytest.mark.timeout(180)])])
def test_offline_the_mark_says_so_and_afterwards_the_page_catches_up(visit, server, set_status, seconds):
    visit.open()
    visit.page.context.set_offline(True)
    visit.expect_mark(r"^Offline: showing \d")
    set_status("major_outage")
    visit.page.wait_for_timeout(seconds * 1000)  # the length of the outage is what is tested
    visit.page.context.set_offline(False)
    visit.expect_mark("Live", seconds=40)
    visit.expect_same_as_fresh(server.url)


@pytest.mark.cuts_the_network
def test_a_hidden_page_holds_no_stream_and_asks_when_shown(gate, gated, server, set_status):
    hide = """hidden => {
      Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    gate.refuse("/socket.io/")
    gated.open(by=STREAM)
    gated.page.evaluate(hide, True)
    gated.until(lambda: gate.connections("/stream") == 0)
    set_status("major_outage")
    gated.page.evaluate(hide, False)
    gated.expect_same_as_fresh(server.url)
    gated.wait_live(STREAM)


@pytest.mark.cuts_the_network
def test_two_tabs_of_one_browser_are_both_current(gate, context, visitor, server, set_status):
    """Polling: through the browser's cache, one would wait for the other's held answer."""
    gate.refuse("/socket.io/", "/stream")
    tabs = [visitor(gate.url, context=context).open(by=POLLING) for _ in range(2)]
    tabs[0].until(lambda: gate.connections("/changes") == 2)
    for status in ("major_outage", "degraded"):
        set_status(status)
        for tab in tabs:
            tab.expect_status(status, seconds=5)


def test_without_javascript_the_page_is_complete_and_loads_itself_again(visitor, server, set_status):
    visit = visitor(java_script_enabled=False)

    def hurry(route: Route) -> None:
        answer = route.fetch()
        assert 'http-equiv="refresh" content="30"' in answer.text()
        route.fulfill(response=answer, body=answer.text().replace('content="30"', 'content="1"'))

    visit.page.route("**/acme", hurry)
    visit.page.goto(visit.url + "/acme")
    expect(visit.page.locator("h1")).to_be_visible()
    expect(visit.page.locator("#mark")).to_be_hidden()
    set_status("major_outage")
    visit.expect_status("major_outage")


def test_the_refresh_is_only_for_those_without_javascript(server):
    page = httpx.get(server.url + "/acme").text
    inside = "".join(re.findall(r"<noscript>.*?</noscript>", page, re.S))
    assert page.count("http-equiv") == inside.count("http-equiv") == 1


def test_a_page_says_when_it_comes_back(visitor):
    visit, said = visitor(), []

    def note(frame: str | bytes) -> None:
        said.append(frame)

    visit.page.on("websocket", lambda socket: socket.on("framesent", note))
    visit.open()
    with visit.page.expect_websocket() as opened:
        visit.page.evaluate("dispatchEvent(new Event('online'))")
    opened.value.wait_for_event("framereceived", lambda frame: '"joined-organization"' in str(frame))
    joins = [frame for frame in said if '"join-organization"' in str(frame)]
    assert ['"again":true' in str(frame) for frame in joins] == [False, True]
