"""The Socket.IO protocol (version 5) on its reference application: `auth`, `message`, `message-with-ack`."""

import json

import pytest

from tests.live.transport.wire import Reference, close_code

TWO_BYTES = '[%s{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    site = Reference(tmp_path_factory.mktemp("socketio") / "log", "socketio_reference.py")
    yield site
    site.end()


@pytest.fixture
def reference(running):
    yield running
    running.forget()
    said = running.log.read_text()
    assert "Traceback" not in said, said


@pytest.fixture
def ws(reference):
    """A client in the main namespace."""
    return joined(reference.websocket())


def joined(ws, namespace=""):
    ws.send(f"40{namespace}")
    assert {hear(ws)[: len(namespace) + 2] for _ in range(2)} == {f"40{namespace}", f"42{namespace}"}
    return ws


def hear(ws):
    """The next message beside the heartbeat, which it answers."""
    while (message := ws.recv()) == "2":
        ws.send("3")
    return message


# Connect


@pytest.mark.parametrize("namespace", ["", "/custom,"], ids=["main", "custom"])
@pytest.mark.parametrize("auth", ["", '{"token":"123"}', '{"token":"für \U0001f600","deep":[{"er":null}]}'])
def test_who_connects_is_told_the_sid_and_then_what_the_handler_says(reference, namespace, auth):
    ws = reference.websocket()
    ws.send(f"40{namespace}{auth}")
    connected = hear(ws)
    assert connected.startswith(f"40{namespace}{{")
    greeting = json.loads(connected[2 + len(namespace) :])
    assert set(greeting) == {"sid"}
    assert greeting["sid"] not in ("", ws.opened["sid"])
    said = hear(ws)
    assert said.startswith(f"42{namespace}[")
    assert json.loads(said[2 + len(namespace) :]) == ["auth", json.loads(auth or "{}")]


def test_the_comma_after_a_namespace_may_be_missing(reference):
    joined(reference.websocket(), "/custom")


@pytest.mark.parametrize("sent", ["40/random", "40/random,", '40/random,{"token":"123"}'])
def test_an_unknown_namespace_is_refused(reference, sent):
    ws = reference.websocket()
    ws.send(sent)
    assert hear(ws) == '44/random,{"message":"Invalid namespace"}'


@pytest.mark.parametrize("sent", ["4abc", '42["message",1]', "43456[]", "41"])
def test_anything_but_connect_at_first_closes_the_connection(reference, sent):
    ws = reference.websocket()
    ws.send(sent)
    assert close_code(ws) == 1002


def test_who_never_connects_is_closed_though_the_heartbeat_is_answered(reference):
    ws = reference.websocket()
    while hear(ws):
        pass
    assert not ws.connected


# Disconnect


def test_who_disconnects_keeps_the_connection(ws):
    ws.send("41")
    assert ws.recv() == "2"


def test_one_namespace_may_be_left_while_the_other_goes_on(ws):
    joined(ws, "/custom")
    ws.send("41/custom")
    ws.send('42["message","to the main namespace"]')
    assert hear(ws) == '42["message-back","to the main namespace"]'


def test_a_namespace_that_was_left_may_be_joined_again(ws):
    ws.send("41")
    joined(ws)
    ws.send('42["message",1]')
    assert hear(ws) == '42["message-back",1]'


# Messages


@pytest.mark.parametrize("namespace", ["", "/custom,"], ids=["main", "custom"])
@pytest.mark.parametrize("arguments", ['1,"2",{"3":[true]}', "null", '"für \\ud83d\\ude00",[],{},-1.5,""'])
def test_an_event_comes_back_with_its_arguments(reference, namespace, arguments):
    ws = joined(reference.websocket(), namespace)
    ws.send(f'42{namespace}["message",{arguments}]')
    heard = hear(ws)
    assert heard.startswith(f"42{namespace}[")
    assert json.loads(heard[2 + len(namespace) :]) == ["message-back", *json.loads(f"[{arguments}]")]


@pytest.mark.parametrize("namespace", ["", "/custom,"], ids=["main", "custom"])
@pytest.mark.parametrize("number", ["0", "456"])
def test_an_acknowledgement_brings_the_arguments(reference, namespace, number):
    ws = joined(reference.websocket(), namespace)
    ws.send(f'42{namespace}{number}["message-with-ack",1,"2",{{"3":[false]}}]')
    assert hear(ws) == f'43{namespace}{number}[1,"2",{{"3":[false]}}]'


def test_an_event_with_bytes_comes_back_with_them(ws):
    ws.send("452-" + TWO_BYTES % '"message",')
    ws.send_binary(b"\1\2\3")
    ws.send_binary(b"\4\5\6")
    assert [hear(ws) for _ in range(3)] == ["452-" + TWO_BYTES % '"message-back",', b"\1\2\3", b"\4\5\6"]


def test_an_acknowledgement_brings_bytes(ws):
    ws.send("452-789" + TWO_BYTES % '"message-with-ack",')
    ws.send_binary(b"\1\2\3")
    ws.send_binary(b"\4\5\6")
    assert [hear(ws) for _ in range(3)] == ["462-789" + TWO_BYTES % "", b"\1\2\3", b"\4\5\6"]


@pytest.mark.parametrize(
    "sent",
    [
        "4abc",
        "42{}",
        '42abc["message-with-ack",1,"2",{"3":[false]}]',
        '451-["message",{"_placeholder":true,"num":1}]',
        '45-["message"]',
        '45999999999-["message"]',
        "44{}",
        "48",
    ],
)
def test_an_invalid_packet_closes_the_connection(ws, sent):
    ws.send(sent)
    ws.send_binary(b"")  # a binary event is judged when its last attachment is here, at the latest
    assert close_code(ws) == 1002


def test_bytes_that_nothing_announced_close_the_connection(ws):
    ws.send_binary(b"\1\2\3")
    assert close_code(ws) == 1002
