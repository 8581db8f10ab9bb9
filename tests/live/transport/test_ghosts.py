"""Nobody stays in a room who is gone, whatever its handlers did."""

import httpx

from tests.live.transport.wire import beside, close_code, until


def test_a_session_that_closes_during_its_connect_handler_leaves_no_ghost(site):
    query = site.polling()
    answer = beside(httpx.post, f"{site.url}/socket.io/?{query}", content='40{"name":"hasty","slow":true}')
    until(lambda: "hasty" in site.state["waiting"])
    site.post(query, content="1")
    site.http.post("/gate/hasty")
    answer()
    until(lambda: ["hasty", "transport close"] in site.state["left"])
    assert "hasty" not in site.state["clients"]
    assert "org:late" not in site.state["rooms"]


def test_a_handler_that_waited_while_its_client_left_enters_no_room(site):
    query = site.polling("impatient")
    answer = beside(httpx.post, f"{site.url}/socket.io/?{query}", content='42["slow-join","org:never"]')
    until(lambda: "impatient" in site.state["waiting"])
    site.post(query, content="1")
    until(lambda: ["impatient", "transport error"] in site.state["left"])
    site.http.post("/gate/impatient")
    answer()
    assert "org:never" not in site.state["rooms"]


def test_a_disconnect_handler_that_raises_leaves_no_ghost(rough):
    ws = rough.client("haunted")
    ws.send('42["join","org:haunted"]')
    until(lambda: rough.state["rooms"].get("org:haunted"))
    ws.close()
    until(lambda: "org:haunted" not in rough.state["rooms"])
    assert "haunted" not in rough.state["clients"]


def test_a_connect_handler_that_raises_refuses_the_client_and_leaves_no_ghost(rough):
    ws = rough.websocket()
    ws.send('40{"name":"broken","broken":true}')
    assert ws.recv() == '44{"message":"Connection refused by server"}'
    assert "broken" not in rough.state["clients"]
    ws.close()


def test_sessions_that_never_connect_are_closed(rough):
    ws = rough.websocket()
    query = rough.polling()
    assert close_code(ws) == 1000
    until(lambda: rough.state["sessions"] == 0)
    assert rough.get(query).json() == {"code": 1, "message": "Session ID unknown"}


def test_a_session_that_left_its_namespace_is_closed_too_and_one_that_stays_is_not(rough):
    staying, leaving = rough.client("staying"), rough.client("leaving")
    leaving.send("41")
    assert close_code(leaving) == 1000
    staying.send('42["echo","still here"]')
    assert staying.recv() == '42["echoed","still here"]'
    staying.close()


def test_the_reaper_frees_a_client_whose_session_was_lost(rough):
    ws = rough.client("lost")
    rough.http.post(f"/lose/{ws.sid}")
    until(lambda: "lost" not in rough.state["clients"])
    assert ["lost", "transport error"] in rough.state["left"]
    until(lambda: rough.state["environs"] == rough.state["sessions"])
