"""What is kept of a request that opened a session, for as long as it lasts."""

import tracemalloc

import pytest

from statuspage.live.transport.request import Remembered


def handshake(number: int, **more: str) -> dict[str, str]:
    """As the front reads it: no two requests share a string."""
    said = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/socket.io/",
        "QUERY_STRING": "EIO=4&transport=websocket",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "https",
        "REMOTE_ADDR": f"198.51.100.{number % 250}",
        "REMOTE_PORT": str(number),
        "HTTP_HOST": "status.example.org",
        "HTTP_USER_AGENT": f"Browser/{number % 20} (of this test)",
        "HTTP_ORIGIN": "https://status.example.org",
        "HTTP_SEC_WEBSOCKET_KEY": f"key {number}",
        **more,
    }
    return {name.encode().decode(): value.encode().decode() for name, value in said.items()}


def proxied(number: int) -> dict[str, str]:
    return handshake(
        number,
        HTTP_X_FORWARDED_FOR=f"198.51.100.{number % 250}, 203.0.113.{number % 200}",
        HTTP_X_FORWARDED_PROTO="https",
        HTTP_X_REQUEST_ID=f"request {number}",
        HTTP_TRACEPARENT=f"00-{number:032x}-{number:016x}-01",
    )


@pytest.mark.parametrize("request_of", [handshake, proxied])
def test_a_thousand_connections_share_what_they_say_alike_behind_a_proxy_too(request_of):
    tracemalloc.start()
    kept = [Remembered(request_of(number)) for number in range(1000)]
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / len(kept) < 400, "bytes for each"


def test_what_handlers_may_ask_for_is_kept():
    found = Remembered(proxied(7) | {"HTTP_COOKIE": "a=b", "HTTP_ACCEPT_LANGUAGE": "x" * 60_000})
    assert found.address == "198.51.100.7"
    assert found.environ() == {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/socket.io/",
        "QUERY_STRING": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "https",
        "REMOTE_ADDR": "198.51.100.7",
        "HTTP_HOST": "status.example.org",
        "HTTP_USER_AGENT": "Browser/7 (of this test)",
        "HTTP_ORIGIN": "https://status.example.org",
        "HTTP_COOKIE": "a=b",
    }
