"""Ordinary clients are served, over each transport and under each server."""

import json

import pytest
import requests
import socketio

from tests.live.transport.wire import DEADLINE, until


@pytest.mark.parametrize("under", ["serve", "run", "werkzeug"])
def test_a_python_client_is_served_over_each_transport_whatever_server_runs_it(servers, under):
    # The polling client may leave without a word (while a POST is under way): the heartbeat notices.
    site = servers(under, under=under, ping_interval=1, ping_timeout=1)
    for transports in (["websocket"], ["polling"], None):
        with requests.Session() as http, socketio.SimpleClient(http_session=http) as client:
            client.connect(site.url, transports=transports, headers={"Cookie": "flavour=plain"})
            assert client.call("echo", {"text": "für alle"}, timeout=DEADLINE) == {"text": "für alle"}
            assert client.receive(timeout=DEADLINE) == ["echoed", {"text": "für alle"}]
            who = client.call("whoami", {}, timeout=DEADLINE)
            assert (who["address"], who["cookies"]) == ("127.0.0.1", {"flavour": "plain"})
        until(lambda who=who: who["sid"] not in site.state["rooms"])
    assert "Traceback" not in site.log.read_text()


def test_a_burst_reaches_a_polling_client_in_order_and_whole(site):
    query = site.polling("burst")  # by hand: python-engineio's client hands each packet to a thread
    site.http.post(f"/send/{site.state['clients']['burst']}", params={"size": 10, "count": 100})
    numbers: list[int] = []
    while len(numbers) < 100:
        packets = [packet for packet in site.get(query).text.split("\x1e") if packet != "2"]
        numbers += [json.loads(packet[2:])[1]["number"] for packet in packets]
    assert numbers == list(range(100))


def test_a_lone_surrogate_travels_like_any_text(site):
    ws = site.client("surrogate")
    ws.send('421["echo","\\ud800"]')
    assert [ws.recv(), ws.recv()] == ['42["echoed","\\ud800"]', '431["\\ud800"]']
    ws.close()
