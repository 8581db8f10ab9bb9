"""Photograph the pages in every state worth looking at, and let axe check each: bin/screenshots FOLDER

Pictures are named PAGE-WIDTH-THEME.png;
outage-1280-light.png is the one in the README, as docs/page.png. It ends with 1
when axe finds something, or when a page is wider than its window (320 px, and 1280 px at a zoom of 400 %).
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import flask_migrate  # noqa: E402
from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402

from statuspage import config, create_app  # noqa: E402
from statuspage.clock import now  # noqa: E402
from statuspage.database import transaction  # noqa: E402
from statuspage.models.embedding import ANY, allow_embedding  # noqa: E402
from statuspage.models.incident import Incident  # noqa: E402
from statuspage.models.organization import Organization, Tenant  # noqa: E402
from statuspage.models.service import Service, ServiceGroup  # noqa: E402
from statuspage.models.status import Impact, IncidentStatus, ServiceStatus  # noqa: E402
from statuspage.web import setup  # noqa: E402
from tests.browser.visit import chromium  # noqa: E402
from tests.foreign import ForeignSite  # noqa: E402

WIDTHS = (360, 768, 1280)
THEMES = ("light", "dark")
NARROW = 320
PAGES = {
    "index": "/",
    "calm": "/calm",
    "outage": "/outage",
    "maintenance": "/repairs",
    "many": "/many",
    "names": "/names",
    "tenant": "/names/north",
    "empty": "/empty",
    "missing": "/calm/nowhere/at/all",
    "offline": "/offline",
    "console": "/console?organization=outage",
    "history": "/outage/history",
    "branded": "/branded",
    "branded-tenant": "/branded/north",
    "branded-history": "/branded/history",
    "wrong-month": "/calm/history?month=2026-13",
}
BEFORE = {"setup": "/setup"}  # there as long as nobody can sign in; its form makes the operator of the rest
INSIDE = {
    "sign-in": "/sign-in",
    "account": "/account",
    "overview": "/admin/outage",
    "overview-empty": "/admin/empty",
    "overview-names": "/admin/names",
    "overview-full": "/admin/many",
    "incidents": "/admin/outage/incidents",
    "incidents-empty": "/admin/empty/incidents",
    "incident-new": "/admin/outage/incidents/new",
    "incident-new-wrong": "/admin/names/incidents/new",
    "incident-new-full": "/admin/many/incidents/new",
    "incidents-past": "/admin/outage/incidents/past",
    "services": "/admin/names/services",
    "services-full": "/admin/many/services",
    "services-empty": "/admin/empty/services",
    "service-edit": "/admin/outage/services/new",
    "group-edit": "/admin/names/groups/new",
    "tenants": "/admin/names/tenants",
    "tenants-empty": "/admin/calm/tenants",
    "tenant-edit": "/admin/names/tenants/names-north",
    "tenant-overtaken": "/admin/names/tenants/names-north",
    "tenant-deletion": "/admin/names/tenants/names-north/deletion",
    "members": "/admin/names/members",
    "member-new": "/admin/names/members/new",
    "tokens": "/admin/names/tokens",
    "token-new": "/admin/names/tokens/new",
    "token-secret": "/admin/calm/tokens/new",
    "analytics": "/admin/outage/analytics",
    "settings": "/admin/branded/settings",
    "settings-wrong": "/admin/calm/settings",
    "settings-deletion": "/admin/calm/settings/deletion",
}
OPERATOR = {
    "name": "Robin Example",
    "email": "robin@example.org",
    "password": "correct horse battery",
    "organization": "Umbrella",
    "slug": "umbrella",
}
AXE = """async () => {
  // What a see-through frame is read on belongs to another document: axe would take it for white.
  const seeThrough = document.documentElement.dataset.theme === "transparent";
  const rules = { "color-contrast": { enabled: !seeThrough } };
  return (await axe.run(document, { resultTypes: ["violations"], iframes: false, rules })).violations;
}"""
FITTED = "[...document.querySelectorAll('iframe')].every(({style}) => style.height !== '48px')"


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as instance:
        environ = {"INSTANCE_PATH": instance, "SECRET_KEY": "pictures", "PORT": str(free_port())}
        pages = PAGES | fill(environ)
        server = subprocess.Popen(
            [sys.executable, ROOT / "app.py"], env={**os.environ, **environ, "HOST": "127.0.0.1"}
        )
        try:
            base = f"http://127.0.0.1:{environ['PORT']}"
            wait_for(f"{base}/calm")
            code = setup.code(create_app(config.read(environ)))
            with shop(base) as foreign:
                return photograph_all(base, pages | foreign, folder, code)
        finally:
            server.terminate()
            server.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


# --- what there is to see --------------------------------------------------------------------------


def fill(environ: dict[str, str]) -> dict[str, str]:
    """Make every scenario; the pages whose address is known only now."""
    app = create_app(config.read(environ))
    with app.app_context():
        flask_migrate.upgrade()
        for make in (calm, maintenance, many, names, empty, branded):
            with transaction():
                make()
        with transaction():
            past, running = outage()
            ids = {"past-incident": past.id, "outage-incident": running.id}
            INSIDE["incident"] = f"/admin/outage/incidents/{running.id}"
            INSIDE["incident-message"] = (
                f"/admin/outage/incidents/{running.id}/updates/{running.updates[2].id}"
            )
            INSIDE["incident-deletion"] = f"/admin/outage/incidents/{running.id}/deletion"
    return {name: f"/outage/incidents/{id}" for name, id in ids.items()}


def organization(slug: str, name: str) -> Organization:
    """Anybody may show it elsewhere."""
    made = Organization.create(id=slug, slug=slug, name=name)
    allow_embedding(made, [ANY])
    return made


def services(
    place: Organization, group: ServiceGroup | None, *names: str, tenant: Tenant | None = None
) -> list[Service]:
    return [Service.create(place, tenant, name=name, group=group) for name in names]


def calm() -> None:
    place = organization("calm", "Acme")
    core = ServiceGroup.create(place, None, name="Core")
    Service.create(
        place, None, name="API", description="REST and live connections, in three regions", group=core
    )
    services(place, core, "Dashboard", "Sign-in")
    data = ServiceGroup.create(place, None, name="Data")
    services(place, data, "Database", "Backups")


def outage() -> tuple[Incident, Incident]:
    """Two open incidents, one with twelve updates; two past ones; a service under maintenance."""
    place = organization("outage", "Acme")
    core = ServiceGroup.create(place, None, name="Core")
    api, dashboard, _ = services(place, core, "API", "Dashboard", "Sign-in")
    data = ServiceGroup.create(place, None, name="Data")
    database, backups = services(place, data, "Database", "Backups")
    backups.update(own_status=ServiceStatus.MAINTENANCE)
    past = Incident.open(
        place,
        None,
        title="Slow sign-in",
        message="Signing in takes up to ten seconds. We are looking into it.",
        started_at=now() - timedelta(days=4, hours=2),
        impact=Impact.MINOR,
    )
    past.post_update(status=IncidentStatus.IDENTIFIED, message="A query over all sessions is to blame.")
    past.resolve(message="The query was mended, and signing in is quick again.")
    spread(past, timedelta(minutes=17))
    small = Incident.open(
        place,
        None,
        title="Wrong totals in yesterday’s usage report",
        message="The report counted one hour twice. **No data was lost.**",
        started_at=now() - timedelta(days=4, hours=7),
    )
    small.resolve(message="Reports were made again.")
    spread(small, timedelta(minutes=61))
    incident = Incident.open(
        place,
        None,
        title="Elevated error rates on the API",
        message="Some requests fail with `502`. We are looking into it.",
        services={api.id: ServiceStatus.DEGRADED},
        started_at=now() - timedelta(minutes=110),
    )
    for number, message in enumerate(STORY):
        worse = {api.id: ServiceStatus.MAJOR_OUTAGE, dashboard.id: ServiceStatus.PARTIAL_OUTAGE}
        incident.post_update(
            status=IncidentStatus.IDENTIFIED if number > 3 else IncidentStatus.INVESTIGATING,
            message=message,
            services=worse if number > 1 else {},
        )
    spread(incident, timedelta(minutes=9))
    slow = Incident.open(
        place,
        None,
        title="Replicas lag behind",
        message="Figures may be up to a minute old.",
        services={database.id: ServiceStatus.DEGRADED},
        started_at=now() - timedelta(minutes=12),
    )
    spread(slow, timedelta())
    return past, incident


STORY = (
    "We see the errors too: about 4 % of requests, all in the region eu-1.",
    "The share has grown to 11 %. Reads are not affected.",
    "All requests to eu-1 fail now. The dashboard shows older figures.",
    "Traffic is being moved to eu-2. This takes about twenty minutes.",
    "We found a faulty load balancer.",
    "Half of the traffic is moved.",
    "Moving it takes longer than we thought, because caches must fill first.",
    "Three quarters are moved; error rates fall.",
    "A replacement for the load balancer is on its way into service.",
    "It did not pass its checks. We build it anew.",
    "The new load balancer carries 5 % of the traffic without errors.\n\n"
    "- **Reads** work everywhere\n- **Writes** may have to be tried twice\n\n"
    "The next update comes at 15:30 UTC. Details: [engineering notes](https://example.org/notes).",
)


def maintenance() -> None:
    place = organization("repairs", "Acme")
    services(place, None, "Website", "API")[1].update(own_status=ServiceStatus.MAINTENANCE)


def many() -> None:
    place = organization("many", "Umbrella Cloud")
    for number in range(1, 10):
        group = ServiceGroup.create(place, None, name=f"Region {number}")
        kinds = ("Compute", "Object storage", "Block storage", "Network", "Managed database", "Queues", "DNS")
        made = services(place, group, *kinds[: 6 if number < 4 else 7])
        if number == 3:
            made[1].update(own_status=ServiceStatus.DEGRADED)
        if number == 7:
            made[3].update(own_status=ServiceStatus.MAJOR_OUTAGE)


def names() -> None:
    """Long, Arabic, Japanese, unbroken, and with a face."""
    long = "The organization whose name is as long as a name may sensibly be on a status pg."
    place = organization("names", long)
    tenant = Tenant.create(place, id="names-north", slug="north", name="حالة الخدمات الشمالية")
    group = ServiceGroup.create(place, None, name="خدمات أساسية: المدفوعات (v2)")
    made = services(
        place,
        group,
        "Synchronisation of customer records between the billing and the shipping systems",
        "بوابة الدفع الإلكتروني",
        "決済ゲートウェイ（東日本リージョン）",
        "W" * 80,
        "Party planner 🎉👩🏽‍🚀",
        "<b>Not bold</b> & “quoted”",
    )
    services(place, ServiceGroup.create(place, tenant, name="北部"), "North gateway", tenant=tenant)
    made[2].update(description="東日本リージョンの決済を処理します。" * 6)
    made[0].update(own_status=ServiceStatus.DEGRADED)
    incident = Incident.open(
        place,
        None,
        title="تعطل جزئي في بوابة الدفع وبطء في تأكيد العمليات",
        message="نلاحظ فشل بعض عمليات الدفع منذ الساعة 14:05. نعمل على إصلاح المشكلة.\n\nSome payments fail.",
        services={made[1].id: ServiceStatus.PARTIAL_OUTAGE, made[3].id: ServiceStatus.DEGRADED},
    )
    incident.post_update(
        status=IncidentStatus.IDENTIFIED,
        message="# 見出し\n東日本リージョンの決済に遅延が発生しています。"
        + "https://example.org/"
        + "x" * 99,
    )


def empty() -> None:
    organization("empty", "Brand new")


LOGO = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 172 32">
<rect width="32" height="32" rx="8" fill="#0f766e"/><path d="M9 22l7-13 7 13z" fill="#fff"/>
<text x="42" y="23" font-family="sans-serif" font-weight="700" font-size="20" fill="#0f766e">Pinewood</text>
</svg>"""


