"""deploy/: the proxies' files are valid, and when no node is there they answer from the snapshots."""

import contextlib
import itertools
import json
import re
import subprocess
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import requests
import socketio
from lxml import html

from statuspage.clock import now
from statuspage.database import db, transaction
from statuspage.models.embedding import allow_embedding
from statuspage.models.incident import Incident
from statuspage.models.organization import Organization, Tenant
from statuspage.models.service import Service
from statuspage.models.status import ServiceStatus, Visibility
from tests.browser.visit import STREAM, WEBSOCKET, Visit
from tests.proxies import (
    DEPLOY,
    PATIENCE,
    Caddy,
    Nginx,
    ask_at_once,
    caddy_program,
    eventually,
    nginx_program,
    with_certificate,
)
from tests.server import Server

STATUS = "/api/status?organizationId=org-456"
PAGES = (
    "/",
    "/acme",
    "/acme/north",
    "/acme/history",
    "/acme/north/history",
    "/embed/acme",
    "/embed/acme?view=full",
    "/embed/acme?view=line&theme=auto&origin=https%3A%2F%2Fshop.example",
    "/embed/acme/north?theme=auto&view=full",
    "/acme?utm_source=x",
    "/org-456",
    "/org-456/history",
    "/org-456/tenant-789",
    "/embed/org-456?view=full",
    "/embed/org-456/tenant-789",
)
PROGRAMS = (
    STATUS,
    f"{STATUS}&tenantId=tenant-789",
    "/api/status?tenantId=tenant-789&organizationId=org-456",
    STATUS.replace("status", "services"),
    STATUS.replace("status", "groups"),
    f"{STATUS.replace('status', 'groups')}&tenantId=tenant-789",
    STATUS.replace("status", "incidents"),
    f"{STATUS.replace('status', 'incidents')}&status=open",
    "/api/incidents?status=open&organizationId=org-456",
    "/api/incidents?organizationId=org-456&status=resolved",
    f"{STATUS.replace('status', 'incidents')}&tenantId=tenant-789&status=open",
)
AGED = ("/acme/history.atom", "/acme/north/history.atom", "/org-456/history.atom", "/acme/badge.svg")
OTHERS = (*AGED, "/embed.js", "/robots.txt", "/api/openapi.json")
INSIDE = ("/metrics", "/readyz", "/healthz")
HIDDEN = (
    "/globex",
    "/globex/history.atom",
    "/api/status?organizationId=org-654",
    "/acme/stream",
    "/org-456/changes",
)


# What only a node can answer; or nobody.
UNTOLD = (
    f"{STATUS}&scope=all",
    f"{STATUS}&tenantId=",
    f"{STATUS}&tenantId=tenant-789&scope=all",
    "/api/incidents?organizationId=org-456&limit=1",
    "/api/incidents?limit=1&organizationId=org-456",
    "/api/incidents?organizationId=org-456&after=x",
    "/api/incidents?organizationId=org-456&organizationId=org-654",
    "/api/incidents",
    "/api/services/service-1?limit=1",
    "/api/status?organizationId=../../acme",
    "/api/status?organizationId=*",
    "/acme/history?month=2020-01",
    "/acme/nobody/history?month=2026-01",
    "/acme/history/2026-01",
    "/nothing",
    "/acme/north/history?q=x",
    "/acme/%68istory?q=x",
    "/acme/",
    "/../acme.html/",
    "/embed/acme?view=other",
)


def socket_of(proxy) -> socketio.SimpleClient:
    session = requests.Session()
    session.trust_env, session.verify = False, str(proxy.authority)
    return socketio.SimpleClient(http_session=session)


def type_of(answer) -> str:
    return answer.headers["Content-Type"].split(";")[0]


def _is_unchanged(visitor) -> bool:
    """At once, or as soon as both nodes have seen the last change."""
    tag = visitor.get("/acme").headers["ETag"]
    return visitor.get("/acme", headers={"If-None-Match": tag}).status_code == 304


