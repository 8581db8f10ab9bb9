"""deploy/: the proxies' files are valid, and when no node is there they answer from the snapshots."""

import contextlib
import shutil
import subprocess
import time

import httpx
import pytest
import socketio

from statuspage.database import db, transaction
from statuspage.models.embedding import allow_embedding
from statuspage.models.organization import Organization
from statuspage.models.status import Visibility
from tests.server import Server
from tests.snapshots.proxies import DEPLOY, Caddy, Nginx, caddy_program, nginx_program

PATIENCE = 30.0
STATUS = "/api/status?organizationId=org-456"
PAGES = (
    "/",
    "/acme",
    "/acme/north",
    "/acme/history",
    "/acme/north/history",
    "/embed/acme",
    "/embed/acme?view=full",
)
PROGRAMS = (
    STATUS,
    f"{STATUS}&tenantId=tenant-789",
    STATUS.replace("status", "services"),
    STATUS.replace("status", "incidents"),
)
OTHERS = ("/acme/history.atom", "/acme/north/history.atom", "/acme/badge.svg", "/embed.js", "/robots.txt")
HIDDEN = (
    "/globex",
    "/globex/history.atom",
    "/api/status?organizationId=org-654",
    "/acme/stream",
    "/org-456/changes",
)


def eventually(ask):
    deadline = time.monotonic() + PATIENCE
    while not (answer := ask()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return answer


def _is_unchanged(visitor) -> bool:
    """At once, or as soon as both nodes have seen the last change."""
    tag = visitor.get("/acme").headers["ETag"]
    return visitor.get("/acme", headers={"If-None-Match": tag}).status_code == 304


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
    assert shutil.which("openssl"), "This test makes a certificate: install openssl."
    pem, key = tmp_path / "pem", tmp_path / "key"
    words = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=x",
    ]
    subprocess.run(["openssl", *words, "-keyout", key, "-out", pem], check=True, capture_output=True)
    text = (DEPLOY / "nginx.conf").read_text()
    text = text.replace("/etc/nginx/status.example.org.pem", str(pem))
    text = text.replace("/etc/nginx/status.example.org.key", str(key))
    conf = tmp_path / "nginx.conf"
    conf.write_text(f"pid {tmp_path}/pid;\n{text}")
    said = subprocess.run(
        [nginx_program(), "-t", "-p", str(tmp_path), "-e", "stderr", "-c", str(conf)],
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stderr


def test_while_a_node_lives_it_is_the_nodes_that_answer(site):
    nodes, proxies, _ = site
    for proxy in proxies:
        with httpx.Client(base_url=proxy.url) as visitor:
            page = visitor.get("/acme")
            assert page.status_code == 200
            assert 'id="aged"' not in page.text
            eventually(lambda visitor=visitor: _is_unchanged(visitor))
            assert visitor.get("/metrics").status_code == 404
            assert visitor.get("/globex").status_code == 404
            with visitor.stream("GET", "/acme/stream?view=page") as stream:
                assert next(stream.iter_lines()), "at once: nobody collects it"
        for transport in ("polling", "websocket"):
            with socketio.SimpleClient() as client:
                client.connect(proxy.url, transports=[transport])
                client.emit("join-organization", {"organizationId": "org-456"})
                assert client.receive(timeout=PATIENCE)[0] == "joined-organization"
                for _ in range(3):  # each in a request of its own: the same node has the session
                    client.emit("ping", {})
                    assert client.receive(timeout=PATIENCE)[0] in ("pong", "status-update")


def test_with_all_nodes_killed_every_public_page_is_there_with_its_age(site):
    nodes, proxies, files = site
    eventually(
        # The start page is written last, and went with Globex.
        lambda: (files / "embed/acme/north.full.html").exists() and (files / "index.html").exists()
    )
    with httpx.Client(base_url=nodes[0].url) as visitor:
        known = {path: visitor.get(path) for path in (*PAGES, *PROGRAMS, *OTHERS)}
    incidents = [name.stem for name in (files / "acme/incidents").glob("*.html")]
    assert incidents, "the demo has some"
    for node in nodes:
        node.kill()
    for proxy in proxies:
        with httpx.Client(base_url=proxy.url) as visitor:
            for path in (*PAGES, *PROGRAMS, *OTHERS):
                found = visitor.get(path, headers={"If-None-Match": known[path].headers.get("ETag", '"x"')})
                assert found.status_code == 200, path
                assert found.headers["Snapshot"] == "stale", path
                assert (
                    found.headers["Content-Type"].split(";")[0]
                    == known[path].headers["Content-Type"].split(";")[0]
                )
                assert "Last-Modified" in found.headers
                if path in PAGES:
                    assert 'id="aged"' in found.text, path
                    embedded = path.startswith("/embed")
                    assert ("frame-ancestors" in found.headers.get("Content-Security-Policy", "")) != embedded
                elif path in PROGRAMS:
                    answer = found.json()
                    assert answer.pop("asOf"), path
                    assert answer == known[path].json(), path
            for name in incidents:
                assert visitor.get(f"/acme/incidents/{name}").status_code == 200
            assert (
                "immutable"
                in visitor.get(f"/static/{next((files / 'static').iterdir()).name}").headers["Cache-Control"]
            )
            for path in HIDDEN:
                assert visitor.get(path).status_code == 503, path
            for path in (
                "/api/status?organizationId=../../acme",
                "/api/status?organizationId=*",
                "/../acme.html/",
            ):
                assert visitor.get(path).status_code in (400, 404, 503), path
            assert visitor.post("/acme").status_code == 503
            assert visitor.get("/socket.io/?EIO=4&transport=polling").status_code in (502, 503)
    nodes[1].start()
    for proxy in proxies:
        eventually(lambda proxy=proxy: 'id="aged"' not in httpx.get(f"{proxy.url}/acme").text)