def branded() -> None:
    place = organization("branded", "Pinewood")
    place.set_look(accent="#0f766e", logo=LOGO)
    tenant = Tenant.create(place, slug="north", name="Pinewood North")
    website, _ = services(place, None, "Website", "Shop")
    services(place, None, "Warehouse", tenant=tenant)
    incident = Incident.open(
        place,
        None,
        title="Images load slowly",
        message="Pictures of products may take a few seconds. [Details](https://example.org).",
        services={website.id: ServiceStatus.DEGRADED},
        started_at=now() - timedelta(minutes=25),
    )
    spread(incident, timedelta())
    for days, title in ((40, "Orders were confirmed late"), (43, "Shop unreachable"), (101, "Slow search")):
        past = Incident.open(
            place,
            None,
            title=title,
            message="We look into it.",
            started_at=now() - timedelta(days=days, hours=3),
        )
        past.resolve(message="It works again, and we know why: a disk was full.")
        spread(past, timedelta(minutes=days))


# --- how others show it ----------------------------------------------------------------------------

EMBEDS = {
    "embed-line": (
        {"organization": "calm"},
        {"organization": "outage"},
        {"organization": "repairs", "theme": "light"},
        {"organization": "empty", "theme": "dark"},
        {"organization": "outage", "theme": "transparent"},
        {"organization": "names", "tenant": "north"},
        {"organization": "branded"},
    ),
    "embed-full": (
        {"organization": "outage", "view": "full"},
        {"organization": "many", "view": "full", "theme": "transparent"},
        {"organization": "names", "view": "full"},
    ),
}


