"""A server of the transport tests (app.py), and clients that speak bytes, packets or events."""

import base64
import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import websocket

from statuspage.config import ROOT
from tests.server import free_port

HERE = Path(__file__).parent
# Alone, without the application around it: the transport needs nothing of it, and this proves it.
ALONE = {**os.environ, "PYTHONPATH": str(ROOT / "statuspage" / "live")}
POLLING, WEBSOCKET = "EIO=4&transport=polling", "EIO=4&transport=websocket"
FRIEND, STRANGER = "https://friend.example", "https://evil.example"
DEADLINE = 8  # seconds; only a failing test waits so long


class Site:
    """A running server, and what a test wants to know of it."""

    def __init__(self, log: Path, **options):
        self._run(log, "app.py", json.dumps(options))
        port = self.process.stdout.readline()
        assert port, log.read_text()
        self._know(int(port))
        if options.get("under") == "werkzeug":
            until(self.is_up)

    def _run(self, log, *command):
        self.log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                cwd=HERE,
                env=ALONE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def _know(self, port):
        self.port = port
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=DEADLINE)
        self.sockets = []  # what a test opened

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


class Reference(Site):
    """A reference application of a protocol, as anybody would write it: it listens where it is told to."""

    def __init__(self, log: Path, script: str):
        port = free_port()
        self._run(log, script, str(port))
        self._know(port)
        until(self.is_up)


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


def reset(sock):
    """End the connection with a RST and no goodbye."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


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
