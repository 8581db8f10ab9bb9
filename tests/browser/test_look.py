"""Light and dark as the visitor wants it, the organization's colour once it has one, a menu that closes."""

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import LOGO, Visitor
from tests.browser.visit import Visit

LIGHT, DARK = "rgb(255, 255, 255)", "rgb(13, 17, 23)"
NOTE_BACKGROUNDS = """
window.backgrounds = [];
const look = () => {
  if (document.body) backgrounds.push(getComputedStyle(document.documentElement).backgroundColor);
  requestAnimationFrame(look);
};
look();
"""


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


def choose(page: Page, word: str) -> None:
    page.locator(".theme").get_by_text(word, exact=True).click()


def test_a_chosen_theme_is_remembered_on_every_page_and_never_flashes(visitor: Visitor) -> None:
    visit = visitor(color_scheme="light").open()
    assert background(visit.page) == LIGHT
    choose(visit.page, "Dark")
    assert background(visit.page) == DARK
    visit.page.add_init_script(NOTE_BACKGROUNDS)
    for path in ("/acme", "/acme/history", "/"):
        visit.page.goto(visit.url + path)
        visit.until(lambda: visit.page.evaluate("backgrounds.length > 3"))
        assert set(visit.page.evaluate("backgrounds")) == {DARK}, path
        expect(visit.page.get_by_label("Dark")).to_be_checked()


def test_auto_follows_the_system_again(visitor: Visitor) -> None:
    visit = visitor(color_scheme="dark").open()
    expect(visit.page.get_by_label("Auto")).to_be_checked()
    choose(visit.page, "Light")
    assert background(visit.page) == LIGHT
    choose(visit.page, "Auto")
    assert background(visit.page) == DARK
    visit.page.emulate_media(color_scheme="light")
    assert background(visit.page) == LIGHT


def test_the_theme_is_chosen_with_the_keyboard_and_in_all_tabs_at_once(visitor: Visitor) -> None:
    first = visitor(color_scheme="light").open()
    second = visitor(context=first.page.context).open()
    first.page.get_by_label("Auto").focus()
    first.page.keyboard.press("ArrowLeft")
    expect(first.page.get_by_label("Dark")).to_be_checked()
    assert background(first.page) == DARK
    expect(second.page.get_by_label("Dark")).to_be_checked()
    assert background(second.page) == DARK


def test_without_scripts_there_is_no_switch_and_the_system_decides(visitor: Visitor) -> None:
    visit = visitor(java_script_enabled=False, color_scheme="dark")
    visit.page.goto(visit.url + "/acme")
    expect(visit.page.locator(".theme")).to_be_hidden()
    expect(visit.page.locator("html")).to_have_css("background-color", DARK)
    visit.page.get_by_text("Subscribe").click()
    expect(visit.page.get_by_role("link", name="Atom feed Every")).to_be_visible()


def test_the_menu_closes_on_escape_and_gives_the_focus_back(visit: Visit) -> None:
    page = visit.open().page
    summary, link = page.locator("#subscribe > summary"), page.locator("#subscribe a")
    summary.focus()
    page.keyboard.press("Enter")
    expect(link).to_be_visible()
    page.keyboard.press("Tab")
    expect(link).to_be_focused()
    page.keyboard.press("Escape")
    expect(link).to_be_hidden()
    expect(summary).to_be_focused()
    summary.click()
    page.locator("#headline").click()
    expect(link).to_be_hidden()
    page.reload()
    expect(link).to_be_hidden()


def test_a_new_colour_and_logo_come_to_open_pages(visitor: Visitor, set_look: Callable[..., Any]) -> None:
    visits = [visitor(color_scheme=scheme).open("/acme/north") for scheme in ("light", "dark")]
    button = "#subscribe > summary"
    embed = visitor(color_scheme="light")
    with embed.page.expect_request("**/stream?*"):
        embed.page.goto(embed.url + "/embed/acme/north")
    set_look(accent="#0f766e", logo=LOGO)
    for visit, colour in zip(visits, ("rgb(15, 118, 110)", "rgb(76, 153, 147)"), strict=True):
        expect(visit.page.locator(button)).to_have_css("background-color", colour)
        expect(visit.page.get_by_role("img", name="Acme")).to_be_visible()
        visit.until(lambda page=visit.page: page.locator("#name img").evaluate("img => img.naturalWidth") > 0)
    expect(embed.page.locator("#link")).to_have_css("color", "rgb(15, 118, 110)")
    set_look(accent="#7c3aed")
    expect(visits[0].page.locator(button)).to_have_css("background-color", "rgb(124, 58, 237)")
    set_look(accent="", logo=b"")
    expect(embed.page.locator("#link")).to_have_css("color", "rgb(9, 105, 218)")
    expect(visits[0].page.locator(button)).to_have_css("background-color", "rgb(9, 105, 218)")
    expect(visits[0].page.get_by_role("img", name="Acme")).to_have_count(0)


def test_times_in_the_history_are_the_visitors(visitor: Visitor) -> None:
    visit = visitor(locale="de-DE", timezone_id="Asia/Tokyo")
    visit.page.goto(visit.url + "/acme/history")
    expect(visit.page.locator("#zone")).to_have_text("Asia/Tokyo")
    visit.page.goto(
        visit.url + "/acme"
    )  # in English, as there is no German page, with hours that count to 24
    since = visit.page.locator("time[data-since]")
    expect(since).to_have_attribute("title", re.compile(r"^\w+ \d+, \d{4}, \d\d:\d\d \("))
