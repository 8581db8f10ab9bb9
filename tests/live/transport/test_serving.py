"""The HTTP server below: broken requests, the log, the end."""

import json
import os
import re
import signal
import socket
from pathlib import Path

import httpx
import pytest

from tests.live.transport.rude import JOINED, SOCKET
from tests.live.transport.wire import DEADLINE, POLLING, all_bytes, beside, close_code, reset, until


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(150)) + b"\r\n",
        b"GET / HTTP/1\r\n\r\n",
        b"GET / HTTP/one.two\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET /?secret=1 HTTP/1.1\r\nX-Long: " + b"x" * 70_000 + b"\r\n\r\n",
    ],
)
def test_a_broken_request_is_a_bad_request_and_costs_no_line_in_the_log(site, request_bytes):
    before = site.log.stat().st_size
    with socket.create_connection(("127.0.0.1", site.port), timeout=DEADLINE) as sock:
        sock.sendall(request_bytes)
        assert all_bytes(sock).startswith(b"HTTP/1.1 400")
    assert site.log.stat().st_size == before


def test_who_vanished_without_a_word_is_probed_for_within_a_minute(site):
    """By the system (SO_KEEPALIVE), whatever the connection is used for."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=DEADLINE) as sock:
        here, there = f"0100007F:{site.port:04X}", f"0100007F:{sock.getsockname()[1]:04X}"
        (timer,) = until(
            lambda: [
                words[5]
                for words in map(str.split, Path("/proc/net/tcp").read_text().splitlines())
                if words[1:3] == [here, there]
            ]
        )
        kind, left = timer.split(":")
        assert kind == "02", "the timer of keep-alive: proc(5), tcp"
        assert int(left, 16) <= 60 * os.sysconf("SC_CLK_TCK")


def test_a_client_that_goes_in_its_requests_head_costs_no_line_in_the_log(start):
    site = start()
    for sent in (b"GET /socket.io/?EIO=4&tra", b"GET / HTTP/1.1\r\nHost: here\r\n"):
        for leave in (reset, socket.socket.close):
            sock = socket.create_connection(("127.0.0.1", site.port), timeout=DEADLINE)
            sock.sendall(sent)
            assert site.get(POLLING).status_code == 200  # the server is reading the other's head
            leave(sock)
    assert site.get(POLLING).status_code == 200
    assert site.log.read_text() == ""


def test_a_broken_chunk_is_a_bad_request_and_closes_the_session(start):
    site = start()
    for size in (b"-2", b"x", b""):
        for query in (site.polling(), f"{POLLING}&sid=unknown"):
            head = f"POST /socket.io/?{query} HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
            with socket.create_connection(("127.0.0.1", site.port), timeout=DEADLINE) as sock:
                sock.sendall(head.encode() + size + b"\r\n40\r\n0\r\n\r\n")
                sock.shutdown(socket.SHUT_WR)
                assert all_bytes(sock).startswith(b"HTTP/1.1 400")
            assert site.get(query).status_code == 400
    assert "Traceback" not in site.log.read_text()


@pytest.mark.parametrize("sent", [SOCKET, JOINED], ids=["WebSocket", "in a room"])
def test_a_client_that_says_no_more_is_answered_and_closed_at_once(site, sent):
    with socket.create_connection(("127.0.0.1", site.port), timeout=0.5) as sock:
        sock.sendall(sent)
        sock.shutdown(socket.SHUT_WR)
        assert all_bytes(sock).startswith(b"HTTP/1.1 ")


def test_folded_headers_are_not_echoed(site):
    fold = (
        b"GET /socket.io/?%s HTTP/1.1\r\nHost: a\r\n b\r\nOrigin: http://a\r\n b\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", site.port), timeout=DEADLINE) as sock:
        sock.sendall(fold % POLLING.encode())
        sock.shutdown(socket.SHUT_WR)
        assert all_bytes(sock).startswith(b"HTTP/1.1 403")


def test_the_log_names_events_and_sizes_and_gives_no_secret_away(start):
    site = start(log_traffic=True, debug=True)
    ws = site.websocket(header={"Cookie": "session=cookie-secret"})
    ws.send('40{"name":"logged","token":"auth-secret"}')
    sid = json.loads(ws.recv()[2:])["sid"]
    ws.send('42["echo",{"token":"event-secret"}]')
    assert "event-secret" in ws.recv()
    ws.close()
    until(lambda: site.state["sessions"] == 0)
    said = site.log.read_text()
    assert re.search(r"[0-9a-f]{8} <- 'echo', 34 characters", said), said
    assert re.search(r"[0-9a-f]{8} -> 'echoed', 36 characters", said), said
    for secret in ("secret", sid, ws.opened["sid"]):
        assert secret not in said


def test_a_signal_lets_everyone_go_and_ends_the_process_soon(start):
    site = start()
    ws, last = site.client("websocket"), site.client("last")
    query, between = site.polling("polling"), site.polling("between two polls")
    poll = beside(httpx.get, f"{site.url}/socket.io/?{query}")
    held = beside(httpx.get, f"{site.url}/hold", timeout=DEADLINE)
    stream = socket.create_connection(("127.0.0.1", site.port), timeout=DEADLINE)
    stream.sendall(b"GET /stream HTTP/1.1\r\nHost: here\r\n\r\n")
    assert stream.recv(10).startswith(b"HTTP/1.1 2")
    until(lambda: "hold" in site.state["waiting"] and site.state["polls"])
    site.process.send_signal(signal.SIGTERM)
    assert ws.recv() == '42["drain",{"delay":1}]'
    assert close_code(ws) == 1001
    assert poll().text == '42["drain",{"delay":1}]'
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", site.port))
    fetched = site.get(between)  # over a connection that was kept
    assert (fetched.text, fetched.headers["Connection"]) == ('42["drain",{"delay":1}]', "close")
    last.send('42["echo",1]')
    assert last.recv() == '42["echoed",1]', "who has not been let go is served as ever"
    last.close()
    assert site.process.wait(5) == 0
    assert held().status_code == 503
    assert b"event: head" in all_bytes(stream)
    stream.close()
    assert site.process.stdout.read() == ""
    assert site.log.read_text() == ""