@contextmanager
def shop(base: str) -> Iterator[dict[str, str]]:
    """A foreign site whose pages show ours; their addresses."""
    with ForeignSite() as site:
        for name, embeds in EMBEDS.items():
            tags = "".join(
                f'<h2>{" ".join(embed.values())}</h2><script async src="{base}/embed.js"'
                + "".join(f' data-{key}="{value}"' for key, value in embed.items())
                + "></script>"
                for embed in embeds
            )
            site.pages[f"/{name}"] = SHOP.replace("EMBEDS", tags).replace("SERVER", base)
        yield {name: f"{site.url}/{name}" for name in EMBEDS}


SHOP = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<title>A shop</title>
<style>
  body { max-width: 42rem; margin: 2rem auto; padding: 0 1rem; font: 1.0625rem/1.6 Georgia, serif; }
  body { background: light-dark(#fdf6e3, #24211c); color: light-dark(#4b4437, #d8d0c0); }
  h2 { font-size: 1rem; font-weight: 400; font-style: italic; margin: 1.5rem 0 0.5rem; }
</style>
<main><h1>A shop on another site</h1>
<p><img src="SERVER/outage/badge.svg" alt="Outage"> <img src="SERVER/calm/badge.svg?label=uptime" alt="Calm">
<img src="SERVER/names/north/badge.svg" alt="North"> <img src="SERVER/empty/badge.svg" alt="Empty">
<img src="SERVER/repairs/badge.svg" alt="Repairs"></p>
EMBEDS</main></html>"""


def spread(incident: Incident, step: timedelta) -> None:
    """As if the updates had been written one step after the other."""
    for number, update in enumerate(reversed(incident.updates)):
        update.created_at = incident.started_at + number * step
    if incident.resolved_at:
        incident.resolved_at = incident.updates[0].created_at


# --- looking ---------------------------------------------------------------------------------------


def photograph_all(base: str, pages: dict[str, str], folder: Path, code: str) -> int:
    """First what is there before anybody can sign in, then as the visitor and as the operator see it."""
    found = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        visitor = browser.new_context().storage_state()
        found += photograph_each(browser, base, BEFORE, folder, visitor)
        operator = set_up(browser, base, code)
        found += photograph_each(browser, base, pages, folder, visitor)
        for name, path in INSIDE.items():
            who = visitor if name == "sign-in" else operator
            found += photograph_each(browser, base, {name: path}, folder, who)
        browser.close()
    print(f"{found} problems" if found else "No problems.")
    return 1 if found else 0


def photograph_each(browser: Browser, base: str, pages: dict[str, str], folder: Path, who: Any) -> int:
    """`who` is what the browser's store holds: nothing, or a session."""
    found = 0
    for name, path in pages.items():
        for theme in THEMES:
            for width in WIDTHS:
                picture = folder / f"{name}-{width}-{theme}.png"
                found += photograph(browser, urljoin(base, path), picture, who)
        found += overflow(browser, urljoin(base, path), who)
    return found


def set_up(browser: Browser, base: str, code: str) -> Any:
    """As whoever begins: the session of the operator that the wizard makes. Invites somebody, too."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{base}/setup?code={code}")
    for field, text in OPERATOR.items():
        page.locator(f"#{field}").fill(text)
    page.get_by_role("button", name="Create it").click()
    page.wait_for_url("**/admin/umbrella")
    for name, email in (("Eve Example", "eve@example.org"), ("نور الشمالي", "nour@example.org")):
        page.goto(f"{base}/admin/names/members/new")
        page.locator("#email").fill(email)
        page.locator("#name").fill(name)
        page.get_by_role("button", name="Add", exact=True).click()
        page.locator("#secret").wait_for()
    page.goto(f"{base}/admin/names/tokens/new")
    make_token(page)
    state = context.storage_state()
    context.close()
    return state


def photograph(browser: Browser, url: str, picture: Path, who: Any) -> int:
    """One full-page picture; the number of things that axe minds, each printed."""
    _, width, theme = picture.stem.rsplit("-", 2)
    size = {"width": int(width), "height": 800}
    page = browser.new_page(viewport=size, color_scheme=theme, storage_state=who)
    page.goto(url)
    if "/console" in url:
        use_console(page)
    if picture.stem.startswith("settings-wrong"):
        mistype(page)
    if picture.stem.startswith("incident-new-wrong"):
        publish_nothing(page)
    if picture.stem.startswith("token-secret"):
        make_token(page)
    if picture.stem.startswith("tenant-overtaken"):
        overtake(page)
    show_frames(page)
    page.screenshot(path=picture, full_page=True)
    violations = []
    for frame in page.frames:
        frame.evaluate((ROOT / "node_modules/axe-core/axe.min.js").read_text())
        violations += frame.evaluate(AXE)
    page.close()
    for violation in violations:
        places = ", ".join(str(node["target"][0]) for node in violation["nodes"])
        print(f"{picture.name}: {violation['help']}: {places}")
    return len(violations)


def use_console(page: Page) -> None:
    """Joined from the first event on, so that there is much to see; the newest is unfolded."""
    position = page.locator("#position")
    page.get_by_role("button", name="Connect", exact=True).click()
    for name in ("Join", "Ping", "Leave"):
        page.get_by_role("button", name=name, exact=True).click()
    page.locator("#rows [data-name='left-organization']").wait_for()
    page.get_by_label("cursor", exact=True).fill(f"{position.inner_text().split(':')[0]}:0")
    page.get_by_role("button", name="Join", exact=True).click()
    page.locator("#rows [data-name='joined-organization']").nth(1).wait_for()
    page.locator("#rows [data-name='incident-update'] summary").first.click()
    page.locator("#rows pre").first.wait_for()


def make_token(page: Page) -> None:
    """Its secret is shown once."""
    page.locator("#name").fill("Deployment")
    page.get_by_role("button", name="Create it").click()
    page.locator("#secret").wait_for()


def overtake(page: Page) -> None:
    """What a form says of somebody else's newer save."""
    other = page.context.browser.new_page(storage_state=page.context.storage_state())
    other.goto(page.url)
    other.locator("#name").fill(f"Saved at {now():%H:%M:%S.%f}")
    other.get_by_role("button", name="Save").click()
    other.wait_for_url("**/tenants")
    other.close()
    page.get_by_role("button", name="Save").click()
    page.locator(".theirs").wait_for()


def mistype(page: Page) -> None:
    """What a form says of a mistake."""
    page.locator("#timezone").fill("Berlin")
    page.get_by_role("button", name="Save").click()
    page.locator("#timezone-error").wait_for()


def publish_nothing(page: Page) -> None:
    """What the form of a new incident says of a title that is none, below a preview."""
    page.locator("#message").fill("Some **payments** fail.")
    page.get_by_role("button", name="Preview").click()
    page.locator("#preview strong").wait_for()
    page.locator("#title").fill(" ")
    page.get_by_role("button", name="Publish").click()
    page.locator("#title-error").wait_for()


def show_frames(page: Page) -> None:
    """What is out of sight is not painted in a frame of another site: make the window as tall as the page."""
    if len(page.frames) > 1:
        page.wait_for_function(FITTED)
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": page.viewport_size["width"], "height": height})
        page.wait_for_function(FITTED)


def overflow(browser: Browser, url: str, who: Any) -> int:
    """Whether a narrow window (or one at 400 %) scrolls sideways."""
    page = browser.new_page(viewport={"width": NARROW, "height": 640}, storage_state=who)
    page.goto(url)
    show_frames(page)
    excess = max(frame.evaluate("document.documentElement.scrollWidth - innerWidth") for frame in page.frames)
    page.close()
    if excess > 0:
        print(f"{url} is {excess} px too wide for a window of {NARROW} px")
    return int(excess > 0)


if __name__ == "__main__":
    sys.exit(main())
