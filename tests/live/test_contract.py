"""The contract of docs/protocol.md, word by word, kept with unmodified clients over each transport alone."""

import re
from collections.abc import Callable, Iterator

import pytest
import requests

from tests.live.listener import Ear, Listener, NodeListener
from tests.server import Server

CLIENTS = {"python-socketio": Listener, "socket.io-client": NodeListener}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
POSITION = re.compile(r"[0-9a-f]+:\d+")
SEED = {"userId": "user-123", "organizationId": "org-456", "tenantId": "tenant-789", "userRole": "admin"}
EVENT = {"id", "since", "type", "data", "organizationId", "tenantId", "timestamp"}
SERVICE = {"id", "organizationId", "tenantId", "groupId", "name", "description", "status", "ownStatus"} | {
    "position",
    "createdAt",
    "updatedAt",
}


@pytest.fixture(params=CLIENTS)
def kind(request: pytest.FixtureRequest) -> type[Listener] | type[NodeListener]:
    return CLIENTS[request.param]


@pytest.fixture
def connect(server: Server, transport: str, kind) -> Iterator[Callable[..., Ear]]:
    opened = []

    def connect(token: str | None = None) -> Ear:
        opened.append(kind(server.url, transport, token))
        return opened[-1]

    yield connect
    for client in opened:
        client.close()


@pytest.fixture
def api(server: Server) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {server.token}"
        yield session


def test_the_examples_of_the_mission_run_as_they_stand_once_a_token_is_added(server, connect):
    client = connect(server.token)
    answer = client.ask("authenticate", SEED)
    assert set(answer) == {"success", "clientId", "organizationId", "tenantId", "role", "cursor"} | {
        "replayed",
        "reset",
        "timestamp",
    }
    assert (answer["success"], answer["role"], answer["replayed"], answer["reset"]) == (
        True,
        "admin",
        0,
        False,
    )
    assert (answer["organizationId"], answer["tenantId"]) == ("org-456", "tenant-789")
    assert TIME.fullmatch(answer["timestamp"])
    assert POSITION.fullmatch(answer["cursor"])

    joined = client.ask("join-organization", {"organizationId": "org-456"})
    assert set(joined) == {"organizationId", "tenantId", "cursor", "replayed", "reset", "timestamp"}
    assert (joined["organizationId"], joined["tenantId"]) == ("org-456", None)

    left = client.ask("leave-organization", {"organizationId": "org-456"})
    assert set(left) == {"organizationId", "timestamp"}
    assert left["organizationId"] == "org-456"

    pong = client.ask("ping", {})
    assert set(pong) == {"timestamp"}
    assert TIME.fullmatch(pong["timestamp"])


def test_an_acknowledgement_carries_what_is_emitted(server, connect):
    client = connect(server.token)
    for event, data, answer in (
        ("authenticate", SEED, "authenticated"),
        ("authenticate", {**SEED, "userId": "somebody"}, "authentication-error"),
        ("join-organization", {"organizationId": "org-456"}, "joined-organization"),
        ("leave-organization", {"organizationId": "org-456"}, "left-organization"),
        ("join-organization", {"organizationId": "no-such"}, "error"),
        ("ping", {}, "pong"),
        ("ping", None, "pong"),
    ):
        before = len(client.all(answer))
        acknowledged = client.ask(event, data)
        client.until(lambda name=answer, so_far=before: len(client.all(name)) > so_far)
        assert client.all(answer)[before:] == [acknowledged]


def test_a_failure_has_words_and_the_connection_lives_on(server, connect):
    client = connect(server.token)
    refused = client.ask("authenticate", {**SEED, "organizationId": "no-such"})
    assert set(refused) == {"error", "timestamp"}
    assert TIME.fullmatch(refused["timestamp"])
    assert set(client.ask("join-organization", {"organizationId": "no-such"})) == {"message"}
    assert client.ask("authenticate", SEED)["success"] is True


def test_changes_over_rest_arrive_as_they_are_shown_by_rest(server, connect, api):
    client = connect(server.token)
    client.ask("authenticate", SEED)
    url = f"{server.url}/api/services"
    new = {"name": "Test Service", "description": "Test", "organizationId": "org-456"}
    service = api.post(url, json=new, timeout=5).json()
    created = client.expect("service-update", type="created")
    assert set(created) == EVENT
    assert set(created["data"]) == SERVICE
    assert created["data"] == service
    assert (created["organizationId"], created["tenantId"]) == ("org-456", None)
    assert TIME.fullmatch(created["timestamp"])

    service = api.put(f"{url}/{service['id']}", json={"status": "major_outage"}, timeout=5).json()
    changed = client.expect("service-update", type="status-changed")
    assert changed["data"] == service
    assert changed["since"] == created["id"]

    assert api.delete(f"{url}/{service['id']}", timeout=5).ok
    deleted = client.expect("service-update", type="deleted")
    assert deleted["data"] == {"id": service["id"]}
    assert deleted["since"] == changed["id"]


def test_an_incident_is_heard_from_its_opening_to_its_end(server, connect, api):
    client = connect(server.token)
    client.ask("authenticate", SEED)
    url = f"{server.url}/api/incidents"
    new = {"title": "Down", "message": "We look.", "organizationId": "org-456", "impact": "critical"}
    incident = api.post(url, json=new, timeout=5).json()
    opened = client.expect("incident-update", type="created")
    assert set(opened) == EVENT
    assert opened["data"] == incident
    for status, type in (("identified", "updated"), ("resolved", "resolved")):
        said = {"status": status, "message": status}
        assert api.post(f"{url}/{incident['id']}/updates", json=said, timeout=5).ok
        heard = client.expect("incident-update", type=type)
        assert heard["data"] == api.get(f"{url}/{incident['id']}", timeout=5).json()


def test_the_overall_status_follows_its_cause_and_is_no_line_of_the_log(server, connect, api):
    client = connect(server.token)
    client.ask("join-organization", {"organizationId": "org-456"})
    new = {"name": "Doomed", "status": "major_outage", "organizationId": "org-456"}
    service = api.post(f"{server.url}/api/services", json=new, timeout=5).json()
    update = client.expect("status-update")
    names = [name for name, _ in client.heard if name.endswith("-update")]
    assert names[:2] == ["service-update", "status-update"]
    assert set(update) == EVENT - {"id", "since"}
    assert update["data"] == api.get(f"{server.url}/api/status?organizationId=org-456", timeout=5).json()
    assert set(update["data"]) == {"organizationId", "tenantId", "slug", "name", "status", "description"} | {
        "services",
        "openIncidents",
        "cursor",
        "updatedAt",
    }
    assert update["data"]["status"] == "major_outage"
    api.delete(f"{server.url}/api/services/{service['id']}", timeout=5)
    client.until(lambda: len(client.all("status-update")) == 2)


def test_a_head_tells_each_room_its_position_and_the_build(server, connect):
    client = connect(server.token)
    cursor = client.ask("join-organization", {"organizationId": "org-456"})["cursor"]
    head = client.expect("head")
    assert set(head) == {"cursor", "build"}
    assert head["cursor"] == cursor


def test_a_client_is_named_by_something_that_opens_no_door(server, connect):
    """clientId is shown to others: with a session id in it, they could read and write the session."""
    client = connect(server.token)
    name = client.ask("authenticate", SEED)["clientId"]
    poll = f"{server.url}/socket.io/?EIO=4&transport=polling&sid={name}"
    assert requests.get(poll, timeout=5).status_code == 400
