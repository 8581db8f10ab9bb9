"""Packing: how a body travels (RFC 9110, 8.4), the shortest way that its reader takes."""

import gzip
from functools import lru_cache

import brotli
from werkzeug.http import parse_accept_header

IDENTITY = "identity"
LONGEST = 200  # characters of an Accept-Encoding: it is remembered
ENCODINGS = ("br", "gzip")  # the shorter first (RFC 7932, RFC 1952)
GOOD = {"br": 5, "gzip": 6}  # in a millisecond or two
BEST = {"br": 11, "gzip": 9}  # in fifty: for what is packed once


def encoding_of(accepted: str) -> str:
    """How a body travels to one who sends this Accept-Encoding: `br`, `gzip` or `identity`."""
    return _encoding_of(accepted) if len(accepted) <= LONGEST else IDENTITY


@lru_cache(maxsize=1_000)
def _encoding_of(accepted):
    taken = parse_accept_header(accepted)
    best = max(ENCODINGS, key=lambda name: taken[name])
    return best if taken[best] else IDENTITY


def pack(content: bytes, encoding: str, quality: dict[str, int]) -> bytes:
    """The content in one of ENCODINGS, the same bytes every time."""
    if encoding == "br":
        return brotli.compress(content, quality=quality["br"])
    return gzip.compress(content, quality["gzip"], mtime=0)
