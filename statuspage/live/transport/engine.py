"""The Engine.IO server (protocol 4): who may come in, and what each HTTP request of a session is answered.

It replaces the request handling of python-engineio, whose answers are not those of the specification and
whose failures travel as HTTP 500; the sessions and their table keep the shape that python-socketio expects.
"""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import engineio
from engineio import packet

from . import frames, websocket
from .clock import Clock
from .polling import packed, payload, unpacked, was_cancelled
from .probe import Probe
from .request import Remembered
from .session import CLOSE, NOOP, Malformed, Session

ORIGIN = re.compile(r"[\x21-\x7e]+")
HEADER_NAMES = re.compile(r"[\w\-, ]{1,1000}", re.ASCII)
PARTING_SECONDS = 0.0002  # to each session at a stop, for its disconnect handler


class Fault(NamedTuple):
    """A refusal, as engine.io numbers and words it (server.ts, Server.errors)."""

    code: int
    message: str
    status: HTTPStatus = HTTPStatus.BAD_REQUEST


UNKNOWN_TRANSPORT = Fault(0, "Transport unknown")
UNKNOWN_SID = Fault(1, "Session ID unknown")
BAD_HANDSHAKE_METHOD = Fault(2, "Bad handshake method")
BAD_REQUEST = Fault(3, "Bad request")
FORBIDDEN = Fault(4, "Forbidden", HTTPStatus.FORBIDDEN)
UNSUPPORTED_VERSION = Fault(5, "Unsupported protocol version")
TOO_LARGE = Fault(3, "Payload too large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
STOPPING = Fault(3, "Server is stopping", HTTPStatus.SERVICE_UNAVAILABLE)


class Refusal(Exception):
    def __init__(self, fault: Fault):
        super().__init__(fault.message)
        self.fault = fault


class Engine(engineio.Server):
    """An engineio.Server with bounded queues, origins checked on both transports, and errors with names."""

    def __init__(
        self, *, origins, max_backlog, patience, node, log_traffic, compression, upgrade_timeout, **options
    ):
        super().__init__(monitor_clients=False, **options)
        self.compression, self.upgrade_timeout = compression, upgrade_timeout
        self.clock = Clock(self.start_background_task, self.create_event)
        self.origins = frozenset(origin.rstrip("/") for origin in origins)
        self.max_backlog, self.patience = max_backlog, patience
        self.prefix = f"{node}." if node else ""
        self.log_traffic = log_traffic
        self.stopping = False
        self.held: dict[str, list[Any]] = {}  # packets that wait for the answer to a CONNECT
        self.moving = threading.RLock()  # held while a session ends or goes over to its WebSocket

    def generate_id(self) -> str:
        """A session id that nobody can guess; it begins with the node's name, which proxies may route by."""
        return self.prefix + super().generate_id()

    def send_packet(self, sid: str, pkt: packet.Packet) -> None:
        """Queue one packet to this session; nothing happens when there is none."""
        session = self.sockets.get(sid)
        if sid in self.held:
            self.held[sid].append(pkt)
        elif session:
            session.send(pkt)

    @contextmanager
    def answer_first(self, sid: str) -> Iterator[None]:
        """Of all that is sent to this session inside the block, the last packet goes first: it is the answer
        to a CONNECT, and what a handler emits belongs behind it (Socket.IO protocol, "Connection").
        """
        held: list[Any] = []
        self.held[sid] = held
        try:
            yield
        finally:
            del self.held[sid]
            for pkt in (*held[-1:], *held[:-1]):
                self.send_packet(sid, pkt)

    def handle_request(self, environ, start_response):
        """Answer one request under the Socket.IO path; nothing that a client sends makes it raise."""
        status, kind = HTTPStatus.OK, "text/plain; charset=UTF-8"
        try:
            self._check_origin(environ)
            body = b"" if environ["REQUEST_METHOD"] == "OPTIONS" else self._answer(environ)
        except Refusal as refusal:
            status, kind = refusal.fault.status, "application/json"
            body = json.dumps({"code": refusal.fault.code, "message": refusal.fault.message}).encode()
        if body is None:
            return hang_up(environ)
        headers = [("Content-Type", kind), ("Cache-Control", "no-store"), *self._cors(environ)]
        if "HTTP_UPGRADE" in environ:
            headers.append(("Connection", "close"))  # what follows was not meant as HTTP
        body, more = packed(body, environ)
        start_response(f"{status.value} {status.phrase}", headers + more)
        return [body]

    def _check_origin(self, environ):
        """Refuse a request from a page of a foreign origin, whatever the transport (RFC 6455, 10.2)."""
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and not self._is_welcome(origin, environ):
            raise Refusal(FORBIDDEN)

    def _is_welcome(self, origin, environ):
        # A page cannot set X-Forwarded-Proto on a WebSocket, nor across origins without a preflight.
        scheme = environ.get("HTTP_X_FORWARDED_PROTO", environ["wsgi.url_scheme"]).split(",")[0].strip()
        own = f"{scheme}://{environ.get('HTTP_HOST', '')}"
        return bool(ORIGIN.fullmatch(origin)) and (origin in self.origins or origin == own)

    def _cors(self, environ):
        origin = environ.get("HTTP_ORIGIN")
        if origin is None or not self._is_welcome(origin, environ):
            return [("Vary", "Origin")]
        headers = [
            ("Vary", "Origin"),
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Allow-Credentials", "true"),
        ]
        if environ["REQUEST_METHOD"] == "OPTIONS":
            headers.append(("Access-Control-Allow-Methods", "GET, POST, OPTIONS"))
            names = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
            if HEADER_NAMES.fullmatch(names):
                headers.append(("Access-Control-Allow-Headers", names))
        return headers

    def _answer(self, environ: dict) -> bytes | None:
        """The body of the answer; None when the connection became a WebSocket and is over. Refusal else."""
        query = parse_qs(environ.get("QUERY_STRING", ""))
        transport, sid = query.get("transport", [""])[0], query.get("sid", [None])[0]
        if transport not in self.transports:
            raise Refusal(UNKNOWN_TRANSPORT)
        if "j" in query:
            raise Refusal(BAD_REQUEST)  # JSONP would hand a session to any page, whatever its origin
        if sid is None:
            return self._open(environ, transport, query.get("EIO"))
        return self._go_on(environ, transport, sid)

    def _open(self, environ, transport, version):
        if environ["REQUEST_METHOD"] != "GET":
            raise Refusal(BAD_HANDSHAKE_METHOD)
        if version != ["4"]:
            raise Refusal(UNSUPPORTED_VERSION)
        if self.stopping:
            raise Refusal(STOPPING)
        if transport == "websocket":
            socket, early = self._shake_hands(environ)
            session = self._welcome(environ, upgrades=[], socket=socket)
            socket.serve(early)
            return None
        session = self._welcome(environ, upgrades=["websocket"] if self.allow_upgrades else [])
        return payload(session.poll())

    def _welcome(self, environ, upgrades, socket=None):
        session = Session(self, self.generate_id(), Remembered(environ), polls=socket is None)
        self.sockets[session.sid] = session
        if socket:
            session.adopt(socket)
        greeting = {
            "sid": session.sid,
            "upgrades": upgrades,
            "pingInterval": int(self.ping_interval * 1000),
            "pingTimeout": int(self.ping_timeout * 1000),
            "maxPayload": self.max_http_buffer_size,
        }
        session.send(packet.Packet(packet.OPEN, greeting))
        self.handlers["connect"](session.sid, session.request.environ())
        self.ask_later(session.sid)
        return session

    def ask_later(self, sid: str) -> None:
        """Ping this session in `ping_interval` seconds. The clock knows it by its sid: one that ended
        meanwhile is not kept until then."""
        self.clock.after(self.ping_interval, Engine._ask, self, sid)

    def _ask(self, sid):
        session = self.sockets.get(sid)
        if session:
            session.ping()
            self.clock.after(self.ping_timeout, Engine._expect, self, sid)

    def _expect(self, sid):
        session = self.sockets.get(sid)
        if session:
            session.expect_pong()

    def _go_on(self, environ, transport, sid):
        method, session = environ["REQUEST_METHOD"], self.sockets.get(sid)
        if session is None or session.closing and not self._may_fetch_the_rest(session, method):
            raise Refusal(UNKNOWN_SID)
        if session.upgraded:
            raise Refusal(BAD_REQUEST)
        if (transport, method) == ("websocket", "GET"):
            return self._upgrade(session, environ)
        if (transport, method) == ("polling", "GET"):
            return self._poll(session, environ)
        if (transport, method) == ("polling", "POST"):
            return self._post(session, environ)
        raise Refusal(BAD_REQUEST)

    def _may_fetch_the_rest(self, session, method):
        return session.lingering and method == "GET" and session.has_packets()

    def _upgrade(self, session, environ):
        if session.probe or session.closing or not self.allow_upgrades:
            raise Refusal(BAD_REQUEST)
        socket, early = self._shake_hands(environ)
        with self.moving:
            late = session.probe or session.closing or session.upgraded  # another thread was quicker
            probe = None if late else Probe(session, socket)
        if probe is None:
            socket.close(frames.PROTOCOL_ERROR)
            socket.wire.serve()
            return
        self.clock.after(self.upgrade_timeout, Engine._expect_upgrade, self, session.sid, probe.since)
        socket.serve(early)

    def _expect_upgrade(self, sid, since):
        session = self.sockets.get(sid)
        if session and session.probe and session.probe.since == since:
            session.probe.give_up()

    def _shake_hands(self, environ):
        try:
            return websocket.accept(
                environ,
                limit=self.max_http_buffer_size,
                max_pieces=self.max_backlog,
                patience=self.patience,
                engine=self,
                compression=self.compression,
            )
        except (websocket.Refused, OSError):
            raise Refusal(BAD_REQUEST) from None

    def _poll(self, session, environ):
        if session.polling:
            session.close(reason=self.reason.TRANSPORT_ERROR)
            raise Refusal(BAD_REQUEST)
        if session.probe and session.probe.succeeds:
            self.sleep(0.1)  # the client asks again until its WebSocket is open
            return payload([NOOP])
        session.polling = True
        try:
            packets = session.poll()
        finally:
            session.polling = False
        if session.closed and not session.has_packets():
            self.sockets.pop(session.sid, None)
        if was_cancelled(environ):  # what it should have brought is lost: the client begins anew
            session.close(reason=self.reason.TRANSPORT_ERROR)
            raise Refusal(UNKNOWN_SID)
        # CLOSE travels alone: socket.io-client acts on it before the packets that came in the same payload.
        return payload(packets or [CLOSE])

    def _post(self, session, environ):
        if session.posting:
            session.close(reason=self.reason.TRANSPORT_ERROR)
            raise Refusal(BAD_REQUEST)
        session.posting = True
        try:
            body = self._body(environ)
            if session.closing:  # while it came
                raise Refusal(UNKNOWN_SID)
            for text in body.split("\x1e"):
                session.handle(unpacked(text))
        except Malformed:
            session.close(reason=self.reason.TRANSPORT_ERROR)
            raise Refusal(BAD_REQUEST) from None
        except Refusal:
            session.close(reason=self.reason.TRANSPORT_ERROR)
            raise
        finally:
            session.posting = False
        return b"ok"

    def _body(self, environ: dict) -> str:
        limit = self.max_http_buffer_size
        length = environ.get("CONTENT_LENGTH") or ("" if environ.get("wsgi.input_terminated") else "0")
        if length and not length.isdecimal():
            raise Malformed("length")
        if len(length) > 15 or (length and int(length) > limit):
            raise Refusal(TOO_LARGE)
        try:
            body = environ["wsgi.input"].read(int(length) if length else limit + 1)
            if len(body) > limit:
                raise Refusal(TOO_LARGE)
            return body.decode()
        except (OSError, UnicodeDecodeError):
            raise Malformed("body") from None

    def shutdown(self) -> None:
        """Take nobody in any more, close all sessions; waits about a second for their disconnect handlers."""
        self.stopping = True
        sessions = list(self.sockets.values())
        for session in sessions:
            session.close(wait=False, reason=self.reason.SERVER_DISCONNECT, code=frames.GOING_AWAY)
        deadline = time.monotonic() + 1 + len(sessions) * PARTING_SECONDS
        while not all(session.closed for session in sessions) and time.monotonic() < deadline:
            self.sleep(0.01)


def hang_up(environ: dict) -> list:
    """End a request whose connection was a WebSocket, so that the WSGI server writes nothing after it."""
    if "transport.request" in environ:
        return []
    if "werkzeug.socket" in environ:
        raise ConnectionError
    if "gunicorn.socket" in environ:
        raise StopIteration
    return []
