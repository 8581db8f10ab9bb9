"""A connection under a WSGI server that is not ours: its request's thread reads, and one beside it writes.

It is a Wire in all that readers and senders see; it costs two threads (or greenlets), where the
poller needs none.
"""

import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any

from . import traffic
from .wire import DEAF, LINGER, READ, SILENCE, SLOW


class BlockingWire:
    """`engine` brings the server's kind of queue and task."""

    def __init__(self, engine: Any, sock: Any, reader: Any, max_pieces: int, patience: float) -> None:
        self._engine, self._socket, self.reader = engine, sock, reader
        self._queue = engine.create_queue()
        self._max_pieces, self._patience = max_pieces, patience
        self._over = self.finishing = False
        self._why = ""

    def send(self, data: bytes) -> None:
        if self.finishing:
            return
        if self._queue.qsize() >= self._max_pieces:
            self.cut(SLOW)
        else:
            self._queue.put(data)

    @property
    def backlog(self) -> int:
        return int(self._queue.qsize())

    def owes(self, data: bytes) -> bool | None:
        return None if self._over else any(piece is data for piece in list(self._queue.queue))

    def finish(self) -> None:
        if not self.finishing:
            self.finishing = True
            self._queue.put(None)

    def cut(self, why: str = "") -> None:
        self.finishing = self._over = True
        if why and not self._why:
            traffic.cut[why] += 1
            traffic.log.info("a connection was cut: %s", why)
        self._why = self._why or why
        self._queue.put(None)
        with contextlib.suppress(OSError):  # it may be gone already
            self._socket.shutdown(socket.SHUT_RDWR)

    def pause(self) -> None:
        """Its reader handles each message before it reads on."""

    resume = pause

    def run(self, function: Callable[..., None], *arguments: Any) -> None:
        """Here: this thread is the connection's own."""
        function(*arguments)

    def later(self, function: Callable[..., None], *arguments: Any) -> None:
        """Beside the caller, who may be another connection."""
        self._engine.start_background_task(function, *arguments)

    def serve(self) -> None:
        """Read until the connection is over, in this thread."""
        writer = self._engine.start_background_task(self._write)
        try:
            while data := self._read():
                if not self.finishing:
                    self.reader.receive(data)
            self._over = True
            self.finish()
            writer.join()
        finally:
            self.cut()  # also when this greenlet is killed: nothing may follow on the connection
            self.reader.lost(self._why)

    def _read(self):
        deadline = time.monotonic() + LINGER
        while not self._over and (not self.finishing or time.monotonic() < deadline):
            try:
                self._socket.settimeout(LINGER)
                return self._socket.recv(READ)
            except TimeoutError as error:
                if error.errno in SILENCE:
                    self.cut(DEAF)
                    break
                if not self.finishing:
                    deadline = time.monotonic() + 2 * LINGER  # quiet, not gone: the heartbeat decides
            except OSError:
                break
        return b""

    def _write(self):
        try:
            while (data := self._queue.get()) is not None:
                rest = memoryview(data)
                while rest:
                    # The limit is on standing still, not on the time that a long message takes.
                    self._socket.settimeout(self._patience)
                    rest = rest[self._socket.send(rest) :]
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
        except TimeoutError:  # ours or the kernel's
            self.cut(DEAF)
        except OSError:
            self.cut()
