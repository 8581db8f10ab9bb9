"""A packet that the protocols do not allow ends its session cleanly, over either transport."""

import json
import random
import socket

import pytest
import websocket

from tests.live.transport.wire import DEADLINE, POLLING, all_bytes, close_code, handshake, masked, until

MALFORMED = {
    "no packet": "abc",
    "nothing": "",
    "an unknown type": "9",
    "a ping, which is the server's to send": "2",
    "an upgrade of what is upgraded": "5",
    "an empty message": "4",
    "no Socket.IO packet": "4abc",
    "an object": '4{"a":1}',
    "an event without name": "42[]",
    "an event that is no list": '42{"a":1}',
    "an event with a number for a name": "42[1]",
    "an event that plays connect": '42["connect",{}]',
    "an event that plays disconnect": '42["disconnect"]',
    "an event without data": "42",
    "half an event": '42["echo",',
    "a constant that JSON lacks": '42["echo",NaN]',
    "a number of many digits": '42["echo",' + "1" * 5000 + "]",
    "many brackets": '42["echo",' + "[" * 30_000,
    "an id of many digits": "42" + "1" * 200 + '["echo",1]',
    "an unheard-of digit": "42\u0664\u00b2[]",
    "an acknowledgement without id": "43[]",
    "an acknowledgement of nothing": "430[]",
    "an acknowledgement that is no list": '431{"a":1}',
    "a second connect": "40",
    "a connect with a string": '40"me"',
    "a disconnect with data": '41{"a":1}',
    "an error, which is the server's to send": '44{"message":"x"}',
    "a binary event without attachments": '45["echo",1]',
    "too many attachments": '4599-["echo",1]',
    "an event with attachments": '421-["echo",1]',
    "an event of a namespace it is not in": '42/other,["echo",1]',
    "base64": "bAAEC",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_packet_closes_its_websocket_cleanly(site, text):
    name = f"malformed {random.random()}"
    sock, request = handshake(site)
    with sock:
        sock.sendall(request + masked(b"40" + json.dumps({"name": name}).encode()) + masked(text.encode()))
        answer = all_bytes(sock)
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.endswith(b"\x88\x02\x03\xea")  # 1002
    until(lambda: [name, "transport error"] in site.state["left"])


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_payload_is_refused_and_closes_its_polling_session(site, text):
    query = site.polling("polled")
    answer = site.post(query, content=text.encode())
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    assert site.get(query).json() == {"code": 1, "message": "Session ID unknown"}


def test_a_binary_frame_that_belongs_to_nothing_closes_its_websocket_cleanly(site):
    ws = site.client("binary")
    ws.send_binary(b"\x04abc")
    assert close_code(ws) == 1002


def test_an_attachment_that_was_not_announced_closes_its_websocket_cleanly(site):
    ws = site.client("placeholder")
    ws.send('451-["echo",{"_placeholder":true,"num":7}]')
    ws.send_binary(b"only one")
    assert close_code(ws) == 1002


def test_text_in_place_of_an_attachment_closes_its_websocket_cleanly(site):
    ws = site.client("no attachment")
    ws.send('451-["echo",{"_placeholder":true,"num":0}]')
    ws.send('42["echo",1]')
    assert close_code(ws) == 1002


@pytest.mark.parametrize("content", [b"\xff\xfe", b""])
def test_a_body_that_is_no_text_is_refused(site, content):
    query = site.polling("bytes")
    assert site.post(query, content=content).status_code == 400
    assert site.get(query).status_code == 400


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_an_event_before_connect_closes_the_session(site, transport):
    if transport == "websocket":
        ws = site.websocket()
        ws.send('42["echo",1]')
        assert close_code(ws) == 1002
    else:
        query = site.polling()
        assert site.post(query, content='42["echo",1]').status_code == 400
        assert site.get(query).status_code == 400


def test_a_body_that_is_too_long_is_refused_announced_or_not(site):
    for content in (b"4" * 70_000, iter([b"4" * 1000] * 70)):
        query = site.polling("long")
        assert site.post(query, content=content).status_code == 413
        assert site.get(query).status_code == 400


def test_a_body_that_ends_too_early_closes_the_session(site):
    query = site.polling("short")
    with socket.create_connection(("127.0.0.1", site.port), timeout=DEADLINE) as sock:
        head = f"POST /socket.io/?{query} HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\n4"
        sock.sendall(head.encode())
        sock.shutdown(socket.SHUT_WR)
        assert all_bytes(sock).startswith(b"HTTP/1.1 400")
    assert site.get(query).status_code == 400


def test_an_unknown_namespace_is_refused_with_an_object_and_the_session_lives_on(site):
    ws = site.websocket()
    ws.send("40/random,")
    assert ws.recv() == '44/random,{"message":"Invalid namespace"}'
    ws.send("40")
    assert ws.recv().startswith("40{")
    ws.close()


def test_a_handler_that_raises_or_does_not_suit_leaves_its_client_alone(rough):
    before = rough.log.read_text().count("Traceback")
    ws = rough.client("survivor")
    for event in ('["fail",1]', '["echo"]', '["echo",1,2,3]', '["unheard-of",1]', '["echo","still here"]'):
        ws.send("42" + event)
    assert ws.recv() == '42["echoed","still here"]'
    assert rough.log.read_text().count("Traceback") == before + 1  # of the handler that fails
    ws.close()


def test_random_input_neither_raises_nor_stops_the_server(site):
    chance = random.Random(20)
    alphabet = '0123456789[]{}",:-/abcdefg\x1e\x00 \u00e9"echo"\u2028'
    ws, query = site.client("fuzz"), site.polling("fuzz")
    for _ in range(250):
        text = "42"[: chance.randrange(3)] + "".join(chance.choices(alphabet, k=chance.randrange(30)))
        try:
            ws.send(text)
            ws.ping("x")
            while ws.recv_data(control_frame=True)[0] not in (8, 10):
                pass
        except (websocket.WebSocketException, OSError):
            ws = site.client("fuzz")
        if site.post(query, content=text.encode()).status_code == 400:
            query = site.polling("fuzz")
        else:
            site.post(query, content="3")
    assert site.get(POLLING).status_code == 200
