"""The embed in a foreign page: put there by one tag, as tall as it needs, live, light, and at rest unseen."""

import re
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import FrameLocator, expect

from statuspage.config import ROOT
from statuspage.database import db, new_id, transaction
from statuspage.models.embedding import ANY, allow_embedding
from statuspage.models.organization import Organization
from statuspage.models.status import Visibility
from tests.browser.visit import Visit
from tests.foreign import STRICT, ForeignSite

AXE = (
    "async () => (await axe.run(document, {resultTypes: ['violations']})).violations.map(found => found.help)"
)
FORGE = """height => new Promise(done => {
  addEventListener("message", () => setTimeout(done), { once: true });
  postMessage({ type: "statuspage:height", height }, "*");
})"""
HIDE = """hidden => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def shop(gate) -> Iterator[ForeignSite]:
    """A foreign site that lets in our script and frames, and not a single style attribute."""
    with ForeignSite(STRICT.format(server=gate.url)) as site:
        yield site


@pytest.fixture
def own(server) -> Callable:
    """`own(verb)`: do something to an organization of this test's own, `own.id`."""

    class Own:
        id = new_id()

        def __call__(self, verb: Callable[[Organization], None]) -> None:
            with server.app.app_context():
                organization = db.session.get(Organization, self.id)
                with transaction(organization):
                    verb(organization)

    with server.app.app_context(), transaction():
        Organization.create(id=Own.id, slug=f"o-{Own.id}", name="Own")
    return Own()


def tag(server: str, **data: str) -> str:
    attributes = "".join(f' data-{name}="{value}"' for name, value in data.items())
    return f'<script async src="{server}/embed.js"{attributes}></script>'


def put(shop: ForeignSite, visit: Visit, *body: str) -> FrameLocator:
    """Open a page of the shop; its first frame."""
    shop.pages["/"] = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Shop</title>'
        f"<main><h1>Shop</h1>{''.join(body)}</main></html>"
    )
    visit.page.goto(shop.url)
    return visit.page.frame_locator("iframe").first


def expect_status(frame: FrameLocator, status: str, seconds: float = 5) -> None:
    expect(frame.locator("#status")).to_have_attribute("data-status", status, timeout=seconds * 1000)


@pytest.mark.cuts_the_network
@pytest.mark.parametrize(("refused", "by"), [((), "/stream"), (("/stream",), "/changes")])
def test_one_tag_puts_it_there_and_a_change_arrives_within_a_second(
    shop, visit, gate, set_status, refused, by
):
    gate.refuse(*refused)
    frame = put(shop, visit, tag(gate.url, organization="acme"))
    expect_status(frame, "degraded")
    visit.until(lambda: gate.connections(by))
    frame.locator("#link").focus()
    for status in ("major_outage", "partial_outage"):
        set_status(status)
        expect_status(frame, status, seconds=1)
    expect(frame.locator("#link")).to_be_focused()
    expect(frame.locator("#spoken")).to_have_text(re.compile("Partial outage"))
    assert gate.connections("/stream") + gate.connections("/changes") == 1


@pytest.mark.cuts_the_network
def test_what_was_missed_in_a_break_comes_after_it_and_a_broken_document_mends_itself(
    shop, visit, gate, set_status
):
    frame = put(shop, visit, tag(gate.url, organization="acme", view="full"))
    visit.until(lambda: gate.connections("/stream"))
    gate.refuse("/stream", "/changes")
    gate.cut()
    set_status("major_outage")
    gate.let_through()
    expect_status(frame, "major_outage", seconds=15)
    frame.locator("#status").evaluate("status => status.remove()")
    set_status("partial_outage")
    expect_status(frame, "partial_outage")


def test_the_frame_is_as_tall_as_what_it_shows(shop, visit, gate, set_status):
    frame = put(shop, visit, tag(gate.url, organization="acme", view="full"))
    expect_status(frame, "degraded")
    inner = visit.page.frames[1]

    def height() -> int:
        return visit.page.evaluate("document.querySelector('iframe').clientHeight")

    def fits() -> bool:
        return height() == inner.evaluate(
            "Math.ceil(document.documentElement.getBoundingClientRect().height)"
        )

    visit.until(fits)
    before = height()
    set_status("major_outage", id=service_of(visit, gate.url, "Backups"))
    visit.until(lambda: height() > before)
    visit.until(fits)
    visit.page.set_viewport_size({"width": 320, "height": 600})
    visit.until(fits)
    tall = height()
    visit.page.evaluate(FORGE, 999)
    assert height() == tall, "others may say what they want"
    set_status("operational", id=service_of(visit, gate.url, "Backups"))
    visit.until(lambda: height() < tall)


