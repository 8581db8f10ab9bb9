"""The reference application of the Socket.IO protocol, version 5: `python socketio_reference.py PORT`."""

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402

import flask  # noqa: E402
import transport  # noqa: E402
from flask_socketio import emit  # noqa: E402

app = flask.Flask(__name__)
socketio = transport.create(app, origins=[], ping_interval=0.3, ping_timeout=0.7, connect_timeout=0.6)


@socketio.on("connect")
@socketio.on("connect", namespace="/custom")
def connect(auth):
    emit("auth", auth or {})


@socketio.on("message")
@socketio.on("message", namespace="/custom")
def message(*args):
    emit("message-back", args)


@socketio.on("message-with-ack")
@socketio.on("message-with-ack", namespace="/custom")
def message_with_ack(*args):
    return args


transport.serve(app, socketio, "127.0.0.1", int(sys.argv[1]))
