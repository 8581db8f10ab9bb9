"""Bodies of polling (Engine.IO protocol 4, "HTTP long-polling"): packets in one text, and how it travels."""

import _socket
import base64
import gzip
import os
from typing import Any

from werkzeug.http import parse_accept_header

from .session import Malformed


def payload(packets: list[Any]) -> bytes:
    """The packets as one polling body (Engine.IO protocol, "HTTP long-polling")."""
    parts = ("b" + base64.b64encode(p.data).decode() if p.binary else p.encode() for p in packets)
    return "\x1e".join(parts).encode("utf-8", "replace")


def unpacked(text: str) -> str | bytes:
    """A packet of a polling body; binary data come as base64 (Engine.IO protocol, "Packet encoding")."""
    if not text.startswith("b"):
        return text
    try:
        return base64.b64decode(text[1:], validate=True)
    except ValueError:
        raise Malformed("base64") from None


def packed(body: bytes, environ: dict) -> tuple[bytes, list]:
    """The body and its headers, gzipped where it pays and the client can read it."""
    if len(body) < 1024 or not parse_accept_header(environ.get("HTTP_ACCEPT_ENCODING", ""))["gzip"]:
        return body, []
    return gzip.compress(body, 5), [("Content-Encoding", "gzip")]


def was_cancelled(environ: dict) -> bool:
    """Whether the client of a request has closed its connection meanwhile, as far as its server tells."""
    sock = environ.get("werkzeug.socket") or environ.get("gunicorn.socket")
    if ours := environ.get("transport.request"):
        sock = ours.socket
    if sock is None:
        return False
    try:
        same = _socket.socket(fileno=os.dup(sock.fileno()))  # another kind would wait
    except OSError:
        return True
    try:
        return same.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        same.close()
