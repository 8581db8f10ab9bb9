"""A small server for the tests of this folder, a process of its own: `python app.py '{"option": ...}'`.

Options are those of transport.create(), and `under`: which server runs it (serve, run, werkzeug), or `stock`
for the unmended stack; `body_seconds`: how long it waits for a body; `unread`: after how many
milliseconds the kernel gives a connection up; `grace`: what requests have at a stop.
It prints the port that it listens on, as its only line, and logs to stderr.
"""

import json
import sys

options = json.loads(sys.argv[1] if len(sys.argv) > 1 else "{}")
under, debug = options.pop("under", "serve"), options.pop("debug", False)
body_seconds, grace = options.pop("body_seconds", None), options.pop("grace", 2)
unread = options.pop("unread", None)
if under == "werkzeug":
    options["async_mode"] = "threading"
else:
    import gevent
    import gevent.monkey

    gevent.monkey.patch_all()

import ctypes  # noqa: E402
import gc  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import random  # noqa: E402
import socket  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from types import SimpleNamespace  # noqa: E402

import flask  # noqa: E402
import flask_socketio  # noqa: E402
import greenlet  # noqa: E402
import transport  # noqa: E402
from transport import front, process, websocket  # noqa: E402

logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, stream=sys.stderr)
logging.getLogger("werkzeug").setLevel(logging.ERROR)
front.BODY_SECONDS = body_seconds or front.BODY_SECONDS
process.UNREAD_MILLISECONDS = unread or process.UNREAD_MILLISECONDS


class Echo:
    """The owner of a bare WebSocket: each message comes back, text or binary."""

    def __init__(self, bare):
        self.bare = bare

    def take(self, message):
        self.bare.send(message)

    def lost(self, why):
        pass


def echo(environ):
    """Take the request's connection over as a bare WebSocket."""
    bare, early = websocket.accept(
        environ, limit=1 << 24, max_pieces=10_000, patience=20, engine=socketio.server.eio, compression=True
    )
    bare.owner = Echo(bare)
    bare.serve(early)
    return []


class Bare:
    """WSGI: a bare WebSocket at /bare, without Engine.IO on it; all else goes to the application."""

    def __init__(self, wsgi_app):
        self.wsgi_app = wsgi_app

    def __call__(self, environ, start_response):
        return echo(environ) if environ["PATH_INFO"] == "/bare" else self.wsgi_app(environ, start_response)


app = flask.Flask(__name__)
app.wsgi_app = Bare(app.wsgi_app)
if under == "stock":
    socketio = flask_socketio.SocketIO(
        app, async_mode="gevent", manage_session=False, async_handlers=False, **options
    )
else:
    socketio = transport.create(app, **{"origins": ["https://friend.example"], **options})

PAUSE = 0.02  # seconds that the handlers of some clients take

left: list = []  # (name, reason) of every client with a name that left
names: dict = {}  # sid: name
pausing: set = set()  # sids whose handlers take their time
streams: dict = {}  # those on wires, and their wires
gates: dict = {}  # what slow handlers wait for, by the name of their client


def pass_gate():
    gates[names[flask.request.sid]] = gate = threading.Event()
    gate.wait()


@socketio.on("connect")
def connect(auth):
    if (auth or {}).get("name"):
        names[flask.request.sid] = auth["name"]
    if (auth or {}).get("pauses"):
        pausing.add(flask.request.sid)
        socketio.sleep(PAUSE)
        flask_socketio.join_room("org:late")
    if (auth or {}).get("slow"):
        pass_gate()
        flask_socketio.join_room("org:late")
    if (auth or {}).get("broken"):
        raise RuntimeError("connect fails, as told")
    return not (auth or {}).get("refused")


@socketio.on("disconnect")
def disconnect(reason):
    name = names.get(flask.request.sid)
    if name:
        left.append([name, reason])
    if flask.request.sid in pausing:
        socketio.sleep(PAUSE)
        pausing.discard(flask.request.sid)
    if name == "haunted":
        raise RuntimeError("disconnect fails, as told")


@socketio.on("echo")
def echo_event(data):
    flask_socketio.emit("echoed", data)
    return data


@socketio.on("whoami")
def whoami(_):
    request = flask.request
    return {"sid": request.sid, "address": request.remote_addr, "cookies": request.cookies}


@socketio.on("join")
def join(room):
    flask_socketio.join_room(room)


@socketio.on("slow-join")
def slow_join(room):
    pass_gate()
    flask_socketio.join_room(room)


@socketio.on("fail")
def fail(_):
    raise RuntimeError("handler fails, as told")


@app.get("/state")
def state():
    manager = socketio.server.manager
    rooms = list(manager.rooms.get("/", {}))
    return {
        "rooms": {str(room): len(list(manager.get_participants("/", room))) for room in rooms},
        "clients": {str(names.get(sid)): sid for sid, _ in manager.get_participants("/", None)},
        "polls": sum(getattr(s, "polling", 0) for s in list(socketio.server.eio.sockets.values())),
        "posts": sum(getattr(s, "posting", 0) for s in list(socketio.server.eio.sockets.values())),
        "sessions": len(socketio.server.eio.sockets),
        "environs": len(socketio.server.environ),
        "left": left,
        "waiting": [name for name, gate in gates.items() if not gate.is_set()],
    }


