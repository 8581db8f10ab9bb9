"""The same in a bucket, before a store of the test's own that speaks as much S3 as is needed."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from statuspage.database import db, transaction
from statuspage.models.errors import Conflict
from statuspage.models.organization import Organization
from statuspage.models.status import Visibility
from statuspage.snapshots.store import Bucket, Unreachable
from statuspage.snapshots.writer import Writer
from tests.snapshots.conftest import write

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
pytestmark = pytest.mark.one_database


class Fake(BaseHTTPRequestHandler):
    """PUT, a list of what begins with a prefix, and its DeleteObjects; `objects` by key: (type, bytes)."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, tuple[str, bytes]]
    strangers: list[str]
    asked: list[str]
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
        prefix = parse_qs(urlsplit(self.path).query).get("prefix", [""])[0]
        keys = sorted(key for key in self.objects if key.startswith(prefix))
        found = "".join(f"<Contents><Key>{escape(key)}</Key><Size>1</Size></Contents>" for key in keys)
        body = f'<ListBucketResult xmlns="{NAMESPACE}"><Name>bucket</Name>{found}</ListBucketResult>'
        self._answer(200, body.encode())

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
    kind = type("Store", (Fake,), {"objects": {}, "strangers": [], "asked": [], "locked": set()})
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
