"""Where threads serve (any other WSGI server), a session goes over to its WebSocket in one step."""

import queue
import sys
import threading
from types import SimpleNamespace

import pytest
from engineio import packet

from statuspage.live.transport.session import Session, framed


@pytest.fixture
def hasty_threads():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_what_is_sent_meanwhile_is_neither_lost_nor_overtaken():
    engine = SimpleNamespace(
        create_queue=queue.Queue, moving=threading.RLock(), log_traffic=False, max_backlog=10**6
    )
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
