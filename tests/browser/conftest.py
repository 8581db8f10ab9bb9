"""Real browsers before a real server. A worker has one of each; a page has a context of its own."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext

from statuspage.database import db, transaction
from statuspage.models.organization import Organization
from statuspage.models.service import Service
from tests.browser.gate import Gate
from tests.browser.visit import NETWORK, Visit
from tests.server import Server

LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 80 20"><rect width="80" height="20"/></svg>'

Change = Callable[..., Any]
Visitor = Callable[..., Visit]


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It tells positions every second, so that no test waits long for a `head`."""
    server = Server(tmp_path_factory.mktemp("browser") / "instance", HEAD_INTERVAL="1")
    yield server.start()
    server.stop()


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    """The worker's server. A test may kill it and start it again; it is as it was for the next one."""
    yield shared_server
    if not _runs(shared_server):
        shared_server.start()
    with admin(shared_server) as client:
        send(client, "PUT", "/services/service-1", {"name": "API", "status": "operational"})


def _runs(server: Server) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(server.url + "/acme").is_success
    return False


@pytest.fixture
def api(server: Server) -> Iterator[Change]:
    """`api("PUT", "/services/service-1", {...})`: a request to the REST API, as the demo's admin."""
    with admin(server) as client:
        yield lambda method, path, body=None: send(client, method, path, body)


def admin(server: Server) -> httpx.Client:
    return httpx.Client(
        base_url=server.url + "/api", headers={"Authorization": f"Bearer {server.token}"}, timeout=30
    )


def send(client: httpx.Client, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = client.request(method, path, json=body)
    answer.raise_for_status()
    return answer.json() if answer.content else {}


@pytest.fixture
def set_status(api: Change) -> Change:
    """Change a service's status through the server that the pages are connected to."""
    return lambda status, id="service-1": api("PUT", f"/services/{id}", {"status": status})


@pytest.fixture
def write(server: Server) -> Change:
    """`write("service-1", own_status=…)`: another process does it, the server is not told."""

    def write(id: str, **changes: str) -> None:
        with server.app.app_context():
            service = db.session.get(Service, id)
            assert service
            with transaction(service.organization):
                service.update(**changes)

    return write


@pytest.fixture
def set_look(server: Server) -> Iterator[Change]:
    """`set_look(accent=…, logo=…)` of Acme, by another process; it has none afterwards."""

    def change(**look: Any) -> None:
        with server.app.app_context():
            acme = db.session.get(Organization, "org-456")
            assert acme
            with transaction(acme):
                acme.set_look(**look)

    yield change
    change(accent="", logo=b"")


@pytest.fixture
def gate(server: Server) -> Iterator[Gate]:
    with Gate(server.url) as gate:
        yield gate


@pytest.fixture(scope="session")
def browser(launch: Callable[..., Browser]) -> Iterator[Browser]:
    browser = launch()
    yield browser
    browser.close()


@pytest.fixture
def own_browser(launch: Callable[..., Browser]) -> Iterator[Browser]:
    """One to do cruel things to: the whole one, for the back/forward cache, which Playwright switches off."""
    whole = shutil.which("chromium")
    browser = launch(
        executable_path=whole,
        channel=None if whole else "chromium",
        ignore_default_args=["--disable-back-forward-cache"],
    )
    yield browser
    browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def visitor(request: pytest.FixtureRequest, server: Server, browser: Browser) -> Iterator[Visitor]:
    """`visitor(url=…, context options…)`: another visitor. The browser may complain about none of them.

    Failed requests are no complaint where the test is marked `cuts_the_network`.
    """
    visits: list[Visit] = []
    contexts: list[BrowserContext] = []

    def come(url: str = server.url, context: BrowserContext | None = None, **options: Any) -> Visit:
        if context is None:
            context = browser.new_context(**{"service_workers": "block", **options})
            contexts.append(context)
        visits.append(Visit(context, url))
        return visits[-1]

    yield come
    complaints = [complaint for visit in visits for complaint in visit.complaints]
    for context in contexts:
        context.close()
    if request.node.get_closest_marker("cuts_the_network"):
        complaints = [complaint for complaint in complaints if not NETWORK.search(complaint)]
    assert not complaints


@pytest.fixture(scope="session")
def session(shared_server: Server, browser: Browser) -> Any:
    """What the browser of somebody holds who has signed in: the demo's operator."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(shared_server.url + "/sign-in")
    page.locator("#email").fill("robin@example.org")
    page.locator("#password").fill(shared_server.password)
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/**")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def operator(visitor: Visitor, session: Any) -> Visitor:
    """`operator(context options…)`: somebody who is signed in."""
    return lambda **options: visitor(storage_state=session, **options)


@pytest.fixture
def visit(visitor: Visitor) -> Visit:
    """A page of the server itself."""
    return visitor()


@pytest.fixture
def gated(visitor: Visitor, gate: Gate) -> Visit:
    """A page behind the gate."""
    return visitor(url=gate.url)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cuts_the_network: requests of the page fail, and the browser says so")
