"""The same in a bucket, before a store of the test's own that speaks as much S3 as is needed."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from statuspage.database import db, transaction
from statuspage.models.embedding import allow_embedding
from statuspage.models.errors import Conflict
from statuspage.models.incident import Incident
from statuspage.models.organization import Organization
from statuspage.models.status import Visibility
from statuspage.snapshots.store import Bucket, Unreachable
from statuspage.snapshots.writer import Writer
from tests.proxies import Caddy, ask_at_once
from tests.server import free_port
from tests.snapshots.conftest import write

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
pytestmark = pytest.mark.one_database


class Fake(BaseHTTPRequestHandler):
    """PUT, a list of what begins with a prefix, and its DeleteObjects; `objects` by key: (type, bytes)."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, tuple[str, bytes]]
    strangers: list[str]
    asked: list[str]
    paths: list[str]
    locked: set[str]

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.objects[self._key()] = (self.headers["Content-Type"], body)
        self._answer(200, headers={"ETag": '"x"'})

    def do_POST(self):
        """DeleteObjects: what is `locked` stays, and is said."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        keys = set(re.findall(r"<Key>(.*?)</Key>", body))
        for key in keys - self.locked:
            self.objects.pop(key, None)
        errors = "".join(
            f"<Error><Key>{key}</Key><Code>AccessDenied</Code><Message>It is locked</Message></Error>"
            for key in keys & self.locked
        )
        self._answer(200, f'<DeleteResult xmlns="{NAMESPACE}">{errors}</DeleteResult>'.encode())

    def do_GET(self):
        if not urlsplit(self.path).query:
            self._give()
            return
        prefix = parse_qs(urlsplit(self.path).query).get("prefix", [""])[0]
        keys = sorted(key for key in self.objects if key.startswith(prefix))
        found = "".join(f"<Contents><Key>{escape(key)}</Key><Size>1</Size></Contents>" for key in keys)
        body = f'<ListBucketResult xmlns="{NAMESPACE}"><Name>bucket</Name>{found}</ListBucketResult>'
        self._answer(200, body.encode())

    do_HEAD = do_GET

    def _give(self):
        """An object, to whoever asks."""
        self.paths.append(self.path)
        kind, body = self.objects.get(self._key(), ("", None))
        self.send_response(404 if body is None else 200)
        headers = {"Content-Type": kind, "Last-Modified": "Sat, 28 Nov 2026 12:00:00 GMT", "x-amz-id-2": "x"}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body or b"")

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix("/bucket/")

    def _answer(self, status, body=b"", headers=None):
        self.asked.append(f"{self.command} {self.path}")
        if not self.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 Credential=key/"):
            self.strangers.append(self.path)
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def s3():
    kind = type("Store", (Fake,), {"objects": {}, "strangers": [], "asked": [], "locked": set(), "paths": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.kind = kind
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def bucket(s3):
    found = Bucket(
        "s3://bucket/of/status", f"http://127.0.0.1:{s3.server_address[1]}", "us-east-1", "key", "secret"
    )
    yield found
    found.close()


def test_written_signed_and_removed_before_it_is_private(app, cast, s3, bucket, monkeypatch):
    monkeypatch.setitem(app.config, "PUBLIC_URL", "https://status.example")
    monkeypatch.setattr(app.extensions["snapshots"], "_store", bucket)
    objects = s3.kind.objects
    write(Writer(app, bucket))
    assert s3.kind.strangers == []
    assert objects["of/status/acme.html"][0] == "text/html; charset=utf-8"
    assert b'id="aged"' in objects["of/status/acme.html"][1]
    assert objects["of/status/acme/history.atom"][0] == "application/atom+xml; charset=utf-8"
    assert objects["of/status/api/status/org-456.json"][0] == "application/json"
    s3.kind.asked.clear()
    with transaction(cast.acme):
        cast.acme.update(visibility=Visibility.PRIVATE)
    assert s3.kind.asked == ["POST /bucket?delete="], "all of it at once, for others wait meanwhile"
    assert not [key for key in objects if "acme" in key or "org-456" in key or "index" in key]
    assert [key for key in objects if "static/" in key]


def test_a_bucket_that_is_away_refuses_what_would_hide_a_page(app, cast, s3, bucket, monkeypatch):
    monkeypatch.setitem(app.config, "PUBLIC_URL", "https://status.example")
    monkeypatch.setattr(app.extensions["snapshots"], "_store", bucket)
    write(Writer(app, bucket))
    s3.shutdown()
    s3.server_close()
    bucket.close()
    with pytest.raises(Conflict, match="could not be removed"), transaction(cast.acme):
        cast.acme.update(visibility=Visibility.PRIVATE)
    assert db.session.get(Organization, "org-456", populate_existing=True).public
    with pytest.raises(Unreachable):
        bucket.publish({"x": b""}, still=lambda: None)


def test_who_lost_his_hold_puts_nothing_more(s3, bucket):
    held = iter([None, Unreachable()])

    def still():
        if lost := next(held):
            raise lost

    with pytest.raises(Unreachable):
        bucket.publish({"a": b"", "b": b"", "c": b""}, still)
    assert list(s3.kind.objects) == ["of/status/a"]


def test_an_object_that_the_bucket_keeps_refuses_it_too(app, cast, s3, bucket, monkeypatch):
    monkeypatch.setitem(app.config, "PUBLIC_URL", "https://status.example")
    monkeypatch.setattr(app.extensions["snapshots"], "_store", bucket)
    write(Writer(app, bucket))
    s3.kind.locked.add("of/status/acme/north.html")
    with pytest.raises(Conflict, match="It is locked"), transaction(cast.acme):
        cast.north.update(visibility=Visibility.PRIVATE)


@pytest.fixture
def caddy(s3, tmp_path):
    """Before two nodes that are both dead."""
    dead: Any = [SimpleNamespace(port=free_port()) for _ in range(2)]
    places = {"SNAPSHOTS_IN": "bucket", "BUCKET": f"127.0.0.1:{s3.server_address[1]}"}
    return Caddy(tmp_path / "proxy", dead, tmp_path, tls=False, BUCKET_PATH="/bucket/of/status", **places)


def test_the_proxy_reads_the_bucket_itself_so_what_is_hidden_is_gone_at_once(
    app, cast, s3, bucket, caddy, monkeypatch
):
    monkeypatch.setitem(app.config, "PUBLIC_URL", "https://status.example")
    monkeypatch.setattr(app.extensions["snapshots"], "_store", bucket)
    with transaction(cast.acme):
        incident = Incident.open(cast.acme, None, title="Slow", message="We look.")
        cast.acme.set_look(logo=PNG)
        allow_embedding(cast.acme, ["*"])
    write(Writer(app, bucket))
    asset = next(key for key in s3.kind.objects if key.startswith("of/status/static/")).removeprefix(
        "of/status"
    )
    kinds = {
        "/": "text/html",
        "/acme": "text/html",
        "/org-456/tenant-789": "text/html",
        "/acme/history": "text/html",
        f"/acme/incidents/{incident.id}": "text/html",
        f"/acme/north/incidents/{incident.id}": "text/html",
        "/embed/acme?view=full": "text/html",
        "/acme/history.atom": "application/atom+xml",
        "/acme/badge.svg": "image/svg+xml",
        "/acme/logo?v=1": "image/png",
        "/api/status?organizationId=org-456": "application/json",
        "/api/incidents?organizationId=org-456&status=open": "application/json",
        f"/api/incidents/{incident.id}/updates": "application/json",
        "/embed.js": "text/javascript",
        asset: "",
    }
    nowhere = (
        f"/acme/nobody/incidents/{incident.id}",
        "/globex",
        "/../../secret",
        "/%2e%2e/%2e%2e/secret",
        "/api/status?organizationId=..",
        "/static/../../secret",
    )
    s3.kind.objects["secret"] = ("text/html", b"of another application")
    with caddy, caddy.visitor() as visitor:
        found = ask_at_once(visitor, kinds)
        for path, kind in kinds.items():
            answer = found[path]
            assert (answer.status_code, answer.headers.get("Snapshot")) == (200, "stale"), path
            assert answer.headers["Content-Type"].startswith(kind), path
            assert answer.headers["Last-Modified"]
            assert "x-amz-id-2" not in answer.headers
            assert len(answer.headers.get_list("Cache-Control")) == 1
            assert ("frame-ancestors" in answer.headers.get("Content-Security-Policy", "")) == (
                kind == "text/html" and not path.startswith("/embed")
            ), path
        assert 'id="aged"' in found["/acme"].text
        assert "immutable" in found[asset].headers["Cache-Control"]
        for path, answer in ask_at_once(visitor, nowhere).items():
            assert answer.status_code == 503, path
            assert "no snapshot of this" in answer.text
            assert "Snapshot" not in answer.headers
        with transaction(cast.acme):
            cast.acme.update(visibility=Visibility.PRIVATE)
        for path, answer in ask_at_once(visitor, kinds.keys() - {"/", "/embed.js", asset}).items():
            assert answer.status_code == 503, path
    assert all(path.startswith("/bucket/of/status/") for path in s3.kind.paths)
