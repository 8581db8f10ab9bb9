"""The page cache: the bytes that Flask made, as long as they are true, and to nobody who has more rights."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from statuspage.database import transaction
from statuspage.models.event import BROADCAST
from statuspage.models.incident import Incident
from statuspage.models.status import Visibility
from statuspage.web import page_cache
from statuspage.web.door import asked_of
from statuspage.web.page_cache import Asked, PageCache
from tests.web.browser import Browser

pytestmark = pytest.mark.one_database

SHARED = [
    "/",
    "/acme",
    "/acme/north",
    "/org-456",
    "/acme/incidents/{incident}",
    "/acme/history",
    "/acme/history?q=slow",
    "/embed/acme",
    "/embed/acme/north?view=full&theme=dark",
    "/acme/badge.svg",
    "/acme/badge.svg?label=x",
    "/acme/history.atom",
    "/api/status?organizationId=org-456",
    "/api/services?organizationId=org-456&tenantId=tenant-789",
    "/api/incidents?organizationId=org-456",
    "/acme/changes?cursor=none",
    "/acme/changes?view=data&cursor={cursor}",
]


class Counted:
    """How often the application behind the door is asked."""

    def __init__(self, inner: Callable) -> None:
        self.inner = inner
        self.asked = 0
        self.meanwhile: Callable[[], object] = list

    def __call__(self, environ: Any, start_response: Any) -> Any:
        self.asked += 1
        self.meanwhile()
        return self.inner(environ, start_response)


@pytest.fixture
def flask(app, watched, monkeypatch) -> Counted:
    """What stands behind the door, with an empty cache in front."""
    door = app.wsgi_app
    found = Counted(door._inner)
    monkeypatch.setattr(door, "_inner", found)
    monkeypatch.setattr(door, "_cache", PageCache(watched))
    door._unshared.clear()
    return found


@pytest.fixture
def cache(app, flask) -> PageCache:
    return app.wsgi_app._cache


@pytest.fixture
def incident(cast) -> Incident:
    with transaction(cast.acme):
        return Incident.open(cast.acme, None, title="Slow", message="We look.")


@pytest.fixture
def address(cast, incident) -> Callable[[str], str]:
    return lambda path: path.format(incident=incident.id, cursor=f"{cast.acme.epoch}:{cast.acme.seq}")


def wire(answer) -> tuple:
    return answer.status_code, list(answer.headers), answer.data


@pytest.mark.parametrize("encoding", ["gzip, br", "identity"])
@pytest.mark.parametrize("path", SHARED)
def test_a_hit_is_what_flask_said(client, address, flask, asked, path, encoding):
    """For GET, HEAD, and one who has it already: without Flask, without the database."""
    headers = {"Accept-Encoding": encoding}
    ask = lambda method="get", **more: wire(getattr(client, method)(address(path), headers=headers | more))  # noqa: E731
    without = ask("head")
    first = ask()
    assert first[0] in (200, 204)
    tag = {"If-None-Match": dict(first[1])["ETag"]} if "ETag" in dict(first[1]) else None
    unchanged = ask(**tag) if tag else None
    made = flask.asked
    asked.clear()
    assert ask() == first
    assert ask("head") == without
    assert without[1] == first[1]
    assert tag is None or (ask(**tag) == unchanged and unchanged[0] == 304)
    assert flask.asked == made
    assert asked == []


def test_packed_and_plain_are_two_answers(client, flask):
    plain = client.get("/acme", headers={"Accept-Encoding": "gzip;q=0"})
    packed = client.get("/acme", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("path", SHARED)
def test_what_a_view_reads_of_a_request_is_in_the_key(app, address, watched, path):
    """Or it is a field with which no answer comes from the cache."""

    class Noted(dict):
        read: set[str] = set()  # noqa: RUF012

        def __getitem__(self, key):
            self.read.add(key)
            return super().__getitem__(key)

        def get(self, key, default=None):
            self.read.add(key)
            return super().get(key, default)

        def __contains__(self, key):
            self.read.add(key)
            return super().__contains__(key)

    environ = Noted(EnvironBuilder(address(path)).get_environ())
    Noted.read = set()
    Context().run(run_wsgi_app, app.wsgi_app._inner, environ)
    fields = {name[5:].replace("_", "-").lower() for name in Noted.read if name.startswith("HTTP_")}
    assert fields - page_cache.NEVER <= {
        "host",
        "accept-encoding",
        "cookie",  # of which only our own is looked at: see below
        "if-none-match",
        "if-modified-since",
    }
    rest = {name for name in Noted.read if name.isupper() and not name.startswith("HTTP_")}
    assert rest <= {
        "REQUEST_METHOD",
        "PATH_INFO",
        "QUERY_STRING",
        "SCRIPT_NAME",
        "SERVER_NAME",
        "SERVER_PORT",
        "REMOTE_ADDR",
        "CONTENT_LENGTH",
        "CONTENT_TYPE",
        "SERVER_PROTOCOL",
    }


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic eDp5"},
        {"Cookie": "other=1; signed-in=ss_nonsense"},
        {"Range": "bytes=0-5"},
        {"Origin": "https://elsewhere.example"},
    ],
)
def test_who_brings_more_than_a_question_is_answered_by_flask(app, flask, headers):
    client = app.test_client(use_cookies=False)
    client.get("/acme")
    made = flask.asked
    client.get("/acme", headers=headers)
    client.get("/acme", headers=headers)
    assert flask.asked == made + 2
    client.get("/acme", headers={"Cookie": "analytics=1"})
    assert flask.asked == made + 2


def test_what_a_member_is_shown_is_kept_for_nobody(client, cast, flask, cache):
    for path in ("/globex", "/acme", "/acme/south", "/api/services?organizationId=org-456&scope=all"):
        assert client.get(path, headers=cast.bearer("operator")).status_code == 200
    assert len(cache) == 0


@pytest.mark.parametrize("first", ["member", "visitor"])
@pytest.mark.parametrize("path", ["/acme", "/acme/south", "/acme/north/history"])
def test_who_is_signed_in_and_who_is_not_never_share_an_answer(app, client, cast, flask, cache, path, first):
    """Whoever comes first; of a page that is for all, and of one that is not."""
    member = Browser.of(app, cast.users["acme-viewer"])
    ask = {"member": lambda: member.open(path), "visitor": lambda: client.get(path)}
    order = sorted(ask, key=lambda who: who != first)
    answers = {who: ask[who]() for who in order}
    made, kept = flask.asked, len(cache)
    assert made == 2
    assert kept == (0 if path == "/acme/south" else 1)
    assert answers["member"].status_code == 200
    assert answers["visitor"].status_code == (404 if path == "/acme/south" else 200)
    assert "Cookie" in answers["member"].headers["Vary"]
    again = {who: ask[who]() for who in order}
    assert len(cache) == kept
    assert flask.asked == made + (1 if kept else 2), "the member's is made anew"
    for who in order:
        assert again[who].status_code == answers[who].status_code


def test_the_next_page_after_a_change_shows_it_and_what_passed_is_let_go(client, cast, flask, cache):
    client.get("/acme")
    client.get("/acme/badge.svg")
    with transaction(cast.acme):
        cast.acme_service.update(name="Renamed")
    assert cache.find(tiny("/acme")) is None
    assert "Renamed" in client.get("/acme").text
    assert len(cache) == 1


def test_a_change_of_another_tenant_leaves_it_as_it_is(client, cast, flask):
    client.get("/acme/north")
    made = flask.asked
    for tenant, service in ((cast.south, cast.south_service), (cast.south, cast.south_service)):
        with transaction(cast.acme):
            service.update(name=f"Renamed {tenant.seq}")
        client.get("/acme/north")
    assert flask.asked == made
    with transaction(cast.acme):
        cast.north_service.update(name="Renamed")
    assert "Renamed" in client.get("/acme/north").text


def test_a_broadcast_lets_only_go_what_programs_are_told(client, cast, flask):
    paths = ["/acme", "/acme/north", "/embed/acme", "/acme/badge.svg", "/acme/history.atom", "/acme/changes"]
    for path in paths:
        client.get(path)
    client.get("/api/status?organizationId=org-456")
    made = flask.asked
    with transaction(cast.acme):
        cast.acme.record("status-update", BROADCAST, "x", {})
    for path in paths:
        client.get(path)
    assert flask.asked == made
    told = client.get("/api/status?organizationId=org-456").json
    assert told["cursor"] == f"{cast.acme.epoch}:{cast.acme.seq}"


def test_public_private_public(client, cast, flask, cache):
    paths = ("/acme", "/acme/north", "/embed/acme", "/acme/changes")
    for visibility, status in ((Visibility.PRIVATE, 404), (Visibility.PUBLIC, 200)) * 2:
        with transaction(cast.acme):
            cast.acme.update(visibility=visibility)
        for path in paths * 2:
            assert client.get(path).status_code == status
        assert len(cache) == (0 if status == 404 else len(paths))


def test_nothing_is_answered_where_nobody_looks_for_news(client, cast, flask, watched, cache):
    client.get("/acme")
    assert cache.find(tiny("/acme"))
    watched._looked_at = float("-inf")
    assert cache.find(tiny("/acme")) is None


def test_nothing_is_answered_of_yesterday(client, cast, flask, watched, cache, monkeypatch):
    client.get("/acme")
    state = watched.channel(cast.acme.id).state
    monkeypatch.setitem(vars(state), "_day", (0.0, 1.0))
    assert cache.find(tiny("/acme")) is None


def test_the_start_page_is_an_organizations_as_long_as_it_is_the_only_one(client, cast, flask, watched):
    first = client.get("/").text
    made = flask.asked
    assert client.get("/").text == first
    assert flask.asked == made
    with transaction(cast.globex):
        cast.globex.update(visibility=Visibility.PUBLIC)
    assert "Globex" in client.get("/").text
    watched.behind()
    assert "Globex" in client.get("/").text
    with transaction(cast.globex):
        cast.globex.update(visibility=Visibility.PRIVATE)
    assert client.get("/").text == first


def test_its_memory_is_bounded_and_what_is_asked_for_stays(client, cast, flask, cache):
    client.get("/acme")
    cache._limit = 5 * cache.size
    for number in range(40):
        client.get(f"/acme?{number}")
        assert cache.size <= cache._limit
        assert cache.find(tiny("/acme"))
    assert cache.size == sum(entry.size for entry in cache._entries.values())
    cache._limit = 0
    client.get("/acme?last")
    assert (len(cache), cache.size, cache._keys) == (0, 0, {})


def test_of_many_who_ask_at_once_one_asks_flask(app, cast, flask):
    """Those who wait hold no database session: they have not come as far as Flask."""
    crowd, at_the_door = 30, threading.Barrier(31)
    flask.meanwhile = lambda: wait_until(lambda: len(app.wsgi_app._flights) == 1)

    def visit() -> str:
        at_the_door.wait()
        return app.test_client().get("/acme").text

    with ThreadPoolExecutor(crowd) as pool:
        pages = [pool.submit(visit) for _ in range(crowd)]
        at_the_door.wait()
        assert len({page.result() for page in pages}) == 1
    assert flask.asked == 1
    assert app.wsgi_app._flights == {}


def test_after_a_change_the_page_is_rendered_once_however_many_ask(app, client, cast, flask):
    client.get("/acme")
    with transaction(cast.acme):
        cast.acme_service.update(name="Renamed")
    made, crowd = flask.asked, 30
    at_the_door = threading.Barrier(crowd)

    def visit() -> str:
        at_the_door.wait()
        return app.test_client().get("/acme").text

    with ThreadPoolExecutor(crowd) as pool:
        pages = [page.result() for page in [pool.submit(visit) for _ in range(crowd)]]
    assert len(set(pages)) == 1
    assert "Renamed" in pages[0]
    assert flask.asked == made + 1


def wait_until(true: Callable[[], bool]) -> None:
    while not true():
        threading.Event().wait(0.001)


@pytest.mark.parametrize("path", ["/globex", "/nowhere", "/sign-in"])
def test_what_is_not_for_all_makes_nobody_wait_after_the_first(app, client, flask, cache, path):
    """All who ask at once are in Flask at once."""
    client.get(path)
    crowd = 5
    flask.meanwhile = threading.Barrier(crowd, timeout=5).wait
    with ThreadPoolExecutor(crowd) as pool:
        for page in [pool.submit(lambda: app.test_client().get(path)) for _ in range(crowd)]:
            page.result()
    assert flask.asked == 1 + crowd
    assert len(cache) == 0
    assert app.wsgi_app._flights == {}


@pytest.mark.parametrize("path", ["/acme", "/acme/badge.svg", "/acme/changes?view=data&cursor={cursor}"])
def test_the_wire_is_the_whole_answer(client, address, flask, cache, path):
    """As a server writes it that asks the cache before there is an environment."""
    said = client.get(address(path))
    head, _, body = cache.find(tiny(address(path))).wire.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == f"HTTP/1.1 {said.status}".replace("NO CONTENT", "No Content")
    assert lines[1].startswith("Date: ")
    assert lines[1].endswith(" GMT")
    assert lines[2:] == [f"{name}: {value}" for name, value in said.headers]
    assert body == said.data
    assert cache.find(tiny(address(path), "HEAD")).wire.partition(b"\r\n\r\n")[2] == b""
    assert cache.find(tiny(address(path), "POST")) is None


def tiny(target: str, method: str = "GET") -> Asked:
    return Asked(method, target, "localhost", "http", {"host": "localhost"})


@pytest.mark.parametrize("path", ["/acme%3Fview=x", "/acm%65%25", "/%E2%82%AC", "/acme%23"])
def test_a_path_that_could_be_written_in_two_ways_has_no_key(path):
    environ = EnvironBuilder(path).get_environ()
    assert asked_of(environ) is None
