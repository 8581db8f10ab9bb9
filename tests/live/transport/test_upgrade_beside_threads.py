"""Where threads serve (any other WSGI server), a session goes over to its WebSocket in one step."""

import queue
import sys
import threading
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from engineio import packet

from statuspage.live.transport.session import Session, framed
from statuspage.live.transport.wire import SLOW


@pytest.fixture
def hasty_threads():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def engine():
    return SimpleNamespace(
        create_queue=queue.Queue,
        get_queue_empty_exception=lambda: queue.Empty,
        moving=threading.RLock(),
        log_traffic=False,
        max_backlog=10**6,
        sockets={},
        handlers={"disconnect": lambda sid, reason: None},
        reason=SimpleNamespace(TRANSPORT_CLOSE="transport close", SERVER_DISCONNECT="server disconnect"),
        start_background_task=lambda task, *arguments: task(*arguments),
    )


@pytest.mark.usefixtures("hasty_threads")
def test_what_is_sent_meanwhile_is_neither_lost_nor_overtaken(engine):
    packets = [packet.Packet(packet.MESSAGE, str(number)) for number in range(300)]
    for _ in range(20):
        session, written = Session(engine, "sid", None, polls=True), []
        socket = SimpleNamespace(wire=SimpleNamespace(send=written.append), deflate=False, owner=None)
        begun = threading.Event()

        def send(session=session, begun=begun):
            for number, pkt in enumerate(packets):
                session.send(pkt)
                if number == 20:
                    begun.set()

        sending = threading.Thread(target=send)
        sending.start()
        begun.wait(5)
        session.adopt(socket)
        sending.join(5)
        assert written == [framed(pkt) for pkt in packets]


def test_a_websocket_that_is_cut_while_it_takes_what_waited_ends_the_session(engine):
    """With all that is kept for it; else its seat would stay for ever."""
    session = engine.sockets["sid"] = Session(engine, "sid", None, polls=True)
    for _ in range(3):
        session.send(packet.Packet(packet.MESSAGE, "more than it may be sent"))

    class Cut:
        """A wire that cuts at the second piece."""

        sent = 0

        def send(self, data):
            self.sent += 1
            if self.sent == 2:
                socket.owner.lost(SLOW)

        def later(self, task, *arguments):
            task(*arguments)

    socket = SimpleNamespace(wire=Cut(), deflate=False, owner=None)
    session.adopt(socket)
    assert session.closed
    assert engine.sockets == {}
    assert session.wire is None


def test_a_poll_that_takes_the_last_packet_holds_nobody_up(engine):
    """It may take it between a look at the queue and a reach into it."""
    session = Session(engine, "sid", None, polls=True)
    session.send(packet.Packet(packet.MESSAGE, "one"))

    class Emptied(type(session.queue)):
        def qsize(self):
            return 1  # as it was a moment ago

        def get(self, block=True, timeout=None):
            assert not block
            raise queue.Empty

    session.queue = Emptied()
    socket = SimpleNamespace(wire=SimpleNamespace(send=list), deflate=False, owner=None)
    session.adopt(socket)
    assert session.upgraded


def test_a_session_that_ended_meanwhile_takes_no_websocket(engine):
    session = Session(engine, "sid", None, polls=True)
    session.close()
    socket = Mock(deflate=False)
    session.adopt(socket)
    socket.close.assert_called_once()
    assert not session.upgraded
