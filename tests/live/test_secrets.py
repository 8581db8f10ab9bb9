"""Who may connect from where, and what is written to the log."""

import json
from collections.abc import Iterator

import pytest
import requests
import websocket

from tests.live.listener import DEADLINE, Listener
from tests.live.place import Place
from tests.server import Server

FRIEND, STRANGER = "https://friend.example", "https://evil.example"


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It logs all that it may, and knows one foreign origin."""
    with Server(tmp_path_factory.mktemp("talkative"), LOG_LEVEL="debug", ORIGINS=FRIEND) as server:
        yield server


def handshake(server: Server, transport: str, origin: str | None) -> int:
    """The status that a handshake from a page of this origin is answered."""
    url = f"{server.url}/socket.io/?EIO=4&transport={transport}"
    if transport == "polling":
        headers = {"Origin": origin} if origin else {}
        return requests.get(url, headers=headers, timeout=DEADLINE).status_code
    try:
        options = {"origin": origin} if origin else {"suppress_origin": True}
        websocket.create_connection(url.replace("http:", "ws:"), timeout=DEADLINE, **options).close()
    except websocket.WebSocketBadStatusException as refusal:
        return refusal.status_code
    return 200


def test_configured_origins_may_connect_and_others_may_not(talkative, transport):
    for origin in (FRIEND, talkative.url, None):
        assert handshake(talkative, transport, origin) == 200, origin
    for origin in (STRANGER, "null", f"{FRIEND}.evil.example", FRIEND.replace("https", "http"), "*"):
        assert handshake(talkative, transport, origin) == 403, origin


def test_a_session_of_a_friend_cannot_be_used_from_a_strangers_page(talkative):
    url = f"{talkative.url}/socket.io/?EIO=4&transport=polling"
    opened = requests.get(url, headers={"Origin": FRIEND}, timeout=DEADLINE)
    assert opened.headers["Access-Control-Allow-Origin"] == FRIEND
    sid = json.loads(opened.text[1:])["sid"]
    stolen = requests.post(f"{url}&sid={sid}", data="40", headers={"Origin": STRANGER}, timeout=DEADLINE)
    assert stolen.status_code == 403
    assert "Access-Control-Allow-Origin" not in stolen.headers


def test_a_debug_log_shows_the_traffic_and_no_secret(talkative, transport):
    place = Place.found(talkative)
    listener = Listener(talkative.url, transport, place.tokens["viewer"])
    secrets = [listener.client.sid, listener.client.eio.sid, place.tokens["viewer"], place.tokens["editor"]]
    listener.ask(
        "authenticate", {"organizationId": place.id, "token": place.tokens["editor"], "scope": "all"}
    )
    listener.ask("authenticate", {"organizationId": place.id, "token": "sp_" + "wrong" * 9})
    listener.expect("incident-update", id=place.say("Private words"))
    requests.get(
        f"{talkative.url}/{place.id}/changes?view=data",
        headers={"Authorization": f"Bearer {place.tokens['editor']}"},
        timeout=DEADLINE,
    )
    place.revoke("viewer")
    listener.emit("ping")
    listener.close()
    log = talkative.log
    for name in ("authenticate", "incident-update", "authentication-error"):
        assert name in log
    for secret in (*secrets, "wrong" * 9, "Private words"):
        assert secret not in log