@app.get("/census")
def census():
    """What is kept in all for the clients, garbage not counted."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what the C library keeps for later is nobody's
    objects = gc.get_objects()
    return {
        "objects": len(objects),
        "greenlets": sum(isinstance(thing, greenlet.greenlet) for thing in objects),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "kilobytes": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") >> 10,
        "rooms": sum(len(sids) for sids in socketio.server.manager.rooms.get("/", {}).values()),
        "sessions": len(socketio.server.eio.sockets),
        "environs": len(socketio.server.environ),
        "pausing": len(pausing),
        "streams": len(streams),
    }


@app.post("/gate/<name>")
def open_gate(name):
    gates[name].set()
    return ""


@app.get("/delay")
def delay():
    """Whether the connection of this request sends small packets at once."""
    sock = flask.request.environ["transport.request"].socket
    return str(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


@app.post("/emit/<room>")
def emit(room):
    """Emit `count` events of `size` characters to a room or a sid, Flask-SocketIO's way."""
    size, count = int(flask.request.args["size"]), int(flask.request.args["count"])
    for number in range(count):
        socketio.emit("news", {"number": number, "text": "x" * size}, to=room)
    return ""


@app.post("/send/<sid>")
def send(sid):
    """Send `count` events of `size` characters to one client, our way; tells whether another greenlet ran."""
    size, count = int(flask.request.args["size"]), int(flask.request.args["count"])
    with Turns() as turns:
        for number in range(count):
            if session := transport.session(socketio, sid):
                session.send(transport.encode("news", {"number": number, "text": "x" * size}))
    return {"yielded": turns.taken}


@app.post("/broadcast")
def broadcast():
    """Send the events from `first` to `last`, of `size` hexadecimal digits each, to all clients, our way."""
    first, last, size = (int(flask.request.args[name]) for name in ("first", "last", "size"))
    sids = [sid for sid, _ in socketio.server.manager.get_participants("/", None)]
    for number in range(first, last):
        text = random.Random(number).randbytes(size // 2).hex()
        encoded = transport.encode("news", {"number": number, "text": text})
        sessions = filter(None, (transport.session(socketio, sid) for sid in sids))
        for other in transport.spread(encoded, [SimpleNamespace(outlet=session) for session in sessions]):
            other.outlet.send(encoded)
        for wire in list(streams.values()):
            wire.send(b"data: " + text.encode() + b"\n\n")
    return ""


@app.post("/disconnect/<sid>")
def end(sid):
    """Disconnect a client, and send to it afterwards; tells whether another greenlet ran."""
    with Turns() as turns:
        if session := transport.session(socketio, sid):
            session.disconnect()
            session.send(transport.encode("news", {"number": "too late"}))
    return {"yielded": turns.taken}


@app.post("/lose/<sid>")
def lose(sid):
    """Make a ghost: the Engine.IO session goes, the manager is not told."""
    eio_sid = socketio.server.manager.eio_sid_from_sid(sid, "/")
    socketio.server.eio.sockets.pop(eio_sid)
    return ""


@app.get("/stream")
def stream():
    def lines():
        yield "event: head\ndata: {}\n\n"
        while True:
            time.sleep(0.5)
            yield "event: head\ndata: {}\n\n"

    return flask.Response(lines(), mimetype="text/event-stream")


class Events:
    """A stream on a wire of its own, as the product's are."""

    max_pieces = 100

    def serve(self, wire):
        streams[self], wire.reader = wire, self
        wire.send(b"event: head\ndata: {}\n\n")

    def receive(self, data):
        pass

    def lost(self, why):
        del streams[self]

    def close(self):
        """Its client had gone before there was a wire."""


@app.get("/events")
def events():
    flask.request.environ["transport.stream"] = Events()
    return flask.Response(iter(()), mimetype="text/event-stream")


@app.get("/hold")
def hold():
    gates["hold"] = gate = threading.Event()
    gate.wait()
    return "", 204


class Turns:
    """Counts whether another greenlet had its turn inside the block."""

    def __enter__(self):
        self.others: list = []
        gevent.spawn(self.others.append, 1)
        return self

    def __exit__(self, *_):
        self.taken = len(self.others)


def announce():
    while not (socketio.wsgi_server and socketio.wsgi_server.started):
        time.sleep(0.01)
    print(socketio.wsgi_server.server_port, flush=True)


def drain():
    """An application that stops lets its clients go; one named "last" goes when it likes."""
    for sid, _ in list(socketio.server.manager.get_participants("/", None)):
        if names.get(sid) != "last":
            session = transport.session(socketio, sid)
            session.send(transport.encode("drain", {"delay": 1}))
            session.let_go()
    while "last" in names.values() and ["last", "transport close"] not in left:
        time.sleep(0.01)


if under == "werkzeug":
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    print(port, flush=True)
    socketio.run(app, host="127.0.0.1", port=port, allow_unsafe_werkzeug=True)
else:
    threading.Thread(target=announce, daemon=True).start()
    if under == "serve":
        transport.serve(app, socketio, "127.0.0.1", 0, before_stop=drain, grace=grace)
    else:
        socketio.run(app, host="127.0.0.1", port=0)
