"""What the transport promises, tried over real sockets against a server of its own (transport_app.py)."""

import base64
import contextlib
import json
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import engineio
import flask_socketio
import httpx
import pytest
import requests
import socketio
import websocket
from gevent import pywsgi

APP = Path(__file__).with_name("transport_app.py")
POLLING, WEBSOCKET = "EIO=4&transport=polling", "EIO=4&transport=websocket"
FRIEND, STRANGER = "https://friend.example", "https://evil.example"
DEADLINE = 8  # seconds; only a failing test waits so long


class Site:
    """A running server, and what a test wants to know of it."""

    def __init__(self, log: Path, **options):
        self.log = log
        command = [sys.executable, str(APP), json.dumps(options)]
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
        port = self.process.stdout.readline()
        assert port, log.read_text()
        self.port = int(port)
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=DEADLINE)
        self.sockets = []  # what a test opened
        if options.get("under") == "werkzeug":
            until(self.is_up)

    def is_up(self):
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", self.port)).close() is None

    def forget(self):
        """Close what a test left open."""
        while self.sockets:
            self.sockets.pop().close()

    def end(self):
        self.forget()
        self.http.close()
        self.process.terminate()
        try:
            self.process.wait(DEADLINE)
        finally:
            self.process.kill()
            self.process.stdout.close()

    @property
    def state(self):
        return self.http.get("/state").json()

    def get(self, query, **more):
        return self.http.get(f"/socket.io/?{query}", **more)

    def post(self, query, **more):
        return self.http.post(f"/socket.io/?{query}", **more)

    def websocket(self, query=WEBSOCKET, **more):
        """An Engine.IO session over a WebSocket, its OPEN packet read."""
        ws = self.raw_websocket(query, **more)
        ws.opened = json.loads(ws.recv()[1:])
        return ws

    def raw_websocket(self, query=WEBSOCKET, **more):
        url = f"ws://127.0.0.1:{self.port}/socket.io/?{query}"
        ws = websocket.create_connection(url, timeout=DEADLINE, **more)
        self.sockets.append(ws.sock)
        return ws

    def client(self, name, **more):
        """A Socket.IO client over a WebSocket; its sid is `.sid`."""
        ws = self.websocket(**more)
        ws.send("40" + json.dumps({"name": name}))
        ws.sid = json.loads(ws.recv()[2:])["sid"]
        return ws

    def polling(self, name=None):
        """The query of an Engine.IO session over polling; connected to Socket.IO if it has a name."""
        sid = json.loads(self.get(POLLING).text[1:])["sid"]
        query = f"{POLLING}&sid={sid}"
        if name:
            assert self.post(query, content="40" + json.dumps({"name": name})).text == "ok"
            assert self.get(query).text.startswith("40{")
        return query


def until(check, seconds=DEADLINE):
    """What check() returns, as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (value := check()):
        assert time.monotonic() < deadline, "it did not happen in time"
    return value


def beside(function, *args, **more):
    """Run it in a thread; returns a callable that waits for the result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*args, **more)), daemon=True)
    thread.start()

    def result():
        thread.join(DEADLINE)
        assert results, "no answer in time"
        return results[0]

    return result


def close_code(ws):
    """Read on until the server says goodbye; the code it gives (RFC 6455, 7.4)."""
    while True:
        opcode, data = ws.recv_data(control_frame=True)
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return struct.unpack("!H", data[:2])[0]


def all_bytes(sock):
    """Everything until the server closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := sock.recv(65536):
            received += data
    return received


def handshake(site, query=WEBSOCKET, headers="", receive_buffer=None):
    """A bare TCP connection and the bytes of a WebSocket handshake for it."""
    sock = socket.socket()
    site.sockets.append(sock)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(DEADLINE)
    sock.connect(("127.0.0.1", site.port))
    key = base64.b64encode(b"sixteen bytes 16").decode()
    request = (
        f"GET /socket.io/?{query} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nConnection: Upgrade\r\n"
        f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{headers}\r\n"
    )
    return sock, request.encode()


def masked(payload: bytes, opcode=1, fin=True, length=None):
    """A client's frame; `length` may claim more than it brings."""
    length = len(payload) if length is None else length
    head = bytes([opcode | (0x80 if fin else 0)])
    if length < 126:
        head += bytes([0x80 | length])
    elif length < 65536:
        head += b"\xfe" + struct.pack("!H", length)
    else:
        head += b"\xff" + struct.pack("!Q", length)
    return head + b"\0\0\0\0" + payload


