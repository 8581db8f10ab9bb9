"""Bodies travel packed, the shortest way that who asks can unpack."""

import gzip

import brotli
import pytest

from statuspage.web.packing import BEST, encoding_of, pack

UNPACK = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("br;q=0.5, gzip;q=0.8", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("*", "br"),
        ("gzip;q=0", "identity"),
        ("zstd", "identity"),
        ("", "identity"),
    ],
)
def test_the_shortest_that_is_taken(accepted, encoding):
    assert encoding_of(accepted) == encoding


@pytest.mark.parametrize("path", ["/acme", "/embed/acme", "/acme/history", "/embed.js", "css"])
def test_whichever_way_it_travels_it_is_the_same(client, cast, app, path):
    path = app.extensions["assets"].stylesheet.url if path == "css" else path
    sizes = {}
    for accepted in ("gzip, br", "gzip", ""):
        answer = client.get(path, headers={"Accept-Encoding": accepted})
        encoding = answer.headers.get("Content-Encoding")
        body = UNPACK[encoding](answer.data)
        sizes[encoding] = len(answer.data)
        assert body == client.get(path).data
        assert answer.headers["Vary"] == "Accept-Encoding"
    assert sizes["br"] < sizes["gzip"] < sizes[None]


def test_it_is_packed_to_the_same_bytes_every_time():
    for encoding in ("br", "gzip"):
        assert pack(b"the same " * 1000, encoding, BEST) == pack(b"the same " * 1000, encoding, BEST)