def _is_written(files, path, answer) -> bool:
    """Whether the file for programs says what a node answered."""
    parts = urlsplit(path)
    query = dict(parse_qsl(parts.query))
    steps = [parts.path[1:], query["organizationId"], *filter(None, [query.get("tenantId")])]
    file = files / f"{'.'.join(['/'.join(steps), *filter(None, [query.get('status')])])}.json"
    return file.exists() and json.loads(file.read_text()) | {"asOf": ""} == answer | {"asOf": ""}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """(nodes, proxies): two nodes on one database, Caddy and nginx in front."""
    folder = tmp_path_factory.mktemp("site")
    snapshots = folder / "snapshots"
    shared = {"DATABASE_URL": f"sqlite:///{folder}/shared.db", "SNAPSHOTS": str(snapshots), "PROXIES": "1"}
    shared |= {"PUBLIC_URL": "https://status.example", "DEMO": "1", "PING_INTERVAL": "1"}
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(Server(folder / name, NODE=name, **shared)) for name in "ab"]
        with nodes[0].app.app_context():
            acme, globex = (db.session.get(Organization, id) for id in ("org-456", "org-654"))
            with transaction(acme, globex):
                globex.update(slug="none")  # its page is nobody's answer to what there is not
                north, then = db.session.get(Tenant, "tenant-789"), now() - timedelta(days=700)
                for tenant in (None, north):
                    old = Incident.open(acme, tenant, title="Old", message="Then.", started_at=then)
                    old.resolve(message="Over.", at=then + timedelta(hours=1))
                allow_embedding(acme, ["*"])
                globex.update(visibility=Visibility.PRIVATE)
            db.session.remove()
        proxies = [
            stack.enter_context(kind(folder / kind.__name__, nodes, snapshots)) for kind in (Caddy, Nginx)
        ]
        yield nodes, proxies, snapshots / "site"


