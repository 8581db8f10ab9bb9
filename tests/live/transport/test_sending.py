"""What is sent arrives whole and in order, or the client is cut; nobody waits for another."""

import contextlib
import errno
import json
import re
import socket
from types import SimpleNamespace
from unittest.mock import Mock

import httpx
import pytest
import websocket

from statuspage.live.transport import wire as wire_module
from statuspage.live.transport.wire import GATHERED, LARGE, MAX_UNSENT, Wire
from tests.live.transport.wire import all_bytes, beside, close_code, handshake, masked, until


def read_news(site, count, size):
    """Let the server write more than buffers hold, then read; the numbers of the events that came whole."""
    sock, request = handshake(site, receive_buffer=4096)
    with sock:
        sock.sendall(request)
        received = bytearray(sock.recv(1000))
        sock.sendall(masked(b'40{"name":"slow"}'))
        sid = until(lambda: site.state["clients"].get("slow"))
        site.http.post(f"/emit/{sid}", params={"size": size, "count": count})
        sock.settimeout(1)
        with contextlib.suppress(TimeoutError):
            while not (received.endswith(b'x"}]') and received.count(b'x"}]') == count):
                received += sock.recv(65536)
    whole = rb'42\["news",\{"number":(\d+),"text":"x{%d}"\}\]' % size
    return [int(number) for number in re.findall(whole, received)]


def test_large_pieces_count_as_several_for_who_waits_until_few_are_left():
    wire = Wire(SimpleNamespace(is_ready=lambda wire: None), 0, None, 100)  # type: ignore[arg-type]
    assert wire.backlog == 0
    for _ in range(3):
        wire.send(b"small")
    assert wire.backlog == 3
    wire.send(bytes(50 * LARGE))
    assert wire.backlog == 50


def test_what_comes_behind_as_many_pieces_as_one_write_takes_is_sent_too():
    ours, theirs = socket.socketpair()
    ready: list[Wire] = []
    poller = SimpleNamespace(is_ready=ready.append, forget=lambda _: None)
    wire = Wire(poller, ours.detach(), None, 2 * GATHERED)  # type: ignore[arg-type]
    with theirs:
        for _ in range(GATHERED):
            wire.send(b"x")
        wire.flush()
        assert wire.unsent is None
        ready.clear()
        wire.send(b"y")
        assert ready == [wire]
        wire.flush()
        assert theirs.recv(2 * GATHERED) == b"x" * GATHERED + b"y"
        wire.cut()


def test_a_slow_reader_gets_every_byte_of_long_messages(site):
    assert read_news(site, 4, 3_000_000) == list(range(4))


def test_the_stock_stack_drops_what_did_not_fit(servers):
    assert read_news(servers("stock", under="stock"), 4, 3_000_000) != list(range(4))


@pytest.mark.parametrize("options", [{"ping_timeout": 0.5}, {"unread": 500}], ids=["by us", "by the kernel"])
def test_a_peer_that_reads_nothing_is_cut_in_time(start, options):
    site = start(**options)
    sock, request = handshake(site, receive_buffer=4096)
    sock.sendall(request + masked(b'40{"name":"deaf"}'))
    sid = until(lambda: site.state["clients"].get("deaf"))
    site.http.post(f"/send/{sid}", params={"size": 3_000_000, "count": 4})
    until(lambda: ["deaf", "it reads nothing"] in site.state["left"], seconds=4)
    assert site.state["sessions"] == 0


@pytest.mark.parametrize(
    ("number", "why"),
    [(errno.ETIMEDOUT, "it reads nothing"), (errno.ECONNRESET, "")],  # it sleeps or vanished; it was closed
)
def test_why_a_connection_broke(monkeypatch, number, why):
    said, poller = [], SimpleNamespace(forget=lambda _: None)
    ours, theirs = socket.socketpair()
    wire = Wire(poller, ours.detach(), SimpleNamespace(lost=said.append), 100)  # type: ignore[arg-type]
    monkeypatch.setattr(wire_module.os, "read", Mock(side_effect=OSError(number, "")))
    wire.readable()
    assert said == [why]
    theirs.close()