def service_of(visit: Visit, url: str, name: str) -> str:
    items = visit.page.request.get(f"{url}/api/services?organizationId=org-456").json()["items"]
    return next(item["id"] for item in items if item["name"] == name)


def test_it_leaves_no_global_and_no_style_in_the_page(shop, visit, gate):
    keys = "Object.keys(window).filter(name => !/^\\d+$/.test(name)).sort()"
    put(shop, visit)
    before = visit.page.evaluate(keys)
    tags = [tag(gate.url, organization="acme"), tag(gate.url, organization="acme", tenant="north")]
    expect_status(put(shop, visit, *tags), "degraded")
    expect(visit.page.locator("iframe")).to_have_count(2)
    assert visit.page.evaluate(keys) == before
    assert visit.page.locator("main > :not(script, iframe, h1), style, link").count() == 0
    assert [frame.get_attribute("title") for frame in visit.page.locator("iframe").all()] == [
        "Status of acme"
    ] * 2


def test_the_browser_refuses_it_to_a_site_that_is_not_allowed(shop, visit, gate, own):
    own(lambda organization: allow_embedding(organization, ["https://elsewhere.example"]))
    put(shop, visit, tag(gate.url, organization=own.id))
    visit.until(lambda: any("frame-ancestors" in complaint for complaint in visit.complaints))
    visit.complaints.clear()
    own(lambda organization: allow_embedding(organization, [shop.url]))
    policy = lambda: httpx.get(f"{gate.url}/embed/{own.id}").headers["content-security-policy"]  # noqa: E731
    visit.until(lambda: shop.url in policy())  # another process wrote it
    expect_status(put(shop, visit, tag(gate.url, organization=own.id)), "no_data")


@pytest.mark.cuts_the_network
def test_what_becomes_private_is_not_shown_any_longer(shop, visit, gate, own):
    own(lambda organization: allow_embedding(organization, [ANY]))
    frame = put(shop, visit, tag(gate.url, organization=own.id))
    visit.until(lambda: gate.connections("/stream"))
    own(lambda organization: organization.update(visibility=Visibility.PRIVATE))
    expect(frame.locator("#board")).to_have_text("This status is not available any more.", timeout=10_000)
    own(lambda organization: organization.update(visibility=Visibility.PUBLIC))
    visit.page.frames[1].evaluate(HIDE, True)
    visit.page.frames[1].evaluate(HIDE, False)
    expect_status(frame, "no_data")


def test_out_of_sight_and_hidden_it_holds_no_connection_and_comes_back_current(shop, visit, gate, set_status):
    frame = put(shop, visit, tag(gate.url, organization="acme"), "<p>Text</p>" * 200)
    connected = lambda: gate.connections("/stream") == 1  # noqa: E731
    visit.until(connected)
    visit.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    visit.until(lambda: not gate.connections("/stream"))
    set_status("major_outage")
    visit.page.evaluate("scrollTo(0, 0)")
    expect_status(frame, "major_outage", seconds=1)
    visit.until(connected)
    visit.page.frames[1].evaluate(HIDE, True)
    visit.until(lambda: not gate.connections("/stream"))
    set_status("degraded")
    visit.page.frames[1].evaluate(HIDE, False)
    expect_status(frame, "degraded", seconds=1)


def test_all_of_it_weighs_less_than_20_kb_in_four_requests(shop, visit, gate):
    seen = []
    visit.page.on("requestfinished", lambda request: seen.append(request))
    put(shop, visit, tag(gate.url, organization="acme", view="full"))
    visit.until(lambda: gate.connections("/stream"))
    ours = [request for request in seen if request.url.startswith(gate.url)]
    names = sorted(re.sub(r"-\w{12}\.", ".", request.url.split("?")[0].rsplit("/", 1)[1]) for request in ours)
    assert names == ["acme", "embed-client.js", "embed.css", "embed.js"]
    sizes = [request.sizes() for request in ours]
    weight = sum(size["responseHeadersSize"] + size["responseBodySize"] for size in sizes)
    assert 5_000 < weight < 20_000


def test_axe_finds_nothing(visit, set_status):
    set_status("major_outage")
    axe = (ROOT / "node_modules/axe-core/axe.min.js").read_text()
    for view in ("line", "full"):
        for theme in ("light", "dark"):
            visit.page.goto(f"{visit.url}/embed/acme?view={view}&theme={theme}")
            visit.page.evaluate(axe)
            assert visit.page.evaluate(AXE) == [], f"{view}, {theme}"
