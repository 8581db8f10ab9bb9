"""One real server per worker for all tests that do not kill it, and an organization of its own for each."""

from collections.abc import Callable, Iterator

import pytest

from tests.live.listener import Listener
from tests.live.place import Place
from tests.server import Server


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The demo, with a `head` every second."""
    with Server(tmp_path_factory.mktemp("server"), HEAD_INTERVAL="1") as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    """Whatever a test does, the server's log stays free of tracebacks."""
    before = len(shared_server.log)
    yield shared_server
    said = shared_server.log[before:]
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
