"""The Engine.IO requests: what is answered, to whom, and how a session lives and ends."""

import json

import httpx
import pytest
import websocket

from tests.live.transport.wire import FRIEND, POLLING, STRANGER, WEBSOCKET, beside, close_code, until

FAULTS = [
    ("GET", "EIO=4", 0, "Transport unknown"),
    ("GET", "EIO=4&transport=flashsocket", 0, "Transport unknown"),
    ("GET", "EIO=4&transport=constructor", 0, "Transport unknown"),
    ("GET", POLLING + "&sid=unknown", 1, "Session ID unknown"),
    ("POST", POLLING + "&sid=unknown", 1, "Session ID unknown"),
    ("GET", WEBSOCKET + "&sid=unknown", 1, "Session ID unknown"),
    ("POST", POLLING, 2, "Bad handshake method"),
    ("PUT", POLLING, 2, "Bad handshake method"),
    ("GET", WEBSOCKET, 3, "Bad request"),
    ("GET", POLLING + "&j=0", 3, "Bad request"),
    ("GET", "transport=polling", 5, "Unsupported protocol version"),
    ("GET", "EIO=3&transport=polling", 5, "Unsupported protocol version"),
    ("GET", "EIO=abc&transport=websocket", 5, "Unsupported protocol version"),
]


@pytest.mark.parametrize(("method", "query", "code", "message"), FAULTS)
def test_a_wrong_request_is_told_what_is_wrong_with_it(site, method, query, code, message):
    answer = site.http.request(method, f"/socket.io/?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"code": code, "message": message}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_a_session_takes_no_other_methods_and_goes_on(site, method):
    query = site.polling()
    assert site.http.request(method, f"/socket.io/?{query}").status_code == 400
    assert site.post(query, content="3").text == "ok"


@pytest.mark.parametrize("query", ["EIO=3&transport=websocket", "EIO=4", WEBSOCKET + "&sid=unknown"])
def test_a_wrong_websocket_request_is_refused_before_the_handshake(site, query):
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        site.raw_websocket(query)
    assert refused.value.status_code == 400


def test_the_handshake_says_what_was_set(start):
    site = start(
        node="fra-1", ping_interval=1.5, ping_timeout=0.25, max_message_bytes=1000, allow_upgrades=False
    )
    opened = json.loads(site.get(POLLING).text[1:])
    assert opened.pop("sid").startswith("fra-1.")
    assert opened == {"upgrades": [], "pingInterval": 1500, "pingTimeout": 250, "maxPayload": 1000}
    query = site.polling()
    with pytest.raises(websocket.WebSocketBadStatusException):
        site.raw_websocket(query.replace("polling", "websocket"))


def test_a_post_is_answered_ok(site):
    answer = site.post(site.polling(), content="3")
    assert (answer.status_code, answer.text) == (200, "ok")


# Origins


@pytest.mark.parametrize(
    ("headers", "welcome"),
    [
        ({}, True),
        ({"Origin": "http://OWN"}, True),
        ({"Origin": FRIEND}, True),
        ({"Origin": STRANGER}, False),
        ({"Origin": "null"}, False),
        ({"Origin": FRIEND + ".evil.example"}, False),
        ({"Origin": "http://127.0.0.1:1"}, False),
        ({"Origin": "https://OWN"}, False),
        ({"Origin": "https://OWN", "X-Forwarded-Proto": "https"}, True),
    ],
)
def test_both_transports_welcome_the_own_and_the_listed_origins_only(site, headers, welcome):
    own = f"127.0.0.1:{site.port}"
    headers = {
        k: v.replace("https://OWN", f"https://{own}").replace("http://OWN", f"http://{own}")
        for k, v in headers.items()
    }
    answer = site.get(POLLING, headers=headers)
    if not welcome:
        assert (answer.status_code, answer.json()) == (403, {"code": 4, "message": "Forbidden"})
        assert "access-control-allow-origin" not in answer.headers
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            site.raw_websocket(header=headers, suppress_origin=True)
        assert refused.value.status_code == 403
        return
    assert answer.status_code == 200
    if "Origin" in headers:
        assert answer.headers["access-control-allow-origin"] == headers["Origin"]
        assert answer.headers["access-control-allow-credentials"] == "true"
    site.websocket(header=headers, suppress_origin=True).close()


def test_a_preflight_is_answered_for_a_friend_only(site):
    wishes = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-token, content-type",
    }
    answer = site.http.options(f"/socket.io/?{POLLING}", headers={"Origin": FRIEND, **wishes})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == FRIEND
    assert answer.headers["access-control-allow-methods"] == "GET, POST, OPTIONS"
    assert answer.headers["access-control-allow-headers"] == "x-token, content-type"
    assert (
        site.http.options(f"/socket.io/?{POLLING}", headers={"Origin": STRANGER, **wishes}).status_code == 403
    )


# The life of a session


def test_two_polls_at_once_close_the_session(site):
    query = site.polling()
    first = beside(httpx.get, f"{site.url}/socket.io/?{query}")
    until(lambda: site.state["polls"])
    assert site.get(query).json() == {"code": 3, "message": "Bad request"}
    assert first().text == "1"
    assert site.get(query).json()["code"] == 1


def test_a_client_that_says_goodbye_has_its_poll_ended(site):
    query = site.polling("polite")
    poll = beside(httpx.get, f"{site.url}/socket.io/?{query}")
    until(lambda: site.state["polls"])
    assert site.post(query, content="1").text == "ok"
    assert poll().text == "6"
    assert site.get(query).status_code == 400
    assert ["polite", "client disconnect"] in site.state["left"]


def test_an_upgrade_ends_the_poll_and_the_websocket_takes_over(site):
    query = site.polling("upgraded")
    poll = beside(httpx.get, f"{site.url}/socket.io/?{query}")
    until(lambda: site.state["polls"])
    ws = site.raw_websocket(query.replace("polling", "websocket"))
    ws.send("2probe")
    assert ws.recv() == "3probe"
    assert poll().text == "6"
    ws.send("5")
    ws.send('42["echo","over"]')
    assert ws.recv() == '42["echoed","over"]'
    for answer in (site.get(query), site.post(query, content="3")):
        assert (answer.status_code, answer.json()["code"]) == (400, 3)
    with pytest.raises(websocket.WebSocketBadStatusException):
        site.raw_websocket(query.replace("polling", "websocket"))
    ws.close()


def test_a_failed_upgrade_leaves_polling_as_it_was(site):
    query = site.polling("steady")
    ws = site.raw_websocket(query.replace("polling", "websocket"))
    ws.send("2nonsense")
    assert close_code(ws) == 1002
    site.post(query, content='42["echo","as before"]')
    assert site.get(query).text == '42["echoed","as before"]'
