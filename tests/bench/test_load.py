"""The bench's clients count nothing that they did not check: a message that is wrong voids the run."""

import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.build import build
from bench.contenders import Bare
from bench.load import Load, Void
from bench.mark import mark
from statuspage.config import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="its clients wait with epoll")

CLIENTS = 30
PACKED = "Sec-WebSocket-Extensions: permessage-deflate"
ALONE = "; server_no_context_takeover"  # each message is packed for itself

Tell = Callable[[bytes], None]


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    build()


@pytest.fixture
def tell(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Tell]:
    """`tell(bytes)`: a server sends them to its clients, who should have one message more then."""
    header = getattr(request, "param", "")
    with Bare(header=header) as server, Load() as load:
        server.join(load, CLIENTS)

        def tell(wire: bytes) -> None:
            (tmp_path / "wire").write_bytes(wire)
            server.send(tmp_path / "wire")
            load.wait(server.number, CLIENTS, seconds=2)

        yield tell


def text(number: int) -> bytes:
    return f'42["service-update",{{"data":{{"mark":"{mark(number, 2048)}"}}}}]'.encode()


def frame(payload: bytes, first: int = 0x81) -> bytes:
    """RFC 6455, 5.2, from a server."""
    if len(payload) < 126:
        return bytes([first, len(payload)]) + payload
    return bytes([first, 126]) + len(payload).to_bytes(2, "big") + payload


def test_what_is_right_counts(tell: Tell) -> None:
    for number in (1, 2, 3):
        tell(frame(text(number)))


@pytest.mark.parametrize(
    "tell", [PACKED, PACKED + ALONE], indirect=True, ids=["one after the other", "alone"]
)
def test_what_is_packed_is_unpacked(tell: Tell, request: pytest.FixtureRequest) -> None:
    packer = None
    for number in (1, 2, 3):
        if packer is None or "alone" in request.node.callspec.id:
            packer = zlib.compressobj(wbits=-15)
        packed = packer.compress(text(number)) + packer.flush(zlib.Z_SYNC_FLUSH)
        tell(frame(packed[:-4], 0xC1))


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (text(3), "lost"),
        (text(1), "twice"),
        (text(2).replace(b"service", b"Service", 2), "garbled"),
        (text(2)[:1000], "cut short"),
    ],
    ids=["lost", "doubled", "garbled", "cut"],
)
def test_what_is_wrong_voids_the_run(tell: Tell, second: bytes, why: str) -> None:
    tell(frame(text(1)))
    with pytest.raises(Void, match=why):
        tell(frame(second))


def test_what_does_not_come_voids_the_run(tell: Tell) -> None:
    with pytest.raises(Void, match="in time"):
        tell(b"")


def test_the_bench_still_works() -> None:
    words = [sys.executable, "-m", "bench", "--quick", "--clients", "100", "mixed"]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert said.returncode == 0, said.stderr + said.stdout
    assert "0 runs void" in said.stdout
    assert "not measured" not in said.stdout