@pytest.fixture
def start(tmp_path):
    """Start servers with options of the test's own; they end with it."""
    sites = []

    def begin(**options):
        sites.append(Site(tmp_path / f"server-{len(sites)}.log", **options))
        return sites[-1]

    yield begin
    for site in sites:
        site.end()


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Servers that the tests of this file share, by name; each is started when it is first asked for."""
    running = {}

    def server(name, **options):
        if name not in running:
            running[name] = Site(tmp_path_factory.mktemp("transport") / f"{name}.log", **options)
        return running[name]

    yield server
    for site in running.values():
        site.end()


@pytest.fixture
def site(servers):
    """An ordinary server; no test may make it log a traceback."""
    shared = servers("ordinary")
    before = shared.log.stat().st_size
    yield shared
    shared.forget()
    said = shared.log.read_text()[before:]
    assert "Traceback" not in said, said


@pytest.fixture
def rough(servers):
    """A server with a short patience, whose handlers may fail."""
    shared = servers("rough", connect_timeout=0.4, max_backlog=50)
    yield shared
    shared.forget()


# The private names


PRIVATE = [
    (
        socketio.Server(),
        "_engineio_server_class _handle_eio_connect _handle_eio_message _handle_eio_disconnect "
        "_handle_connect _handle_disconnect _handle_event _handle_ack _trigger_event _send_packet "
        "environ handlers namespace_handlers namespaces manager eio packet_class",
    ),
    (
        socketio.Manager,
        "connect disconnect is_pre_connected is_connected is_sid_room enter_room get_namespaces "
        "get_participants sid_from_eio_sid eio_sid_from_sid",
    ),
    (
        engineio.Server(),
        "handlers sockets transports reason generate_id send_packet create_queue create_event "
        "get_queue_empty_exception start_background_task sleep shutdown handle_request",
    ),
    (engineio.packet.Packet(), "data binary encode packet_type"),
    (socketio.packet.Packet(), "decode encode json packet_type namespace id data"),
    (flask_socketio.SocketIO(), "init_app server manage_session wsgi_server"),
    (
        pywsgi.WSGIHandler,
        "_handle_client_error handle_error read_requestline start_response write headers_sent "
        "close_connection ignored_socket_errors",
    ),
    (pywsgi.WSGIServer, "init_socket close stop stop_timeout serve_forever"),
]


def test_every_inner_name_that_the_transport_depends_on_still_exists():
    gone = [
        f"{owner!r}.{name}" for owner, names in PRIVATE for name in names.split() if not hasattr(owner, name)
    ]
    assert gone == [], "statuspage/live/transport depends on names that an upgrade took away"
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as reader:
        assert reader.raw._sock is ours


# Ordinary clients


@pytest.mark.parametrize("under", ["serve", "run", "werkzeug"])
def test_a_python_client_is_served_over_each_transport_whatever_server_runs_it(servers, under):
    # The polling client may leave without a word (while a POST is under way): the heartbeat notices.
    site = servers(under, under=under, ping_interval=1, ping_timeout=1)
    for transports in (["websocket"], ["polling"], None):
        with requests.Session() as http, socketio.SimpleClient(http_session=http) as client:
            client.connect(site.url, transports=transports, headers={"Cookie": "flavour=plain"})
            assert client.call("echo", {"text": "für alle"}, timeout=DEADLINE) == {"text": "für alle"}
            assert client.receive(timeout=DEADLINE) == ["echoed", {"text": "für alle"}]
            who = client.call("whoami", {}, timeout=DEADLINE)
            assert (who["address"], who["cookies"]) == ("127.0.0.1", {"flavour": "plain"})
        until(lambda who=who: who["sid"] not in site.state["rooms"])
    assert "Traceback" not in site.log.read_text()


def test_a_burst_reaches_a_polling_client_in_order_and_whole(site):
    with requests.Session() as http, socketio.SimpleClient(http_session=http) as client:
        client.connect(site.url, transports=["polling"])
        sid = client.call("whoami", {}, timeout=DEADLINE)["sid"]
        site.http.post(f"/send/{sid}", params={"size": 10, "count": 100})
        numbers = [client.receive(timeout=DEADLINE)[1]["number"] for _ in range(100)]
    assert numbers == list(range(100))


def test_a_lone_surrogate_travels_like_any_text(site):
    ws = site.client("surrogate")
    ws.send('421["echo","\\ud800"]')
    assert [ws.recv(), ws.recv()] == ['42["echoed","\\ud800"]', '431["\\ud800"]']
    ws.close()


# 1. Sending


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


def test_a_slow_reader_gets_every_byte_of_long_messages(site):
    assert read_news(site, 4, 3_000_000) == list(range(4))


def test_the_stock_stack_drops_what_did_not_fit(servers):
    assert read_news(servers("stock", under="stock"), 4, 3_000_000) != list(range(4))


def test_a_peer_that_reads_nothing_is_cut_in_time(start):
    site = start(ping_timeout=0.5)
    sock, request = handshake(site, receive_buffer=4096)
    sock.sendall(request + masked(b'40{"name":"deaf"}'))
    sid = until(lambda: site.state["clients"].get("deaf"))
    site.http.post(f"/send/{sid}", params={"size": 3_000_000, "count": 4})
    until(lambda: ["deaf", "transport close"] in site.state["left"], seconds=4)
    assert site.state["sessions"] == 0


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


# 2., 3. Handshake and connection


def test_no_compression_is_negotiated_however_much_it_is_offered(site):
    sock, request = handshake(site, headers="Sec-WebSocket-Extensions: permessage-deflate\r\n")
    with sock:
        sock.sendall(request)
        answer = sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 101")
    assert b"extensions" not in answer.lower()


def test_small_packets_leave_at_once(site):
    assert site.http.get("/delay").text != "0"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Version: 13", "Version: 8"),
        ("Sec-WebSocket-Key", "Sec-WebSocket-Lock"),
        ("Key: c2l4", "Key: !!!!"),
        ("Connection: Upgrade", "Connection: close"),
        ("HTTP/1.1", "HTTP/1.0"),
        ("Connection:", "Content-Length: 5\r\nConnection:"),
    ],
)
def test_a_broken_websocket_handshake_is_a_bad_request_and_leaves_no_session(site, old, new):
    before = site.state["sessions"]
    sock, request = handshake(site)
    with sock:
        sock.sendall(request.replace(old.encode(), new.encode()) + b"GET /state HTTP/1.1\r\n\r\n")
        answer = all_bytes(sock)
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.endswith(b'{"code": 3, "message": "Bad request"}')
    assert site.state["sessions"] == before


# 4. Ghosts


def test_a_session_that_closes_during_its_connect_handler_leaves_no_ghost(site):
    query = site.polling()
    answer = beside(httpx.post, f"{site.url}/socket.io/?{query}", content='40{"name":"hasty","slow":true}')
    until(lambda: "hasty" in site.state["waiting"])
    site.post(query, content="1")
    site.http.post("/gate/hasty")
    answer()
    until(lambda: ["hasty", "transport close"] in site.state["left"])
    assert "hasty" not in site.state["clients"]
    assert "org:late" not in site.state["rooms"]


def test_a_handler_that_waited_while_its_client_left_enters_no_room(site):
    query = site.polling("impatient")
    answer = beside(httpx.post, f"{site.url}/socket.io/?{query}", content='42["slow-join","org:never"]')
    until(lambda: "impatient" in site.state["waiting"])
    site.post(query, content="1")
    until(lambda: ["impatient", "transport error"] in site.state["left"])
    site.http.post("/gate/impatient")
    answer()
    assert "org:never" not in site.state["rooms"]


def test_a_disconnect_handler_that_raises_leaves_no_ghost(rough):
    ws = rough.client("haunted")
    ws.send('42["join","org:haunted"]')
    until(lambda: rough.state["rooms"].get("org:haunted"))
    ws.close()
    until(lambda: "org:haunted" not in rough.state["rooms"])
    assert "haunted" not in rough.state["clients"]


def test_a_connect_handler_that_raises_refuses_the_client_and_leaves_no_ghost(rough):
    ws = rough.websocket()
    ws.send('40{"name":"broken","broken":true}')
    assert ws.recv() == '44{"message":"Connection refused by server"}'
    assert "broken" not in rough.state["clients"]
    ws.close()


def test_sessions_that_never_connect_are_closed(rough):
    ws = rough.websocket()
    query = rough.polling()
    assert close_code(ws) == 1000
    until(lambda: rough.state["sessions"] == 0)
    assert rough.get(query).json() == {"code": 1, "message": "Session ID unknown"}


def test_a_session_that_left_its_namespace_is_closed_too_and_one_that_stays_is_not(rough):
    staying, leaving = rough.client("staying"), rough.client("leaving")
    leaving.send("41")
    assert close_code(leaving) == 1000
    staying.send('42["echo","still here"]')
    assert staying.recv() == '42["echoed","still here"]'
    staying.close()


def test_the_reaper_frees_a_client_whose_session_was_lost(rough):
    ws = rough.client("lost")
    rough.http.post(f"/lose/{ws.sid}")
    until(lambda: "lost" not in rough.state["clients"])
    assert ["lost", "transport error"] in rough.state["left"]
    until(lambda: rough.state["environs"] == rough.state["sessions"])


# 5. Backlog


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


# 9. The end of a WebSocket


def test_what_follows_a_finished_websocket_is_not_read_as_http(site):
    sock, request = handshake(site)
    smuggled = b"GET /state HTTP/1.1\r\nHost: here\r\n\r\n"
    with sock:
        sock.sendall(request)
        sock.sendall(masked(b"\x03\xe8", opcode=8) + smuggled)
        answer = all_bytes(sock)
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.endswith(b"\x88\x02\x03\xe8")


def test_what_comes_with_the_handshake_is_read_as_websocket_not_as_http(site):
    sock, request = handshake(site)
    with sock:
        sock.sendall(request + b"GET /state HTTP/1.1\r\nHost: here\r\n\r\n")
        answer = all_bytes(sock)
    assert answer.count(b"HTTP/1.1") == 1


MALFORMED = {
    "no packet": "abc",
    "nothing": "",
    "an unknown type": "9",
    "a ping, which is the server's to send": "2",
    "an upgrade of what is upgraded": "5",
    "an empty message": "4",
    "no Socket.IO packet": "4abc",
    "an object": '4{"a":1}',
    "an event without name": "42[]",
    "an event that is no list": '42{"a":1}',
    "an event with a number for a name": "42[1]",
    "an event that plays connect": '42["connect",{}]',
    "an event that plays disconnect": '42["disconnect"]',
    "an event without data": "42",
    "half an event": '42["echo",',
    "a constant that JSON lacks": '42["echo",NaN]',
    "a number of many digits": '42["echo",' + "1" * 5000 + "]",
    "many brackets": '42["echo",' + "[" * 30_000,
    "an id of many digits": "42" + "1" * 200 + '["echo",1]',
    "an unheard-of digit": "42\u0664\u00b2[]",
    "an acknowledgement without id": "43[]",
    "an acknowledgement of nothing": "430[]",
    "an acknowledgement that is no list": '431{"a":1}',
    "a second connect": "40",
    "a connect with a string": '40"me"',
    "a disconnect with data": '41{"a":1}',
    "an error, which is the server's to send": '44{"message":"x"}',
    "a binary event": '451-["echo",{"_placeholder":true,"num":0}]',
    "a binary acknowledgement": '461-1[{"_placeholder":true,"num":0}]',
    "an event of a namespace it is not in": '42/other,["echo",1]',
    "base64": "bAAEC",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_packet_closes_its_websocket_cleanly(site, text):
    name = f"malformed {random.random()}"
    sock, request = handshake(site)
    with sock:
        sock.sendall(request + masked(b"40" + json.dumps({"name": name}).encode()) + masked(text.encode()))
        answer = all_bytes(sock)
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.endswith(b"\x88\x02\x03\xea")  # 1002
    until(lambda: [name, "transport error"] in site.state["left"])


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_payload_is_refused_and_closes_its_polling_session(site, text):
    query = site.polling("polled")
    answer = site.post(query, content=text.encode())
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    assert site.get(query).json() == {"code": 1, "message": "Session ID unknown"}


def test_a_binary_frame_closes_its_websocket_cleanly(site):
    ws = site.client("binary")
    ws.send_binary(b"\x04abc")
    assert close_code(ws) == 1002


BROKEN = {
    "unmasked": b"\x81\x05hello",
    "reserved bits": b"\xf1\x80\0\0\0\0",
    "no UTF-8": masked(b"\xff\xfe"),
    "an unknown opcode": b"\x83\x80\0\0\0\0",
    "a continuation of nothing": masked(b"x", opcode=0),
    "a ping in parts": masked(b"x", opcode=9, fin=False),
    "a close of one byte": masked(b"x", opcode=8),
}


@pytest.mark.parametrize("bad", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_frame_closes_its_websocket_cleanly(site, bad):
    sock, request = handshake(site)
    with sock:
        sock.sendall(request + bad)
        answer = all_bytes(sock)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"\x88" in answer


@pytest.mark.parametrize("content", [b"\xff\xfe", b""])
def test_a_body_that_is_no_text_is_refused(site, content):
    query = site.polling("bytes")
    assert site.post(query, content=content).status_code == 400
    assert site.get(query).status_code == 400


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_an_event_before_connect_closes_the_session(site, transport):
    if transport == "websocket":
        ws = site.websocket()
        ws.send('42["echo",1]')
        assert close_code(ws) == 1002
    else:
        query = site.polling()
        assert site.post(query, content='42["echo",1]').status_code == 400
        assert site.get(query).status_code == 400


def test_a_message_that_is_too_long_is_refused_while_it_comes_in(site):
    sock, request = handshake(site)
    with sock:
        sock.sendall(request + masked(b"4" + b"x" * 100_000, length=10_000_000))
        answer = all_bytes(sock)
    assert answer.endswith(b"\x88\x02\x03\xf1")  # 1009


def test_a_message_in_too_many_parts_is_refused_too(site):
    ws = site.client("parts")
    with contextlib.suppress(OSError):
        ws.sock.sendall(masked(b"4", fin=False))
        for _ in range(80):
            ws.sock.sendall(masked(b"x" * 1000, opcode=0, fin=False))
    assert close_code(ws) == 1009


def test_a_message_of_exactly_the_limit_is_taken(site):
    ws = site.client("limit")
    ws.send('42["echo","' + "x" * (65536 - 13) + '"]')
    assert len(ws.recv()) > 65536 - 13
    ws.close()


def test_a_body_that_is_too_long_is_refused_announced_or_not(site):
    for content in (b"4" * 70_000, iter([b"4" * 1000] * 70)):
        query = site.polling("long")
        assert site.post(query, content=content).status_code == 413
        assert site.get(query).status_code == 400


# Answers


FAULTS = [
    ("GET", "EIO=4", 0, "Transport unknown"),
    ("GET", "EIO=4&transport=flashsocket", 0, "Transport unknown"),
    ("GET", "EIO=4&transport=constructor", 0, "Transport unknown"),
    ("GET", POLLING + "&sid=unknown", 1, "Session ID unknown"),
    ("POST", POLLING + "&sid=unknown", 1, "Session ID unknown"),
    ("GET", WEBSOCKET + "&sid=unknown", 1, "Session ID unknown"),
    ("POST", POLLING, 2, "Bad handshake method"),
    ("PUT", POLLING, 2, "Bad handshake method"),
    ("GET", WEBSOCKET, 3, "Bad request"),
    ("GET", POLLING + "&j=0", 3, "Bad request"),
    ("GET", "transport=polling", 5, "Unsupported protocol version"),
    ("GET", "EIO=3&transport=polling", 5, "Unsupported protocol version"),
    ("GET", "EIO=abc&transport=websocket", 5, "Unsupported protocol version"),
]


@pytest.mark.parametrize(("method", "query", "code", "message"), FAULTS)
def test_a_wrong_request_is_told_what_is_wrong_with_it(site, method, query, code, message):
    answer = site.http.request(method, f"/socket.io/?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"code": code, "message": message}


@pytest.mark.parametrize("query", ["EIO=3&transport=websocket", "EIO=4", WEBSOCKET + "&sid=unknown"])
def test_a_wrong_websocket_request_is_refused_before_the_handshake(site, query):
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        site.raw_websocket(query)
    assert refused.value.status_code == 400


def test_the_handshake_says_what_was_set(start):
    site = start(
        node="fra-1", ping_interval=1.5, ping_timeout=0.25, max_message_bytes=1000, allow_upgrades=False
    )
    opened = json.loads(site.get(POLLING).text[1:])
    assert opened.pop("sid").startswith("fra-1.")
    assert opened == {"upgrades": [], "pingInterval": 1500, "pingTimeout": 250, "maxPayload": 1000}
    query = site.polling()
    with pytest.raises(websocket.WebSocketBadStatusException):
        site.raw_websocket(query.replace("polling", "websocket"))


def test_a_post_is_answered_ok(site):
    answer = site.post(site.polling(), content="3")
    assert (answer.status_code, answer.text) == (200, "ok")


def test_an_unknown_namespace_is_refused_with_an_object_and_the_session_lives_on(site):
    ws = site.websocket()
    ws.send("40/random,")
    assert ws.recv() == '44/random,{"message":"Invalid namespace"}'
    ws.send("40")
    assert ws.recv().startswith("40{")
    ws.close()


def test_a_handler_that_raises_or_does_not_suit_leaves_its_client_alone(rough):
    before = rough.log.read_text().count("Traceback")
    ws = rough.client("survivor")
    for event in ('["fail",1]', '["echo"]', '["echo",1,2,3]', '["unheard-of",1]', '["echo","still here"]'):
        ws.send("42" + event)
    assert ws.recv() == '42["echoed","still here"]'
    assert rough.log.read_text().count("Traceback") == before + 1  # of the handler that fails
    ws.close()


# Origins


@pytest.mark.parametrize(
    ("headers", "welcome"),
    [
        ({}, True),
        ({"Origin": "http://OWN"}, True),
        ({"Origin": FRIEND}, True),
        ({"Origin": STRANGER}, False),
        ({"Origin": "null"}, False),
        ({"Origin": FRIEND + ".evil.example"}, False),
        ({"Origin": "http://127.0.0.1:1"}, False),
        ({"Origin": "https://OWN"}, False),
        ({"Origin": "https://OWN", "X-Forwarded-Proto": "https"}, True),
    ],
)
def test_both_transports_welcome_the_own_and_the_listed_origins_only(site, headers, welcome):
    own = f"127.0.0.1:{site.port}"
    headers = {
        k: v.replace("https://OWN", f"https://{own}").replace("http://OWN", f"http://{own}")
        for k, v in headers.items()
    }
    answer = site.get(POLLING, headers=headers)
    if not welcome:
        assert (answer.status_code, answer.json()) == (403, {"code": 4, "message": "Forbidden"})
        assert "access-control-allow-origin" not in answer.headers
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            site.raw_websocket(header=headers, suppress_origin=True)
        assert refused.value.status_code == 403
        return
    assert answer.status_code == 200
    if "Origin" in headers:
        assert answer.headers["access-control-allow-origin"] == headers["Origin"]
        assert answer.headers["access-control-allow-credentials"] == "true"
    site.websocket(header=headers, suppress_origin=True).close()


def test_a_preflight_is_answered_for_a_friend_only(site):
    wishes = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-token, content-type",
    }
    answer = site.http.options(f"/socket.io/?{POLLING}", headers={"Origin": FRIEND, **wishes})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == FRIEND
    assert answer.headers["access-control-allow-methods"] == "GET, POST, OPTIONS"
    assert answer.headers["access-control-allow-headers"] == "x-token, content-type"
    assert (
        site.http.options(f"/socket.io/?{POLLING}", headers={"Origin": STRANGER, **wishes}).status_code == 403
    )


# The life of a session


def test_two_polls_at_once_close_the_session(site):
    query = site.polling()
    first = beside(httpx.get, f"{site.url}/socket.io/?{query}")
    until(lambda: site.state["polls"])
    assert site.get(query).json() == {"code": 3, "message": "Bad request"}
    assert first().text == "1"
    assert site.get(query).json()["code"] == 1


def test_a_client_that_says_goodbye_has_its_poll_ended(site):
    query = site.polling("polite")
    poll = beside(httpx.get, f"{site.url}/socket.io/?{query}")
    until(lambda: site.state["polls"])
    assert site.post(query, content="1").text == "ok"
    assert poll().text == "6"
    assert site.get(query).status_code == 400
    assert ["polite", "client disconnect"] in site.state["left"]


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_an_answered_heartbeat_keeps_a_session_and_a_missing_answer_closes_it(servers, transport):
    site = servers("heartbeat", ping_interval=0.2, ping_timeout=0.3)
    if transport == "websocket":
        ws = site.websocket()
        for _ in range(3):
            assert ws.recv() == "2"
            ws.send("3")
        assert ws.recv() == "2"
        with pytest.raises((websocket.WebSocketException, OSError)):
            ws.recv()
    else:
        query = site.polling()
        for _ in range(3):
            assert site.get(query).text == "2"
            site.post(query, content="3")
        assert site.get(query).text == "2"
        assert site.get(query).text in ("1", '{"code": 1, "message": "Session ID unknown"}')
    until(lambda: site.state["sessions"] == 0)


def test_an_upgrade_ends_the_poll_and_the_websocket_takes_over(site):
    query = site.polling("upgraded")
    poll = beside(httpx.get, f"{site.url}/socket.io/?{query}")
    until(lambda: site.state["polls"])
    ws = site.raw_websocket(query.replace("polling", "websocket"))
    ws.send("2probe")
    assert ws.recv() == "3probe"
    assert poll().text == "6"
    ws.send("5")
    ws.send('42["echo","over"]')
    assert ws.recv() == '42["echoed","over"]'
    for answer in (site.get(query), site.post(query, content="3")):
        assert (answer.status_code, answer.json()["code"]) == (400, 3)
    with pytest.raises(websocket.WebSocketBadStatusException):
        site.raw_websocket(query.replace("polling", "websocket"))
    ws.close()


def test_a_failed_upgrade_leaves_polling_as_it_was(site):
    query = site.polling("steady")
    ws = site.raw_websocket(query.replace("polling", "websocket"))
    ws.send("2nonsense")
    assert close_code(ws) == 1002
    site.post(query, content='42["echo","as before"]')
    assert site.get(query).text == '42["echoed","as before"]'


# What a client may send


def test_random_input_neither_raises_nor_stops_the_server(site):
    chance = random.Random(20)
    alphabet = '0123456789[]{}",:-/abcdefg\x1e\x00 \u00e9"echo"\u2028'
    ws, query = site.client("fuzz"), site.polling("fuzz")
    for _ in range(250):
        text = "42"[: chance.randrange(3)] + "".join(chance.choices(alphabet, k=chance.randrange(30)))
        try:
            ws.send(text)
            ws.ping("x")
            while ws.recv_data(control_frame=True)[0] not in (8, 10):
                pass
        except (websocket.WebSocketException, OSError):
            ws = site.client("fuzz")
        if site.post(query, content=text.encode()).status_code == 400:
            query = site.polling("fuzz")
        else:
            site.post(query, content="3")
    assert site.get(POLLING).status_code == 200


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
        assert all_bytes(sock)[:12] in (b"HTTP/1.1 400", b"")
    assert site.log.stat().st_size == before


def test_folded_headers_are_not_echoed(site):
    fold = (
        b"GET /socket.io/?%s HTTP/1.1\r\nHost: a\r\n b\r\nOrigin: http://a\r\n b\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", site.port), timeout=DEADLINE) as sock:
        sock.sendall(fold % POLLING.encode())
        sock.shutdown(socket.SHUT_WR)
        assert all_bytes(sock).startswith(b"HTTP/1.1 403")


def test_a_body_that_ends_too_early_closes_the_session(site):
    query = site.polling("short")
    with socket.create_connection(("127.0.0.1", site.port), timeout=DEADLINE) as sock:
        head = f"POST /socket.io/?{query} HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\n4"
        sock.sendall(head.encode())
        sock.shutdown(socket.SHUT_WR)
        assert all_bytes(sock).startswith(b"HTTP/1.1 400")
    assert site.get(query).status_code == 400


# The log


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


# Serving and stopping


def test_a_signal_lets_everyone_go_and_ends_the_process_soon(start):
    site = start()
    ws, query = site.client("websocket"), site.polling("polling")
    poll = beside(httpx.get, f"{site.url}/socket.io/?{query}")
    held = beside(httpx.get, f"{site.url}/hold", timeout=DEADLINE)
    stream = socket.create_connection(("127.0.0.1", site.port), timeout=DEADLINE)
    stream.sendall(b"GET /stream HTTP/1.1\r\nHost: here\r\n\r\n")
    assert stream.recv(10).startswith(b"HTTP/1.1 2")
    until(lambda: "hold" in site.state["waiting"] and site.state["polls"])
    site.process.send_signal(signal.SIGTERM)
    assert site.process.wait(5) == 0
    assert ws.recv() == '42["drain",{"delay":1}]'
    assert close_code(ws) == 1001
    assert poll().text == '42["drain",{"delay":1}]'
    assert held().status_code == 503
    assert b"event: head" in all_bytes(stream)
    stream.close()
    assert site.process.stdout.read() == ""
    assert site.log.read_text() == ""
