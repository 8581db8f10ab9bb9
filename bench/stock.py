"""What a user would write in an hour: Flask-SocketIO on gevent, as its documentation shows."""

from gevent import monkey

monkey.patch_all()

import os
from datetime import UTC, datetime

from flask import Flask, request
from flask_socketio import SocketIO, join_room

app = Flask(__name__)
socketio = SocketIO(
    app,
    async_mode="gevent",
    ping_interval=float(os.environ.get("PING_INTERVAL", "25")),
    cors_allowed_origins="*",
)
log: list[dict] = []  # what was broadcast, for those who come with a cursor


@socketio.on("authenticate")
def authenticate(claim):
    sid = request.sid  # type: ignore[attr-defined]
    join_room(f"org:{claim['organizationId']}")
    if claim.get("tenantId"):
        join_room(f"tenant:{claim['tenantId']}")
    missed = log[int(claim["cursor"].split(":")[1]) :] if "cursor" in claim else []
    for event in missed:
        socketio.emit(event["name"], event, to=sid)
    answer = {
        "success": True,
        "clientId": sid,
        "organizationId": claim["organizationId"],
        "role": "visitor",
        "cursor": position(),
        "replayed": len(missed),
        "timestamp": time(),
    }
    socketio.emit("authenticated", answer, to=sid)
    return answer


@app.post("/api/websocket/broadcast")
def broadcast():
    asked = request.get_json()
    event = {"since": position(), "type": "broadcast", "data": asked["data"], "timestamp": time()}
    event |= {"id": f"stock:{len(log) + 1}", "organizationId": asked["organizationId"], "tenantId": None}
    log.append({"name": asked["type"], **event})
    socketio.emit(asked["type"], event, to=f"org:{asked['organizationId']}")
    return {"success": True, "ids": [event["id"]]}, 202


def position():
    return f"stock:{len(log)}"


def time():
    return datetime.now(UTC).isoformat()


if __name__ == "__main__":
    socketio.run(app, port=int(os.environ["PORT"]), log_output=False)
