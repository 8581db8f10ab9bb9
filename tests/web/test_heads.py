"""Heads as bytes: the page cache answers the usual ones, and leaves every other to the WSGI server."""

import pytest

from statuspage.models.session import COOKIE
from statuspage.web.heads import Heads

pytestmark = pytest.mark.one_database

USUAL = b"GET /acme HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip, br\r\nUser-Agent: x\r\n\r\n"


@pytest.fixture
def cache(app, client, cast, watched):
    """With the page that USUAL asks for."""
    assert client.get("/acme", headers={"Accept-Encoding": "gzip, br"}).status_code == 200
    return app.extensions["page_cache"]


def test_a_usual_head_is_answered_with_the_page_as_it_is_now(cache, client, cast):
    answer = Heads(cache, 0).answer
    head, _, body = answer(USUAL).partition(b"\r\n\r\n")
    page = client.get("/acme", headers={"Accept-Encoding": "gzip, br"})
    assert head.startswith(b"HTTP/1.1 200 OK\r\nDate: ")
    assert body == page.data
    assert answer(USUAL.replace(b"GET", b"HEAD")).endswith(b"\r\n\r\n")
    tag = f"If-None-Match: {page.headers['ETag']}\r\n\r\n".encode()
    client.get("/acme", headers={"Accept-Encoding": "gzip, br", "If-None-Match": page.headers["ETag"]})
    assert answer(USUAL[:-2] + tag).startswith(b"HTTP/1.1 304 ")


@pytest.mark.parametrize(
    "head",
    [
        USUAL.replace(b"GET", b"POST"),
        USUAL.replace(b"HTTP/1.1", b"HTTP/1.0"),
        USUAL.replace(b"/acme", b"http://localhost/acme"),
        USUAL.replace(b"/acme", b"/%61cme"),
        USUAL.replace(b"Host: localhost\r\n", b""),
        USUAL.replace(b"Host: localhost", b"Host: localhost\r\nHost: elsewhere"),
        USUAL.replace(b"User-Agent: x", b"User-Agent: x\r\n folded"),
        USUAL.replace(b"User-Agent: x", b"User-Agent : x"),
        USUAL.replace(b"User-Agent: x", b"Connection: close"),
        USUAL.replace(b"User-Agent: x", b"Content-Length: 5"),
        USUAL.replace(b"User-Agent: x", b"Authorization: Bearer x"),
        USUAL.replace(b"User-Agent: x", b"Cookie: " + COOKIE.encode() + b"=x"),
        USUAL.replace(b"User-Agent: x", b"\x00: x"),
    ],
)
def test_an_unusual_head_is_left_to_the_wsgi_server(cache, head):
    assert Heads(cache, 0).answer(USUAL)
    assert Heads(cache, 0).answer(head) is None


def test_only_trusted_proxies_say_how_a_request_came(cache):
    by_tls = USUAL.replace(b"User-Agent: x", b"X-Forwarded-Proto: https")
    assert Heads(cache, 0).answer(by_tls)  # believed by nobody: the page that came without TLS
    assert Heads(cache, 1).answer(by_tls) is None
    assert Heads(cache, 1).answer(USUAL)
