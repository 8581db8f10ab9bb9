"""A hub without a server; and real servers, shared by the tests of a worker, where each test has an
organization of its own."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from statuspage.live.channel import Channel
from statuspage.live.hub import Hub
from tests.cast import Cast
from tests.live.listener import Listener
from tests.live.place import Place
from tests.server import Server


@pytest.fixture
def hub(app: Flask) -> Hub:
    """One that nobody else asks, whose boards never rest."""
    return Hub(build="test", push_interval=1e-9)


@pytest.fixture
def acme(hub: Hub, cast: Cast) -> Channel:
    return hub.channel(cast.acme.id)


@pytest.fixture(scope="session")
def sqlite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The demo, with a `head` every half second."""
    with Server(tmp_path_factory.mktemp("server"), HEAD_INTERVAL="0.5") as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory, make_database) -> Iterator[Server]:
    settings = {"DATABASE_URL": make_database("postgresql", "served"), "SECRET_KEY": "test"}
    with Server(tmp_path_factory.mktemp("server"), HOST="127.0.0.1", **settings) as server:
        yield server


@pytest.fixture
def server(sqlite_server: Server) -> Iterator[Server]:
    yield from without_traceback(sqlite_server)


@pytest.fixture(params=["sqlite_server", "postgres_server"])
def either_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Where the two databases may differ: their locking and their snapshots."""
    yield from without_traceback(request.getfixturevalue(request.param))


def without_traceback(server: Server) -> Iterator[Server]:
    """Whatever a test does, nothing fails inside the server."""
    before = len(server.log)
    yield server
    said = server.log[before:]
    assert "Traceback" not in said, said


@pytest.fixture
def place(server: Server) -> Place:
    return Place.found(server)


@pytest.fixture(params=["websocket", "polling"])
def transport(request: pytest.FixtureRequest) -> str:
    """Each alone, without an upgrade to the other."""
    return request.param


@pytest.fixture
def listen(server: Server, transport: str) -> Iterator[Callable[..., Listener]]:
    """`listen(token)`: a connected client, over this test's transport; closed when the test ends."""
    opened: list[Listener] = []

    def listen(token: str | None = None, over: str = transport) -> Listener:
        opened.append(Listener(server.url, over, token))
        return opened[-1]

    yield listen
    for listener in opened:
        listener.close()
