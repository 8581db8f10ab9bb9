"""A gate between browser and server: a proxy that refuses, holds back or cuts what a test tells it to."""

import re
import socket
import threading
from contextlib import suppress
from enum import Enum, auto
from typing import Self
from urllib.parse import urlsplit

import httpx

COPIED = ("content-type", "content-security-policy")


class Rule(Enum):
    """What becomes of requests under a path."""

    REFUSE = auto()  # 403, as a proxy that knows no WebSocket
    SWALLOW = auto()  # the answer's head goes through, its body never: a proxy that buffers
    HANG = auto()  # accepted, and then nothing


class Gate:
    """Listens on a port of its own until closed. Every connection carries one request."""

    def __init__(self, upstream: str, port: int = 0) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname, parts.port)
        self._rules: dict[str, Rule] = {}
        self._copies: dict[str, bytes] = {}
        self._open: dict[socket.socket, str] = {}
        self._listener = socket.create_server(("127.0.0.1", port), backlog=200)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    # --- what a test does with it ------------------------------------------------------------------

    def refuse(self, *paths: str) -> None:
        self._set(Rule.REFUSE, paths)

    def swallow(self, *paths: str) -> None:
        self._set(Rule.SWALLOW, paths)

    def hang(self, *paths: str) -> None:
        self._set(Rule.HANG, paths)

    def serve(self, path: str, copy: httpx.Response, text: str | None = None) -> None:
        """Answer requests for exactly this path with an old answer, as a cache does; or altered."""
        body = (text or copy.text).encode()
        kept = {name: value for name, value in copy.headers.items() if name in COPIED}
        headers = "".join(
            f"{name}: {value}\r\n"
            for name, value in {**kept, "connection": "close", "content-length": len(body)}.items()
        )
        self._copies[path] = f"HTTP/1.1 200 OK\r\n{headers}\r\n".encode() + body

    def let_through(self) -> None:
        self._rules.clear()
        self._copies.clear()

    def cut(self) -> None:
        """End every connection there is, as a network that goes away."""
        for end in list(self._open):
            _close(end)

    def connections(self, path: str) -> int:
        """How many are open to paths that contain this."""
        return sum(path in target for target in list(self._open.values()))

    def close(self) -> None:
        _close(self._listener)
        self.cut()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- how it does it ----------------------------------------------------------------------------

    def _set(self, rule: Rule, paths: tuple[str, ...]) -> None:
        self._rules |= dict.fromkeys(paths, rule)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                visitor, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(visitor,), daemon=True).start()

    def _serve(self, visitor: socket.socket) -> None:
        with suppress(OSError):
            head = _read_head(visitor)
            if not head:
                return _close(visitor)
            target = head.split(b" ", 2)[1].decode()
            self._open[visitor] = target
            rule = next((rule for path, rule in self._rules.items() if path in target), None)
            if rule is Rule.HANG:
                visitor.recv(1)  # until the visitor gives up, or the gate closes
            elif target in self._copies:
                visitor.sendall(self._copies[target])
            elif rule is Rule.REFUSE:
                visitor.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            else:
                self._pass(visitor, head, swallow=rule is Rule.SWALLOW)
        self._open.pop(visitor, None)
        _close(visitor)
        return None

    def _pass(self, visitor: socket.socket, head: bytes, swallow: bool) -> None:
        with socket.create_connection(self._upstream) as server:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.sendall(re.sub(rb"(?i)connection: keep-alive", b"Connection: close", head))
            threading.Thread(target=_pump, args=(visitor, server), daemon=True).start()
            if swallow:
                visitor.sendall(_read_head(server))
                while server.recv(65_536):
                    pass
            _pump(server, visitor)


def _read_head(source: socket.socket) -> bytes:
    """A request's or answer's first lines, up to the empty one; nothing more."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = source.recv(1)
        if not byte:
            return b""
        head += byte
    return head


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """All bytes from one to the other; then both end."""
    with suppress(OSError):
        source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while chunk := source.recv(65_536):
            sink.sendall(chunk)
    _close(sink)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
