"""A small server for test_transport.py, a process of its own: `python transport_app.py '{"option": ...}'`.

Options are those of transport.create(), and `stock: true` for the unmended stack. It prints the port it
listens on, as its first line, and logs to stderr.
"""

import gevent.monkey

gevent.monkey.patch_all()

import json  # noqa: E402
import logging  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import flask  # noqa: E402
import flask_socketio  # noqa: E402
import gevent.event  # noqa: E402

# Alone, without the application around it: the transport needs nothing of it, and this proves it.
sys.path.insert(0, str(Path(__file__).parents[2] / "statuspage" / "live"))

import transport  # noqa: E402

options = json.loads(sys.argv[1] if len(sys.argv) > 1 else "{}")
stock, debug = options.pop("stock", False), options.pop("debug", False)
logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, stream=sys.stderr)

app = flask.Flask(__name__)
app.config["SECRET_KEY"] = "only here"
if stock:
    socketio = flask_socketio.SocketIO(
        app, async_mode="gevent", manage_session=False, async_handlers=False, **options
    )
else:
    socketio = transport.create(app, **{"origins": ["https://friend.example"], **options})

left: list = []  # (name, reason) of every client that left
gate = gevent.event.Event()  # what slow handlers wait for
entered = gevent.event.Event()  # a slow connect handler is running
names: dict = {}


@socketio.on("connect")
def connect(auth):
    auth = auth or {}
    names[flask.request.sid] = auth.get("name")
    if auth.get("slow"):
        entered.set()
        gate.wait()
        flask_socketio.join_room("org:late")
    if auth.get("refused"):
        return False
    if auth.get("broken"):
        raise RuntimeError("connect fails, as told")
    return None


@socketio.on("disconnect")
def disconnect(reason):
    name = names.get(flask.request.sid)
    left.append([name, reason])
    if name == "haunted":
        raise RuntimeError("disconnect fails, as told")


@socketio.on("echo")
def echo(data):
    flask_socketio.emit("echoed", data)
    return data


@socketio.on("whoami")
def whoami(_):
    return {"sid": flask.request.sid, "address": flask.request.remote_addr}


@socketio.on("join")
def join(room):
    flask_socketio.join_room(room)
    return flask_socketio.rooms()


@socketio.on("broken")
def broken(_):
    raise RuntimeError("handler fails, as told")


@socketio.on("slow-join")
def slow_join(room):
    entered.set()
    gate.wait()
    flask_socketio.join_room(room)


@app.get("/state")
def state():
    manager, eio = socketio.server.manager, socketio.server.eio
    rooms = {
        str(room): len(list(manager.get_participants("/", room))) for room in list(manager.rooms.get("/", {}))
    }
    return {
        "rooms": rooms,
        "sessions": len(eio.sockets),
        "environs": len(socketio.server.environ),
        "left": left,
        "entered": entered.is_set(),
        "clients": {str(names.get(s)): s for s, _ in manager.get_participants("/", None)},
    }


@app.post("/gate")
def open_gate():
    gate.set()
    return ""


@app.post("/emit/<room>")
def emit(room):
    """Emit `count` events of `size` characters to a room, the stock way."""
    text = "x" * int(flask.request.args.get("size", 1))
    for number in range(int(flask.request.args.get("count", 1))):
        socketio.emit("news", {"number": number, "text": text}, to=room)
    return ""


@app.post("/send/<sid>")
def send(sid):
    """Send `count` events of `size` characters to one client, all in one go; how often something else ran."""
    text, turns = "x" * int(flask.request.args.get("size", 1)), []
    gevent.spawn(turns.append, 1)
    for number in range(int(flask.request.args.get("count", 1))):
        transport.send(socketio, sid, transport.encode("news", {"number": number, "text": text}))
    return {"yielded": len(turns)}


@app.post("/disconnect/<sid>")
def end(sid):
    turns: list = []
    gevent.spawn(turns.append, 1)
    transport.disconnect(socketio, sid)
    transport.send(socketio, sid, transport.encode("news", {"number": "too late"}))
    return {"yielded": len(turns)}


@app.post("/lose/<sid>")
def lose(sid):
    """Make a ghost: the Engine.IO session is gone, the manager was not told."""
    eio_sid = socketio.server.manager.eio_sid_from_sid(sid, "/")
    socketio.server.eio.sockets.pop(eio_sid).socket.cut()
    return ""


@app.get("/stream")
def stream():
    def lines():
        yield "event: head\ndata: {}\n\n"
        while True:
            gevent.sleep(60)
            yield ": still here\n\n"

    return flask.Response(lines(), mimetype="text/event-stream")


@app.get("/hold")
def hold():
    entered.set()
    gevent.sleep(60)
    return "", 204


def announce():
    while not (socketio.wsgi_server and socketio.wsgi_server.started):
        time.sleep(0.01)
    print(socketio.wsgi_server.server_port, flush=True)


gevent.spawn(announce)
if stock:
    socketio.run(app, host="127.0.0.1", port=0)
else:
    transport.serve(app, socketio, "127.0.0.1", 0)
