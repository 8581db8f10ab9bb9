"""The process's HTTP server: gevent's pywsgi with its delays, its stray answers and its abrupt end mended."""

import contextlib
import errno
import signal
import socket
from collections.abc import Callable

import gevent
from flask_socketio import SocketIO
from gevent import pywsgi
from gevent.pool import Pool

GRACE = 2  # seconds that running requests have to end by themselves
UNREAD_MILLISECONDS = 20_000  # until a connection whose peer reads nothing is cut
BACKLOG = 2048  # a thousand pages reconnect at once after a restart

BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Handler(pywsgi.WSGIHandler):
    """One HTTP connection; what is wrong with a request is answered with 400 and costs no line in the log."""

    ignored_socket_errors = (
        *pywsgi.WSGIHandler.ignored_socket_errors,
        errno.ETIMEDOUT,
        errno.EHOSTUNREACH,
        errno.ENOTCONN,
    )

    def read_requestline(self):
        # Between two requests nothing is owed to the client: such a connection need not outlive the process.
        self.server.idle.add(self.socket)
        try:
            return super().read_requestline()
        finally:
            self.server.idle.discard(self.socket)

    def _handle_client_error(self, ex):
        # The original prints a traceback for a hundred headers or a reset in them, and the URL of the rest.
        return "400", BAD_REQUEST

    def handle_error(self, t, v, tb):
        """Answer 503 to a request that the end of the process cut short, 500 to one that failed."""
        if not issubclass(t, gevent.GreenletExit):
            super().handle_error(t, v, tb)
            return
        self.close_connection = True
        if not self.headers_sent:
            headers = [("Connection", "close"), ("Content-Length", "0"), ("Retry-After", "1")]
            with contextlib.suppress(OSError):
                self.start_response("503 Service Unavailable", headers)
                self.write(b"")


class Listener(pywsgi.WSGIServer):
    """A WSGIServer that sends small packets at once and ends by letting its clients go."""

    stop_timeout = GRACE

    def __init__(self, address, app, socketio, before_stop):
        super().__init__(address, app, backlog=BACKLOG, spawn=Pool(), log=None, handler_class=Handler)
        self.socketio, self.before_stop = socketio, before_stop
        self.idle = set()  # sockets of kept-alive connections without a request

    def init_socket(self):
        super().init_socket()
        # Accepted sockets inherit it. Without it a second packet waits about 45 ms for the first one's ACK.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # whoever takes nothing for so long is gone (RFC 5482)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MILLISECONDS)

    def stop(self, timeout=None):
        """Stop accepting, run `before_stop`, close all sessions, wait `timeout` seconds, cut what is left."""
        self.close()
        if self.before_stop:
            with gevent.Timeout(GRACE, False):
                self.before_stop()
        self.socketio.server.shutdown()
        for sock in list(self.idle):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        super().stop(timeout)


def serve(
    app: Callable, socketio: SocketIO, host: str, port: int, before_stop: Callable | None = None
) -> None:
    """Serve until SIGTERM or SIGINT, then let the clients go and return; OSError when the address is taken.

    `before_stop` is called first, for two seconds at most: nobody new gets in, all clients are still here.
    """
    listener = Listener((host, port), app, socketio, before_stop)
    socketio.wsgi_server = listener  # where Flask-SocketIO's stop() looks
    watchers = [gevent.signal_handler(number, listener.close) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        listener.serve_forever()
    finally:
        for watcher in watchers:
            watcher.cancel()
