"""The process's HTTP server: gevent's pywsgi behind a front of our own, its faults mended."""

import contextlib
import errno
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import gevent
from flask_socketio import SocketIO
from gevent import pywsgi
from gevent.pool import Pool
from gevent.socket import socket as Socket

from .front import Answers, Input, Waiting, no_answer
from .poller import Poller
from .wire import close

GRACE = 2  # seconds that what is queued has to leave, and running requests to end by themselves
UNREAD_MILLISECONDS = 20_000  # until a connection whose peer reads nothing is cut
PROBES = {
    "TCP_KEEPIDLE": 60,
    "TCP_KEEPINTVL": 20,
    "TCP_KEEPCNT": 3,
}  # who vanished is found in 2 minutes
SWEEP_SECONDS = 5.0
BACKLOG = 4096  # thousands of pages reconnect at once after a restart

BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Body(pywsgi.Input):
    """A request's body. A chunk size that is none is the client's fault, not ours."""

    __slots__ = ()

    def _chunked_read(self, length=None, use_readline=False):
        try:
            return super()._chunked_read(length, use_readline)
        except ValueError:
            raise pywsgi._InvalidClientInput("chunk size") from None


class Handler(pywsgi.WSGIHandler):
    """One HTTP request; what is wrong with it is answered with 400 and costs no line in the log."""

    ignored_socket_errors = (
        *pywsgi.WSGIHandler.ignored_socket_errors,
        errno.ETIMEDOUT,
        errno.EHOSTUNREACH,
        errno.ENOTCONN,
    )

    socket: Any
    response_headers: list[tuple[bytes, bytes]]

    def __init__(self, sock, address, server, early):
        super().__init__(sock, address, server, rfile=Input(sock, early, server.receiving))

    def handle(self):
        """Answer one request; a connection that lives on goes back to the front."""
        try:
            result = self.handle_one_request()
            if isinstance(result, tuple):
                self.socket.sendall(result[1])
        except OSError:
            result = None
        finally:
            sock, self.socket = self.socket, None
            if sock is not None:
                self._part(sock, result)

    def _part(self, sock, result):
        if result is True and not self.server.closed and not self.rfile.gave_up:
            self.server.wait_for_request(sock.detach(), self.client_address, self.rfile.rest)
            return
        with contextlib.suppress(OSError):
            sock.setblocking(False)
            sock.recv(16384)  # closing with unread bytes would reset the connection, and lose the answer
        sock.close()

    def get_environ(self):
        environ = super().get_environ()
        self.wsgi_input.__class__ = Body
        return {**environ, "transport.request": self}

    def hand_over(self, max_pieces: int) -> tuple[Any, bytes]:
        """Give the connection away: its wire, and the bytes that came behind the request."""
        wire = self.server.poller.add(self.socket.detach(), None, max_pieces)
        self.socket = None
        return wire, self.rfile.rest

    def process_result(self):
        if self.socket is None:
            return  # a WebSocket has it now
        stream = self.environ.get("transport.stream")
        if stream is None or self.code != 200:
            super().process_result()
            return
        self.response_headers.append((b"Connection", b"close"))
        try:
            self.write(b"")
            wire, _ = self.hand_over(stream.max_pieces)
        except BaseException:  # its client is gone already
            stream.close()
            raise
        stream.serve(wire)

    def finalize_headers(self):
        super().finalize_headers()
        ends = self.server.closed or self.rfile.gave_up
        if ends and not any(name.lower() == b"connection" for name, _ in self.response_headers):
            self.response_headers.append((b"Connection", b"close"))  # else a proxy would ask here once more
        if self.environ.get("transport.stream"):  # its events are the same bytes for everybody: no chunks
            self.response_use_chunked = False
            self.response_headers = [(k, v) for k, v in self.response_headers if k != b"Transfer-Encoding"]

    def _handle_client_error(self, ex):
        # The original prints a traceback for a hundred headers or a reset in them, and the URL of the rest.
        return "400", BAD_REQUEST

    def handle_error(self, t, v, tb):
        """Answer 503 to a request that the end of the process cut short, 500 to one that failed."""
        if self.socket is None:
            self._log_error(t, v, tb)
        elif not issubclass(t, gevent.GreenletExit):
            super().handle_error(t, v, tb)
        else:
            self.close_connection = True
            if not self.headers_sent:
                headers = [("Connection", "close"), ("Content-Length", "0"), ("Retry-After", "1")]
                with contextlib.suppress(OSError):
                    self.start_response("503 Service Unavailable", headers)
                    self.write(b"")


