"""The reference application of the Engine.IO protocol, version 4: `python engineio_echo.py PORT`."""

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402

import flask  # noqa: E402
import transport  # noqa: E402

app = flask.Flask(__name__)
socketio = transport.create(app, origins=[], ping_interval=0.3, ping_timeout=0.7, max_message_bytes=1_000_000)
engine = socketio.server.eio


@engine.on("message")
def message(sid, data):
    engine.send(sid, data)


transport.serve(app, socketio, "127.0.0.1", int(sys.argv[1]))