def test_pongs_and_packets_do_not_mix_on_the_wire(site):
    ws = site.client("pinged")
    for _ in range(20):
        ws.ping("are you there")
        ws.send('42["echo","' + "y" * 20_000 + '"]')
    echoed = pongs = 0
    while echoed < 20 or pongs < 20:
        opcode, data = ws.recv_data(control_frame=True)
        pongs += (opcode, data) == (websocket.ABNF.OPCODE_PONG, b"are you there")
        echoed += data == b'42["echoed","' + b"y" * 20_000 + b'"]'
    ws.close()


def test_small_packets_leave_at_once(site):
    assert site.http.get("/delay").text != "0"


# Backlog


@pytest.mark.parametrize("way", ["send", "emit"])
def test_a_client_with_too_many_packets_waiting_is_closed_and_the_others_go_on(rough, way):
    slow, other = rough.client(f"slow {way}"), rough.client("other")
    rough.http.post(f"/{way}/{slow.sid}", params={"size": 1, "count": 50})
    rough.http.post(f"/{way}/{other.sid}", params={"size": 1, "count": 10})
    assert f"slow {way}" in rough.state["clients"]
    rough.http.post(f"/{way}/{slow.sid}", params={"size": 1, "count": 60})
    until(lambda: [f"slow {way}", "too slow"] in rough.state["left"])
    all_bytes(slow.sock)  # it ends
    assert [json.loads(other.recv()[2:])[1]["number"] for _ in range(10)] == list(range(10))
    other.close()


def test_a_client_with_too_many_bytes_waiting_is_closed_however_few_packets_they_are(site):
    sock, request = handshake(site, receive_buffer=4096)
    sock.sendall(request + masked(b'40{"name":"greedy"}'))
    sid = until(lambda: site.state["clients"].get("greedy"))
    megabytes = MAX_UNSENT >> 20
    site.http.post(f"/send/{sid}", params={"size": 1 << 20, "count": megabytes - 1})
    assert "greedy" in site.state["clients"]
    site.http.post(f"/send/{sid}", params={"size": 1 << 20, "count": megabytes})
    until(lambda: ["greedy", "too slow"] in site.state["left"], seconds=4)


def test_sending_never_yields_and_an_unknown_client_is_no_error(site):
    ws = site.client("receiver")
    for sid in (ws.sid, "nobody"):
        answer = site.http.post(f"/send/{sid}", params={"size": 100, "count": 100})
        assert answer.json() == {"yielded": 0}
    assert [json.loads(ws.recv()[2:])[1]["number"] for _ in range(100)] == list(range(100))
    ws.close()


# Disconnecting


def test_disconnect_ends_a_websocket_client_at_once_and_without_yielding(site):
    ws = site.client("ended")
    assert site.http.post(f"/disconnect/{ws.sid}").json() == {"yielded": 0}
    assert site.http.post("/disconnect/nobody").json() == {"yielded": 0}
    assert ws.recv() == "41"
    assert close_code(ws) == 1000
    until(lambda: ["ended", "server disconnect"] in site.state["left"])
    assert "ended" not in site.state["clients"]


def test_disconnect_reaches_a_client_between_two_polls(site):
    query = site.polling("between")
    site.http.post(f"/disconnect/{site.state['clients']['between']}")
    until(lambda: "between" not in site.state["clients"])
    assert site.post(query, content='42["echo",1]').status_code == 400
    assert site.get(query).text == "41"
    assert site.get(query).json()["code"] == 1


def test_disconnect_reaches_a_client_in_a_poll(site):
    query = site.polling("inside")
    answer = beside(httpx.get, f"{site.url}/socket.io/?{query}")
    until(lambda: site.state["polls"])
    site.http.post(f"/disconnect/{site.state['clients']['inside']}")
    assert answer().text == "41"
    assert site.get(query).json()["code"] == 1


def test_a_client_that_floods_with_pings_is_cut_and_what_it_said_besides_is_no_failure(site):
    before = site.state["sessions"]
    sock, request = handshake(site)
    sock.sendall(request)
    assert sock.recv(1000).startswith(b"HTTP/1.1 101")
    sock.sendall(masked(b"", opcode=9) * 2600 + masked(b"4") * 20)
    all_bytes(sock)  # it ends, and the log has no traceback: see `site`
    until(lambda: site.state["sessions"] == before)
