"""An event that all receivers share, and several that share their beginning."""

import json
import zlib

import pytest

from statuspage.live import transport
from statuspage.live.transport import frames

LONG = "<li>All is well.</li>" * 50
PAYLOADS = [
    {"html": LONG, "cursor": "e:5", "since": "e:4", "title": "Acme"},
    {"since": None, "html": LONG, "title": "Ümläute · 東京 · \ud800", "cursor": "e:5"},
    {"html": LONG, "since": "e:4", "title": 'a "quoted" ' + "t" * 60_000},
    {"html": "short", "since": "e:4", "title": "Acme"},
    {"html": "\ud800 · 東京" * 200, "since": None, "title": ""},
]


def unpacked(frame: bytes) -> str:
    """The text of a frame as a client gets it (RFC 6455, 5.2; RFC 7692, 7.2.2)."""
    skipped = {126: 4, 127: 10}.get(frame[1], 2)
    data = frame[skipped:]
    assert len(data) == (int.from_bytes(frame[2:skipped], "big") if skipped > 2 else frame[1])
    if frame[0] & 0x40:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        data = inflate.decompress(data + frames.EMPTY_BLOCK)
        assert not inflate.eof
        assert not inflate.unconsumed_tail
    return data.decode()


@pytest.mark.parametrize("own", [(), ("since", "title"), ("title",)])
@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_packed_or_not_it_is_what_was_said(payload, own):
    packet = transport.encode("change", payload, own)
    assert json.loads(packet.encode().removeprefix("42")) == ["change", payload]
    assert unpacked(packet.frame) == packet.encode()
    assert unpacked(packet.deflated) == packet.encode()


@pytest.mark.parametrize("own", [(), ("since", "title")])
def test_what_is_long_is_packed_and_what_is_short_is_not(own):
    long, short = (transport.encode("change", payload, own) for payload in (PAYLOADS[0], PAYLOADS[3]))
    assert len(long.deflated) < 0.3 * len(long.frame)
    assert short.deflated == short.frame


def test_what_a_thousand_have_in_common_is_packed_once(monkeypatch):
    packed, block = [], frames.block
    monkeypatch.setattr(frames, "block", lambda data: packed.append(data) or block(data))
    common = {"html": LONG, "cursor": "once:5"}
    packets = [
        transport.encode(
            "change", {**common, "since": "once:4", "title": f"Tenant {number}"}, ("since", "title")
        )
        for number in range(1000)
    ]
    told = [json.loads(unpacked(packet.deflated)[2:])[1] for packet in packets]
    assert [each["title"] for each in told] == [f"Tenant {number}" for number in range(1000)]
    assert len(packed) == 1
