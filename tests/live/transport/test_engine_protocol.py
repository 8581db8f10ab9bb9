"""The Engine.IO protocol (version 4) on its reference application: every message comes back."""

import json
import select
import socket
import time
from http.client import HTTPResponse

import httpx
import pytest
import websocket

from tests.live.transport.wire import POLLING, WEBSOCKET, Reference, beside, close_code, reset, until

OPEN = {"upgrades": ["websocket"], "pingInterval": 300, "pingTimeout": 700, "maxPayload": 1_000_000}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    site = Reference(tmp_path_factory.mktemp("engineio") / "log", "engineio_echo.py")
    yield site
    site.end()


@pytest.fixture
def echo(running):
    yield running
    running.forget()
    said = running.log.read_text()
    assert said == ""


def upgrade(echo, query):
    ws = echo.raw_websocket(query.replace("polling", "websocket"))
    ws.send("2probe")
    assert ws.recv() == "3probe"
    return ws


def poll(echo, query):
    """What a poll brings beside the heartbeat, which it answers."""
    while (text := echo.get(query).text) == "2":
        echo.post(query, content="3")
    return text


def hear(ws):
    """The next message beside the heartbeat, which it answers."""
    while (message := ws.recv()) == "2":
        ws.send("3")
    return message


# Handshake


def test_a_handshake_over_polling_opens_a_session(echo):
    answer = echo.get(POLLING)
    assert (answer.status_code, answer.text[:1]) == (200, "0")
    opened = json.loads(answer.text[1:])
    assert isinstance(opened.pop("sid"), str)
    assert opened == OPEN


def test_a_handshake_over_websocket_opens_a_session_that_needs_no_upgrade(echo):
    opened = echo.websocket().opened
    assert isinstance(opened.pop("sid"), str)
    assert opened == OPEN | {"upgrades": []}


# Messages


@pytest.mark.parametrize("sent", ["4hello", "4one\x1e4two\x1e4three", "4", "4für\u2028 \U0001f600"])
def test_messages_travel_both_ways_over_polling(echo, sent):
    query = echo.polling()
    answer = echo.post(query, content=sent.encode())
    assert (answer.status_code, answer.text) == (200, "ok")
    assert poll(echo, query) == sent


@pytest.mark.parametrize("sent", ["4hello", "4für\u2028 \U0001f600"])
def test_text_travels_both_ways_over_websocket(echo, sent):
    ws = echo.websocket()
    ws.send(sent)
    assert hear(ws) == sent


def test_text_and_bytes_travel_both_ways_over_polling(echo):
    query = echo.polling()
    assert echo.post(query, content="4hello\x1ebAQIDBA==").text == "ok"
    assert poll(echo, query) == "4hello\x1ebAQIDBA=="


def test_bytes_travel_both_ways_over_websocket(echo):
    ws = echo.websocket()
    ws.send_binary(b"\1\2\3\4")
    assert hear(ws) == b"\1\2\3\4"


@pytest.mark.parametrize("sent", ["abc", "7", "b!!", "4fine\x1eabc"])
def test_an_invalid_packet_closes_the_session_over_polling(echo, sent):
    query = echo.polling()
    assert echo.post(query, content=sent).status_code == 400
    assert echo.get(query).status_code == 400


@pytest.mark.parametrize("sent", ["abc", "7", ""])
def test_an_invalid_packet_closes_the_session_over_websocket(echo, sent):
    ws = echo.websocket()
    ws.send(sent)
    assert close_code(ws) == 1002


def test_a_second_poll_closes_the_session_and_both_are_answered(echo):
    said = "2"
    while said == "2":  # a ping came before: once more, with another session
        query = echo.polling()
        first = polling_socket(echo, query)
        second = beside(echo.get, query)
        said = answer(first)
    assert said == "1"
    assert second().status_code == 400
    assert echo.get(query).status_code == 400


def test_a_poll_that_is_cancelled_closes_the_session(echo):
    while True:
        query = echo.polling()
        waiting = polling_socket(echo, query)
        if not select.select([waiting], [], [], 0)[0]:
            break  # else a ping came before: once more, with another session
    reset(waiting)
    assert echo.get(query).status_code == 400


