"""Who only listens costs next to nothing."""

import socket

from tests.live.transport.wire import DEADLINE, until

EACH = 40


def listen(site, number):
    """A client of a room over a WebSocket, and one on a stream that has begun."""
    site.client(f"listener {number}")
    stream = socket.create_connection(("127.0.0.1", site.port), timeout=DEADLINE)
    site.sockets.append(stream)
    stream.sendall(b"GET /events HTTP/1.1\r\nHost: here\r\n\r\n")
    heard = b""
    while not heard.endswith(b"data: {}\n\n"):
        heard += stream.recv(1000)
    assert heard.startswith(b"HTTP/1.1 200")


def test_who_listens_on_a_websocket_or_a_stream_costs_no_greenlet(start):
    site = start(ping_interval=60)
    listen(site, 0)  # what the first ones need, they leave to all others
    before = site.http.get("/census").json()
    for number in range(1, 1 + EACH):
        listen(site, number)
    until(lambda: site.http.get("/census").json()["greenlets"] <= before["greenlets"])
    after = site.http.get("/census").json()
    assert after["sessions"] - before["sessions"] == EACH
    assert after["descriptors"] - before["descriptors"] == 2 * EACH