def test_caddy_takes_its_file():
    words = ["validate", "--config", str(DEPLOY / "Caddyfile"), "--adapter", "caddyfile"]
    said = subprocess.run([caddy_program(), *words], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr


def test_nginx_takes_its_file(tmp_path):
    conf = tmp_path / "nginx.conf"
    text = with_certificate((DEPLOY / "nginx.conf").read_text(), tmp_path)
    conf.write_text(f"pid {tmp_path}/pid;\n{text}")
    words = ["-t", "-p", str(tmp_path), "-e", "stderr", "-c", str(conf)]
    said = subprocess.run([nginx_program(), *words], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr


class Taker(ThreadingHTTPServer):
    """A node that lives, takes each request for a session, and ends before it answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Takes)
        self.port, self.taken = self.server_port, []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Takes(BaseHTTPRequestHandler):
    server: Taker

    def do_GET(self) -> None:
        if self.path.startswith("/socket.io/"):
            self.server.taken.append(self.path)
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.parametrize("kind", [Caddy, Nginx])
@pytest.mark.parametrize("query", ["transport=polling", "transport=websocket", "transport=polling&sid=a.1"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_that_a_node_took_on_the_live_path_is_offered_to_another(tmp_path, kind, query, method):
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(Taker()) for _ in range(2)]
        for node in nodes:
            stack.callback(node.shutdown)
        proxy = stack.enter_context(kind(tmp_path / "proxy", nodes, tmp_path))
        with proxy.visitor() as visitor:
            answer = visitor.request(method, f"/socket.io/?EIO=4&{query}")
    assert answer.status_code in (502, 503)
    assert sum(len(node.taken) for node in nodes) == 1


def test_while_a_node_lives_it_is_the_nodes_that_answer(site):
    _, proxies, _ = site
    for proxy in proxies:
        with proxy.visitor() as visitor:
            page = visitor.get("/acme")
            assert page.status_code == 200
            assert 'id="aged"' not in page.text
            eventually(lambda visitor=visitor: _is_unchanged(visitor))
            for path in INSIDE:
                assert visitor.get(path).status_code == 404, path
            assert visitor.get("/globex").status_code == 404
            with visitor.stream("GET", "/acme/stream?view=page") as stream:
                assert next(stream.iter_lines()), "at once: nobody collects it"
        for transport in ("polling", "websocket"):
            with socket_of(proxy) as client:
                client.connect(proxy.url, transports=[transport])
                client.emit("join-organization", {"organizationId": "org-456"})
                assert client.receive(timeout=PATIENCE)[0] == "joined-organization"
                for _ in range(3):  # each in a request of its own: the same node has the session
                    client.emit("ping", {})
                    assert client.receive(timeout=PATIENCE)[0] in ("pong", "status-update")


def test_a_browser_is_live_by_http_2(site, launch):
    nodes, proxies, _ = site
    statuses = itertools.cycle((ServiceStatus.DEGRADED, ServiceStatus.MAJOR_OUTAGE))
    with launch() as browser:
        for proxy, transport in itertools.product(proxies, (WEBSOCKET, STREAM)):
            visit = Visit(browser.new_context(ignore_https_errors=True), proxy.url)
            protocols = _protocols(visit)
            if transport == STREAM:
                visit.page.route_web_socket("**/socket.io/**", lambda socket: socket.close())
            visit.open(by=transport)
            status = next(statuses)
            _set_status(nodes[0], status)
            visit.expect_status(status)
            assert protocols["/acme"] == "h2"
            assert transport == WEBSOCKET or protocols["/org-456/stream"] == "h2"


def _protocols(visit) -> dict[str, str]:
    """By which protocol each path was answered, as the browser says."""
    found: dict[str, str] = {}

    def note(event) -> None:
        answer = event["response"]
        found[urlsplit(answer["url"]).path] = answer.get("protocol")

    wire = visit.page.context.new_cdp_session(visit.page)
    wire.on("Network.responseReceived", note)
    wire.send("Network.enable")
    return found


def _set_status(node, status) -> None:
    with node.app.app_context():
        service = db.session.get(Service, "service-1")
        with transaction(service.organization):
            service.update(status=status)
        db.session.remove()


def _back(node, path: str) -> list[str]:
    """Where the links to older months lead from here."""
    found: list[str] = []
    while True:
        page = html.fromstring(requests.get(f"{node.url}{path}", timeout=PATIENCE).content)
        older = page.xpath("//a[@rel='next']/@href")
        if not older:
            return found
        path = older[0]
        found.append(path)


def test_with_all_nodes_killed_every_public_page_is_there_with_its_age(site):
    nodes, proxies, files = site
    with httpx.Client(base_url=nodes[0].url) as visitor:
        paths = [*PAGES, *PROGRAMS, *OTHERS]
        for noun in ("incidents", "services", "groups"):
            first = visitor.get(f"/api/{noun}?organizationId=org-456").json()["items"][0]["id"]
            paths.append(f"/api/{noun}/{first}")
            paths += [f"/api/{noun}/{first}/updates"] if noun == "incidents" else []
        items = [path for path in paths if path not in (*PAGES, *PROGRAMS, *OTHERS)]
        this_month = visitor.get("/acme/history").text
        paths += [f"/acme/history?month={now():%Y-%m}"] if f"{now():%B %Y}" in this_month else []
        known = {path: visitor.get(path) for path in paths}
    eventually(lambda: (files / "index.html").exists())  # it is written last, and went with Globex
    eventually(lambda: all(_is_written(files, path, known[path].json()) for path in PROGRAMS))
    months = [*_back(nodes[0], "/acme/history"), *_back(nodes[0], "/acme/north/history")]
    assert len(months) > 10, "two years of three months each, on two pages"
    incidents = [f"/acme/incidents/{name.stem}" for name in (files / "acme/incidents").glob("*.html")]
    assert incidents, "the demo has some"
    incidents += [path.replace("/acme/", "/acme/north/") for path in incidents]
    assets = [f"/static/{file.name}" for file in (files / "static").iterdir() if file.is_file()]
    for node in nodes:
        node.kill()
    for proxy in proxies:
        with proxy.visitor() as visitor:
            found = ask_at_once(
                visitor, (*known, *months, *incidents, *assets), headers={"If-None-Match": '"x"'}
            )
            for path, answer in found.items():
                assert answer.status_code == 200, path
                assert answer.headers["Snapshot"] == "stale", path
                assert "Last-Modified" in answer.headers
            for path, answer in known.items():
                assert type_of(found[path]) == type_of(answer)
            for path in (*PAGES, *months, *incidents):
                assert 'id="aged"' in found[path].text, path
                policy = found[path].headers.get("Content-Security-Policy", "")
                assert ("frame-ancestors" in policy) != path.startswith("/embed"), path
            for path in AGED:
                assert re.search(r"As of |<title>Acme: .* UTC</title>", found[path].text), path
            for path in (*PROGRAMS, *items):
                answer = found[path].json()
                assert answer.pop("asOf"), path
                assert answer == known[path].json(), path
            for path in assets:
                assert "immutable" in found[path].headers["Cache-Control"]
            for path in items:
                assert type_of(found[path]) == "application/json"
                assert found[path].headers["Access-Control-Allow-Origin"] == "*"
            nowhere = incidents[0].replace("/acme/", "/acme/nobody/")
            for path, answer in ask_at_once(visitor, (*HIDDEN, *UNTOLD, nowhere)).items():
                assert answer.status_code == 503, path
                assert "no snapshot of this" in answer.text, path
                assert answer.headers["Retry-After"], path
            for path in INSIDE:
                assert visitor.get(path).status_code == 404
            assert visitor.get("/socket.io/?EIO=4&transport=polling").status_code in (502, 503)
            refused = visitor.post("/acme")
            assert refused.status_code == 503
            assert "Look whether it was done" in refused.text
            assert refused.headers["Retry-After"]
    nodes[1].start()
    for proxy in proxies:
        with proxy.visitor() as visitor:
            eventually(lambda visitor=visitor: 'id="aged"' not in visitor.get("/acme").text)
