"""A wire: one connection that needs no greenlet, served by the Poller.

It is a descriptor, what is still to be sent, and a reader that is given what came. Nothing here blocks.
"""

import contextlib
import errno
import os
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from gevent import monkey

from . import traffic

if TYPE_CHECKING:
    from .poller import Poller

READ = 16384  # bytes
GATHERED = 256  # pieces to one write, below the limit of the system (IOV_MAX)
LINGER = 1  # seconds that a closed connection waits for its peer to read the last bytes and close too
LARGE = 16384  # bytes: what a piece has at most that counts as one
MAX_UNSENT = 16 << 20  # bytes that may wait for a client
SLOW, DEAF = "too slow", "it reads nothing"
SILENCE = (errno.ETIMEDOUT, errno.EHOSTUNREACH)  # the kernel's words for DEAF
IN, OUT = 1, 4  # epoll's bits: readable, writable

close = monkey.get_original("os", "close")  # gevent's closes at some later turn of its loop


class Reader(Protocol):
    """Who acts on a connection. It runs in the hub: it must not block."""

    def receive(self, data: bytes) -> None:
        """These bytes came."""

    def lost(self, why: str) -> None:
        """The connection is over; called once, however it ended: SLOW, DEAF, or "" by its peer."""


class Wire:
    """One connection of the poller."""

    __slots__ = (
        "blocked",
        "ended",
        "fd",
        "finishing",
        "max_pieces",
        "owed",
        "paused",
        "poller",
        "reader",
        "unsent",
    )

    def __init__(self, poller: "Poller", fd: int, reader: Any, max_pieces: int) -> None:
        self.poller, self.fd, self.reader = poller, fd, reader
        self.max_pieces = max_pieces
        self.unsent: Any = None  # nothing, one piece, or a list of pieces
        self.owed = 0  # bytes of that list
        self.blocked = 0.0  # since when the peer takes nothing; it is 0 while it does
        self.paused = self.finishing = self.ended = False

    def send(self, data: bytes) -> None:
        """Queue these bytes, without yielding; nothing happens once the connection ends.

        A client with `max_pieces` pieces waiting, or too many bytes, is cut: it never gets half of anything
        and then something else.
        """
        unsent = self.unsent
        if unsent is None:
            if self.fd < 0 or self.finishing:
                return
            self.unsent = data
            if not self.blocked:
                self.poller.is_ready(self)
        elif self.finishing:
            return
        elif type(unsent) is list:
            self.owed += len(data)
            if len(unsent) >= self.max_pieces or self._owes_too_much(unsent):
                self.cut(SLOW)
            else:
                unsent.append(data)
        else:
            self.unsent, self.owed = [unsent, data], len(unsent) + len(data)

    @property
    def backlog(self) -> int:
        """How many pieces wait to be sent; large ones count as several."""
        unsent = self.unsent
        if type(unsent) is list:
            return max(len(unsent), sum(map(len, unsent)) // LARGE)
        return 0 if unsent is None else 1 + len(unsent) // LARGE

    def owes(self, data: bytes) -> bool | None:
        """Whether some of these very bytes wait to be sent; None once the connection is over."""
        if self.fd < 0:
            return None
        pieces = self.unsent if type(self.unsent) is list else [self.unsent]
        first = pieces[0]
        begun = first is not None and len(first) < len(data) and data.endswith(first)  # flush() cuts them
        return begun or any(piece is data for piece in pieces)

    def finish(self) -> None:
        """Send what is queued and nothing more, then let the peer close; it has a second for that."""
        if self.finishing or self.fd < 0:
            return
        self.finishing = True
        if self.unsent is None:
            self._shut()
        else:
            if type(self.unsent) is not list:
                self.unsent = [self.unsent]  # as pieces: the poller must settle() this one
            self.poller.clock.after(LINGER + self.poller.patience, Wire.cut, self)

    def cut(self, why: str = "") -> None:
        """Close it now."""
        if self.fd < 0:
            return
        if why:
            traffic.cut[why] += 1
            traffic.log.info("a connection was cut: %s", why)
        self.poller.forget(self)
        close(self.fd)
        self.fd, self.unsent = -1, None
        self._tell_reader(why)

    def release(self) -> int:
        """Take the descriptor out of the poller, to be served by another."""
        self.poller.forget(self)
        fd, self.fd = self.fd, -1
        return fd

    def pause(self) -> None:
        """Read no more until resume(): what comes stays with the peer."""
        self.paused = True
        self._watch()

    def resume(self) -> None:
        if self.paused and self.fd >= 0:
            self.paused = False
            self._watch()

    def run(self, function: Callable[..., None], *arguments: Any) -> None:
        """Run what may block, beside the poller and the caller; what fails ends the connection."""
        self.poller.run(self._attempt, function, *arguments)

    later = run

    def _attempt(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception:
            traffic.log.exception("a connection failed")
            self.cut()

    def serve(self) -> None:
        """The poller serves it: nothing is left to do for who made it."""

    # --- the poller's turn -------------------------------------------------------------------------

    def readable(self) -> None:
        try:
            data = os.read(self.fd, READ)
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(error)
            return
        if not data:
            self._end()
        elif not self.finishing:
            self.reader.receive(data)

    def _end(self):
        """The peer says no more; what we owe it is still sent."""
        if self.unsent is None:
            self.cut()
            return
        self.finish()
        self.ended = self.paused = True
        self._watch()
        self._tell_reader("")

    def writable(self) -> None:
        self.blocked = 0.0
        self._watch()
        self.poller.is_ready(self)

    def flush(self) -> None:
        """Write what the peer takes now; the rest when it is writable again."""
        unsent = self.unsent
        if unsent is None or self.fd < 0:
            return
        try:
            if type(unsent) is list:
                sent = os.writev(self.fd, unsent[:GATHERED])
                self._drop(unsent, sent)
            else:
                sent = os.write(self.fd, unsent)
                self.unsent = None if sent == len(unsent) else [unsent[sent:]]
        except BlockingIOError:
            pass
        except OSError as error:
            self.fail(error)
            return
        self.settle()

    def hung_up(self) -> None:
        """The connection is broken, and nobody reads it at the moment."""
        end = socket.socket(fileno=self.fd)
        try:
            self.fail(OSError(end.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), ""))
        finally:
            end.detach()

    def fail(self, error: OSError) -> None:
        """The connection is broken. The kernel finds sooner than we that a peer takes nothing, while its own
        buffer has room; whether that one sleeps or has vanished nobody knows.
        """
        self.cut(DEAF if error.errno in SILENCE else "")

    def settle(self) -> None:
        """After a write: go on with what is left, or end if that was the last."""
        if self.unsent is not None:
            self._go_on()
        elif self.finishing:
            self._shut()

    def _drop(self, unsent, sent):
        done = 0
        while done < len(unsent) and sent >= len(unsent[done]):
            sent -= len(unsent[done])
            done += 1
        del unsent[:done]
        if sent:
            unsent[0] = unsent[0][sent:]
        self.blocked = -1.0 if done == GATHERED and not sent and unsent else 0.0
        if not unsent:
            self.unsent = None

    def _go_on(self):
        """Wait for the peer; or go on, when the system took all that it was given in one call."""
        pieces = self.unsent if type(self.unsent) is list else [self.unsent]
        self.owed = sum(map(len, pieces))
        if self.blocked < 0:
            self.blocked = 0.0
            self.poller.is_ready(self)
            return
        if self._owes_too_much(pieces):
            self.cut(SLOW)
            return
        self.blocked = time.monotonic()
        self._watch()
        self.poller.clock.after(self.poller.patience, Wire._expect, self, self.blocked)

    def _owes_too_much(self, pieces):
        return self.owed > max(MAX_UNSENT, len(pieces[0]))  # one piece may be as long as it likes

    def _expect(self, since):
        if self.blocked == since:
            self.cut(DEAF)

    def _shut(self):
        if self.ended:  # the peer went before us
            self.cut()
            return
        with contextlib.suppress(OSError):
            end = socket.socket(fileno=self.fd)
            try:
                end.shutdown(socket.SHUT_WR)
            finally:
                end.detach()
        self.poller.clock.after(LINGER, Wire.cut, self)

    def _watch(self):
        self.poller.watch(self, (0 if self.paused else IN) | (OUT if self.blocked else 0))

    def _tell_reader(self, why):
        reader, self.reader = self.reader, None
        if reader:
            try:
                reader.lost(why)
            except Exception:
                traffic.log.exception("a connection could not be closed properly")