class Listener(pywsgi.WSGIServer):
    """A WSGIServer whose connections wait in a poller, and that ends by letting its clients go."""

    def __init__(self, address, app, socketio, before_stop, notice, grace, answer):
        super().__init__(address, app, backlog=BACKLOG, spawn=Pool(), log=None, handler_class=Handler)
        self.socketio, self.answer = socketio, answer
        self.before_stop, self.notice, self.stop_timeout = before_stop, notice, grace
        self.receiving: set[Any] = set()  # greenlets that wait for the rest of a request
        engine = socketio.server.eio
        self.clock = engine.clock
        self.poller = Poller(self.clock, engine.patience)
        self.sweep()

    def init_socket(self):
        super().init_socket()
        # Accepted sockets inherit all of it. Without NODELAY a second packet waits about 45 ms for the first
        # one's ACK; who takes nothing for so long is gone (RFC 5482), and so is who answers no probe.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in {"TCP_USER_TIMEOUT": UNREAD_MILLISECONDS, **PROBES}.items():
            if hasattr(socket, name):
                self.socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def do_read(self):
        try:
            fd, address = self.socket._accept()
        except BlockingIOError:
            return None
        os.set_blocking(fd, False)
        return fd, address

    def do_close(self, fd, *_):
        close(fd)

    def do_handle(self, fd, address):
        Waiting(self, fd, address)

    def sweep(self):
        """Close the connections that waited for too long."""
        now = time.monotonic()
        for wire in list(self.poller.wires.values()):
            if type(wire.reader) is Waiting:
                wire.reader.check(now)
        self.clock.after(SWEEP_SECONDS, self.sweep)

    def wait_for_request(self, fd, address, early):
        waiting = Waiting(self, fd, address)
        if early:
            waiting.receive(early)

    def spawn(self, fd, address, early):
        """Answer the request that begins with these bytes, in a greenlet of its own."""
        self.pool.spawn(self._serve, fd, address, early)

    def _serve(self, fd, address, early):
        Handler(Socket(fileno=fd), address, self, early).handle()

    def stop(self, timeout=None):
        """Stop accepting, run `before_stop`, close all sessions, wait `timeout` seconds, cut what is left."""
        self.close()
        self.answer = no_answer  # the handlers answer all: they say that the connection ends with it
        if self.before_stop:
            with gevent.Timeout(self.notice, False):
                self.before_stop()
        self.socketio.server.shutdown()
        self.poller.drain(GRACE)
        gevent.killall(self.receiving, block=False)  # they are answered; the others finish what they do
        super().stop(timeout)
        self.poller.close()


def serve(
    app: Callable,
    socketio: SocketIO,
    host: str,
    port: int,
    before_stop: Callable | None = None,
    notice: float = GRACE,
    grace: float = GRACE,
    answer: Answers = no_answer,
) -> None:
    """Serve until SIGTERM or SIGINT, then let the clients go and return; OSError when the address is taken.

    `before_stop` is called first, for `notice` seconds at most: no connection is taken any more, and all that
    there are go on. Requests that still run afterwards have `grace` seconds to end by themselves.
    `answer` is asked with the head of each request for bytes that are ready; it must not block.
    """
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, "this server needs Linux; run the app under another WSGI server")
    listener = Listener((host, port), app, socketio, before_stop, notice, grace, answer)
    socketio.wsgi_server = listener  # where Flask-SocketIO's stop() looks
    watchers = [gevent.signal_handler(number, listener.close) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        listener.serve_forever()
    finally:
        for watcher in watchers:
            watcher.cancel()
