"""When clients are gone, however they went, nothing is kept for them."""

import contextlib
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
import websocket

from tests.live.following import EventStream, Watch, follow
from tests.live.listener import DEADLINE, Listener
from tests.live.place import Place
from tests.server import Server

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST and no goodbye


@pytest.fixture(scope="module")
def watchful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It notices within a second or two that a silent client is gone."""
    settings = {"PING_INTERVAL": "0.5", "PING_TIMEOUT": "0.5", "HEAD_INTERVAL": "0.5"}
    with Server(tmp_path_factory.mktemp("watchful"), **settings) as server:
        yield server


@pytest.fixture
def place(watchful: Server) -> Place:
    return Place.found(watchful)


@pytest.fixture
def until(place: Place) -> Iterator[Callable[[int], dict]]:
    """`until(n)`: what /api/websocket/info tells an admin, once it counts so many connections."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {place.tokens['admin']}"
        url = f"{place.server.url}/api/websocket/info?organizationId={place.id}"

        def until(connections: int) -> dict:
            deadline = time.monotonic() + 2 * DEADLINE
            while (info := session.get(url, timeout=DEADLINE).json())["connections"] != connections:
                assert time.monotonic() < deadline, info
            return info

        yield until


def test_everybody_is_counted_by_room_view_and_transport(place, until):
    with contextlib.ExitStack() as stack:
        for watch in (Watch(place), Watch(place, place.north), Watch(place, view="page")):
            for kind in ("websocket", "polling", "sse", "changes"):
                stack.enter_context(contextlib.closing(follow(kind, watch, place.head)))
        info = until(12)
        assert info["transports"] == {"websocket": 3, "polling": 3, "sse": 3, "poll": 3}
        assert info["views"] == {"data": 8, "page": 4}
        org = f"org:{place.id}"
        assert info["rooms"] == {org: 8, f"{org}:page": 4, f"tenant:{place.north}": 4}


@pytest.mark.parametrize("kind", ["websocket", "polling", "sse", "changes"])
@pytest.mark.parametrize("view", ["data", "page"])
def test_who_says_goodbye_is_forgotten(place, until, kind, view):
    follower = follow(kind, Watch(place, view=view), place.head)
    until(1)
    follower.close()
    assert until(0)["rooms"] == {}


def test_a_socket_that_is_cut_is_forgotten(place, until):
    listener = Listener(place.server.url, "websocket")
    listener.join(place.id)
    until(1)
    cut(listener.client.eio.ws.sock)
    assert until(0)["rooms"] == {}
    listener.close()


def test_a_poller_that_polls_no_more_is_forgotten(place, until):
    """It never says so: the heartbeat does."""
    url = f"{place.server.url}/socket.io/?EIO=4&transport=polling"
    with requests.Session() as session:
        opened = session.get(url, timeout=DEADLINE).text
        sid = opened.split('"sid":"')[1].split('"')[0]
        for body in ("40", f'42["join-organization",{{"organizationId":"{place.id}"}}]'):
            session.post(f"{url}&sid={sid}", data=body, timeout=DEADLINE)
        until(1)
    assert until(0)["rooms"] == {}


def test_a_connection_that_joins_again_and_again_is_one(place, until):
    listener = Listener(place.server.url, "websocket", place.tokens["viewer"])
    for _ in range(8):
        for wish in ({}, {"tenantId": place.north}, {"view": "page"}, {"scope": "all"}):
            listener.join(place.id, **wish)
    info = until(1)
    assert info["rooms"] == {f"org:{place.id}:members": 1, f"org:{place.id}:page": 1}
    listener.close()
    until(0)


def test_a_storm_of_comers_and_goers_leaves_nothing(place, until):
    for _ in range(5):
        sockets = [websocket.create_connection(raw_url(place), timeout=DEADLINE) for _ in range(20)]
        for number, connection in enumerate(sockets):
            connection.send("40")
            connection.send(f'42["join-organization",{{"organizationId":"{place.id}"}}]')
            cut(connection.sock) if number % 2 else connection.close()
    assert until(0)["rooms"] == {}


def test_a_storm_of_streams_polls_and_pages_that_vanish_leaves_nothing(place, until):
    """Whether they go in the answer, before it or in their own request."""
    page = f"/{place.id}"
    targets = [
        f"{page}/stream",
        f"{page}/stream?view=page",
        f"{page}/changes?wait=1&cursor={place.head}",
        page,
    ]
    until(0)
    before = held(place.server.pid)
    for number in range(240):
        connection = socket.create_connection(("127.0.0.1", place.server.port), timeout=DEADLINE)
        request = f"GET {targets[number % 4]} HTTP/1.1\r\nHost: here\r\n\r\n".encode()
        connection.sendall(request[: len(request) if number % 3 else -2])
        if number % 3 == 2 and number % 4 != 2:
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        cut(connection) if number // 4 % 2 else connection.close()
    assert until(0)["rooms"] == {}
    deadline = time.monotonic() + DEADLINE
    while held(place.server.pid) > before:
        assert time.monotonic() < deadline
        place.say()  # who hears nothing is not known to be gone


def held(pid: int) -> int:
    """How many descriptors, without those to a database on this machine: its pool keeps some."""
    sockets = Path("/proc/net/unix").read_text().splitlines()[1:]
    local = {f"socket:[{line.split()[6]}]" for line in sockets}  # proc(5)
    count = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(descriptor) not in local
    return count


def raw_url(place: Place) -> str:
    return f"ws://127.0.0.1:{place.server.port}/socket.io/?EIO=4&transport=websocket"


def cut(connection: socket.socket) -> None:
    """As when a cable is pulled and the host notices."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


@pytest.mark.soak
def test_a_stream_that_nobody_reads_is_cut(place, until):
    """The kernel gives up on a peer that takes nothing (TCP_USER_TIMEOUT); nothing is kept for it then."""
    with contextlib.closing(EventStream(Watch(place), None, stalled=True)):
        until(1)
        for _ in range(3):
            place.say("x" * 10_000, times=400)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(AssertionError):
                until(0)
                return
        pytest.fail("It is still there.")
