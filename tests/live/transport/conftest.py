"""Servers of the transport alone (app.py): of a test's own, or shared by the tests of a file."""

import pytest

from tests.live.transport.wire import Site


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
