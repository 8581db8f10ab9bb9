"""Isolation over Socket.IO: every event that a client may send, with somebody else's ids, as every stranger.

The answers are those that things get which never existed, and nothing is delivered afterwards. A new
event without a row in WISHES fails.
"""

import pytest

from statuspage.models.status import Visibility
from tests.live.place import Place

NOWHERE, NOBODY_THERE = "no-such", "nobody"


def wishes(organization: str, tenant: str) -> list[dict]:
    """What can be wished of a place: each of its scopes and views, from now and from its beginning."""
    return [
        {"organizationId": organization},
        {"organizationId": organization, "cursor": "x:0"},
        {"organizationId": organization, "view": "page"},
        {"organizationId": organization, "scope": "all"},
        {"organizationId": organization, "scope": "all", "view": "admin/overview"},
        {"organizationId": organization, "tenantId": tenant},
        {"organizationId": organization, "tenantId": tenant, "view": "page"},
    ]


WISHES = {
    "authenticate": lambda organization, tenant: [
        *wishes(organization, tenant),
        {"organizationId": organization, "consumerId": "mine"},
        {"organizationId": organization, "tenantId": tenant, "consumerId": "mine"},
    ],
    "ack": lambda organization, tenant: [
        {"id": "x:0"},
        {"id": "x:0", "organizationId": organization, "consumerId": "mine"},
    ],
    "join-organization": wishes,
    "leave-organization": lambda organization, tenant: [
        {"organizationId": organization},
        {"organizationId": organization, "tenantId": tenant},
    ],
    "ping": lambda organization, tenant: [{}],
}
STRANGERS = (None, "viewer", "editor", "admin", "north-editor", "south-editor")


@pytest.fixture
def secret(server) -> Place:
    """A private organization that nobody here belongs to."""
    return Place.found(server, Visibility.PRIVATE)


def test_every_event_has_a_row(app):
    handlers = app.extensions["live"].socketio.server.handlers["/"]
    assert set(handlers) - {"connect", "disconnect", "*"} == set(WISHES)


def without_time(answer: dict) -> dict:
    return {key: value for key, value in answer.items() if key != "timestamp"}


@pytest.mark.parametrize("transport", ["websocket"], indirect=True)
@pytest.mark.parametrize("who", STRANGERS)
def test_a_stranger_joins_hears_and_learns_nothing(place, secret, listen, who):
    """A member of one organization at another; and a sibling's tenant, for members of a tenant."""
    targets = [(secret.id, secret.north)]
    if who in (None, "north-editor"):
        targets.append((place.id, place.south))
    listeners = [listen(place.tokens.get(who)) for _ in targets]
    for listener, (organization, tenant) in zip(listeners, targets, strict=True):
        unknown = NOWHERE if organization == secret.id else place.id
        for event, wishes_of in WISHES.items():
            pairs = zip(wishes_of(organization, tenant), wishes_of(unknown, NOBODY_THERE), strict=True)
            for real, fake in pairs:
                if organization == place.id and "tenantId" not in real:
                    continue  # the organization's own page is for everybody here
                answers = [without_time(listener.ask(event, wish)) for wish in (real, fake)]
                assert answers[0] == answers[1], (event, real)
                assert event == "ping" or answers[0].keys() <= {"error", "message"}, (event, real)
    for tenant in (None, secret.north, secret.south):
        secret.say("Zebra", tenant=tenant)
    place.say("Zebra", tenant=place.south)
    for listener in listeners:
        listener.join(place.id)
    fence = place.say("Fence")
    for listener in listeners:
        listener.expect("incident-update", id=fence)
        assert "Zebra" not in str(listener.heard)