def polling_socket(echo, query):
    """A bare connection whose poll has reached the server."""
    sock = socket.create_connection(("127.0.0.1", echo.port), timeout=5)
    echo.sockets.append(sock)
    sock.sendall(f"GET /socket.io/?{query} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
    for _ in range(2):  # who comes later has been served
        httpx.get(f"{echo.url}/socket.io/?{POLLING}")
    return sock


def answer(sock):
    with HTTPResponse(sock) as response:
        response.begin()
        return response.read().decode()


# Heartbeat


def test_the_heartbeat_over_polling_keeps_a_session(echo):
    query = echo.polling()
    for _ in range(3):
        assert echo.get(query).text == "2"
        assert echo.post(query, content="3").text == "ok"


def test_the_heartbeat_over_websocket_keeps_a_session(echo):
    """Once in 300 milliseconds, no second more or less: longer than the timeout."""
    ws = echo.websocket()
    started = time.monotonic()
    for _ in range(4):
        assert ws.recv() == "2"
        ws.send("3")
    assert 1 < time.monotonic() - started < 3


def test_a_session_that_answers_no_ping_ends_though_it_polls(echo):
    query = echo.polling()
    assert echo.get(query).text == "2"
    last = echo.get(query)
    assert last.text == "1" or last.status_code == 400
    assert echo.get(query).status_code == 400


def test_a_session_that_nobody_polls_ends_with_the_ping_timeout(echo):
    query = echo.polling()
    # A message is refused as soon as the session is gone, and does not look like a sign of life.
    until(lambda: echo.post(query, content="4quiet").status_code == 400, seconds=4)
    assert echo.get(query).status_code == 400


def test_a_websocket_that_answers_no_ping_is_closed(echo):
    ws = echo.websocket()
    assert ws.recv() == "2"
    with pytest.raises(
        (websocket.WebSocketConnectionClosedException, ConnectionError)
    ):  # and no timeout of ours
        ws.recv()


# Close


def test_a_close_packet_ends_the_poll_and_the_session(echo):
    for _ in range(5):  # a ping came before, or the session was over before we were: once more, with another
        query = echo.polling()
        waiting = polling_socket(echo, query)
        posted, said = echo.post(query, content="1"), answer(waiting)
        if posted.status_code == 200 and said != "2":
            break
    assert (posted.text, said) == ("ok", "6")
    assert echo.get(query).status_code == 400


def test_a_close_packet_ends_the_websocket(echo):
    ws = echo.websocket()
    ws.send("1")
    assert close_code(ws) in (1000, 1005)


# Upgrade


def test_an_upgrade_lets_the_next_poll_go_at_once(echo):
    query = echo.polling()
    ws = upgrade(echo, query)
    answer = echo.get(query)
    assert (answer.status_code, answer.text) == (200, "6")
    ws.send("5")
    ws.send("4hello")
    assert hear(ws) == "4hello"


def test_what_was_queued_for_polling_comes_over_the_websocket(echo):
    query = echo.polling()
    echo.post(query, content="4before")
    ws = upgrade(echo, query)
    ws.send("5")
    ws.send("4after")
    assert [hear(ws), hear(ws)] == ["4before", "4after"]


def test_no_message_is_lost_or_doubled_while_a_poll_meets_an_upgrade(echo):
    query = echo.polling()
    waiting = beside(httpx.get, f"{echo.url}/socket.io/?{query}", timeout=5)
    ws = upgrade(echo, query)
    echo.post(query, content="4between")
    polled = waiting().text.split("\x1e")
    ws.send("5")
    ws.send("4after")
    heard = [hear(ws)]
    while heard[-1] != "4after":
        heard.append(hear(ws))
    messages = [text for text in polled + heard if text[:1] == "4"]
    assert messages == ["4between", "4after"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_upgraded_session_refuses_http_and_goes_on(echo, method):
    query = echo.polling()
    ws = upgrade(echo, query)
    ws.send("5")
    ws.send("4ready")
    assert hear(ws) == "4ready"
    assert echo.http.request(method, f"/socket.io/?{query}", content="3").status_code == 400
    ws.send("4hello")
    assert hear(ws) == "4hello"


@pytest.mark.parametrize("finished", [True, False], ids=["upgraded", "probing"])
def test_a_second_websocket_of_a_session_is_refused_and_the_first_goes_on(echo, finished):
    query = echo.polling()
    ws = upgrade(echo, query)
    if finished:
        ws.send("5")
    with pytest.raises(websocket.WebSocketBadStatusException):
        echo.raw_websocket(query.replace("polling", "websocket")).recv()
    if not finished:
        ws.send("5")
    ws.send("4hello")
    assert hear(ws) == "4hello"


def test_a_websocket_that_opens_a_session_needs_no_probe_and_takes_none(echo):
    ws = echo.websocket(WEBSOCKET)
    ws.send("2probe")
    assert close_code(ws) == 1002
