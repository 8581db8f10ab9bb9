"""What nobody should send: an answer in words, never a traceback, and others notice nothing."""

import json
from collections.abc import Iterator

import pytest
import requests

from statuspage.config import read
from statuspage.live.connection import PATIENCE

LONG = "x" * 30_000
EVENTS = {"authenticate": "error", "join-organization": "message", "leave-organization": "message"}
NO_OBJECT = ["text", 5, 1.5, True, [], [{}], [["organizationId", "org-456"]]]
NO_TEXT = [5, True, [], {"$ne": ""}]
FIELDS = {
    "authenticate": ["organizationId", "tenantId", "cursor", "view", "scope", "userId", "userRole", "token"],
    "join-organization": ["organizationId", "tenantId", "cursor", "view", "scope"],
    "leave-organization": ["organizationId", "tenantId"],
}
STRANGE = [
    "",
    "x" * 65,
    LONG,
    "\x00",
    "org-456\x00",
    "\ud800",
    "a b",
    "Ünïcode",
    "org\n456",
    "'; DROP TABLE x; --",
]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("data", NO_OBJECT)
def test_anything_but_one_object_is_refused(listen, event, data):
    listener = listen()
    refused = listener.ask(event, data)
    assert refused[EVENTS[event]].endswith(".")
    assert set(listener.ask("ping")) == {"timestamp"}


@pytest.mark.parametrize("event", EVENTS)
def test_a_field_of_the_wrong_kind_is_refused_by_name(place, listen, event):
    listener = listen()
    for field in FIELDS[event]:
        for value in NO_TEXT:
            refused = listener.ask(event, {"organizationId": place.id, field: value})
            assert refused[EVENTS[event]].startswith(f"{field}: "), (field, value)


@pytest.mark.parametrize("event", EVENTS)
def test_strange_text_is_refused(place, listen, event):
    listener = listen()
    for text in STRANGE:
        for wish in ({"organizationId": text}, {"organizationId": place.id, "tenantId": text}):
            assert set(listener.ask(event, wish)) >= {EVENTS[event]}, wish


def test_strange_views_scopes_cursors_and_tokens_are_refused_or_mean_nothing(place, listen):
    listener = listen()
    for more in (
        {"view": "../../etc/passwd"},
        {"view": "page\x00"},
        {"view": "incident/" + "x" * 100},
        {"view": "PAGE"},
        {"scope": "everything"},
        {"cursor": LONG},
        {"cursor": "x" * 65},
        {"token": LONG},
        {"token": ""},
        {"token": "\ud800"},
        {"token": "\x00"},
        {"userId": "\x00"},
        {"userRole": "x" * 21},
        {"userRole": "\ud800"},
    ):
        assert "error" in listener.ask("authenticate", {"organizationId": place.id, **more}), more


@pytest.mark.parametrize("event", [*EVENTS, "ping"])
def test_an_unknown_field_is_refused_and_a_missing_one_is_named(place, listen, event):
    listener = listen()
    words = EVENTS.get(event, "message")
    for field in ("organisationId", "__proto__", "\x00", "\ud800", LONG):
        wish = {field: "x"} if event == "ping" else {"organizationId": place.id, field: "x"}
        refused = listener.ask(event, wish)[words]
        assert len(refused) < 200
    if event != "ping":
        assert listener.ask(event, {})[words].startswith("organizationId: ")


def test_more_than_one_argument_is_refused(place, listen):
    listener = listen()
    answer = listener.client.call("join-organization", ({"organizationId": place.id}, {}), timeout=5)
    assert set(answer) == {"message"}


@pytest.mark.parametrize("event", ["subscribe", "service-update", "message", "", "x" * 500, "\ud800"])
def test_an_unknown_event_is_an_error(listen, event):
    listener = listen()
    assert set(listener.ask(event, {"data": 1})) == {"message"}
    listener.expect("error")


def test_an_event_named_like_the_catch_all_handler_ends_the_connection(listen):
    """It would run that handler with arguments, and so a session id, of the client's choice."""
    listener = listen()
    listener.emit("*", ("ping", listener.client.sid))
    listener.expect_end()


@pytest.mark.parametrize("token", [{"a": 1}, ["x"], 5, LONG, "\x00", "\ud800"])
def test_a_handshake_may_bring_anything_for_a_token(place, listen, token):
    """Text that is no token is refused when it is proved; what is no text is none."""
    answer = listen(token).ask("authenticate", {"organizationId": place.id})
    assert ("error" in answer) == isinstance(token, str)


def test_who_sends_too_much_is_told_so_then_disconnected_and_others_are_not(place, listen):
    rate = read({"SECRET_KEY": "x", "INSTANCE_PATH": str(place.server.folder)})["EVENT_RATE"]
    bystander, flooder = listen(), listen()
    bystander.join(place.id)
    for _ in range(rate):
        flooder.emit("ping")
    flooder.until(lambda: len(flooder.all("pong")) == rate)
    assert "Too many messages" in flooder.ask("ping")["message"]
    for _ in range(PATIENCE):
        flooder.emit("ping")
    flooder.expect_end(10)
    assert len(flooder.all("pong")) == rate
    bystander.expect("incident-update", id=place.say())
    assert set(bystander.ask("ping")) == {"timestamp"}
    assert set(listen().ask("ping")) == {"timestamp"}


def test_a_chunked_body_over_the_limit_is_refused_whole(place):
    """Its length is not announced; what is cut off must not pass for what was sent."""

    def chunks(size: int) -> Iterator[bytes]:
        yield json.dumps({"organizationId": place.id, "name": "Chunked"}).encode()
        for _ in range(size):
            yield b" " * 65536

    def send(size: int) -> int:
        headers = {"Authorization": f"Bearer {place.tokens['editor']}", "Content-Type": "application/json"}
        url = f"{place.server.url}/api/services"
        return requests.post(url, data=chunks(size), headers=headers, timeout=10).status_code

    assert send(40) == 413
    assert send(0) == 201
