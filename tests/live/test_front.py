"""The front of the server: requests one behind the other, in pieces or all at once, on one connection."""

import re
import socket

import pytest

from tests.live.listener import DEADLINE


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_requests_on_one_connection_are_answered_in_their_order_however_they_come(place, size):
    page = f"GET /{place.id} HTTP/1.1\r\nHost: here\r\n\r\n".encode()
    nothing = b"GET /nothing/at/all/here HTTP/1.1\r\nHost: here\r\nAccept: application/json\r\n\r\n"
    asked = page + page + nothing + page + page.replace(b"Host", b"Connection: close\r\nHost")
    with socket.create_connection(("127.0.0.1", place.server.port), timeout=DEADLINE) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(asked), size):
            sock.sendall(asked[at : at + size])
        answers = b""
        while data := sock.recv(65536):
            answers += data
    assert re.findall(rb"HTTP/1\.1 (\d+) ", answers) == [b"200", b"200", b"404", b"200", b"200"]
    assert answers.count(b"</html>") >= 4
