"""What a connection asks has its turn beside the poller."""

import socket
from types import SimpleNamespace

from statuspage.live.transport.wire import Wire


def test_a_turn_that_fails_ends_its_connection_and_no_other_thing(caplog):
    ours, theirs = socket.socketpair()
    poller = SimpleNamespace(run=lambda function, *arguments: function(*arguments), forget=lambda _: None)
    lost: list[str] = []
    wire = Wire(poller, ours.detach(), SimpleNamespace(lost=lost.append), 100)

    def fail(word: str) -> None:
        raise RuntimeError(word)

    with theirs:
        wire.run(fail, "broken")
        assert theirs.recv(1) == b"", "it is closed"
    assert lost == [""]
    assert "RuntimeError: broken" in caplog.text
