"""What a client proves, what it claims, and what it is told when the two do not fit."""

import pytest
import requests

from statuspage.models.role import Role
from statuspage.models.status import Visibility
from tests.live.place import Place


@pytest.fixture
def private(server) -> Place:
    return Place.found(server, Visibility.PRIVATE)


def claim(place: Place, **more):
    return {"organizationId": place.id, **more}


def test_a_token_in_the_handshake_or_in_the_event_proves_and_the_events_one_wins(private, listen):
    for listener, more in (
        (listen(private.tokens["editor"]), {}),
        (listen(), {"token": private.tokens["editor"]}),
        (listen(private.tokens["viewer"]), {"token": private.tokens["editor"]}),
        (listen("sp_nonsense"), {"token": private.tokens["editor"]}),
    ):
        assert listener.ask("authenticate", claim(private, **more))["role"] == "editor"


def test_a_token_given_once_is_enough_for_what_follows(private, listen):
    listener = listen()
    listener.ask("authenticate", claim(private, token=private.tokens["viewer"]))
    listener.join(private.id, tenantId=private.south)
    assert listener.ask("authenticate", claim(private, tenantId=private.north))["role"] == "viewer"


def test_a_join_proves_as_well_as_an_authentication(private, listen):
    listener = listen(private.tokens["viewer"])
    listener.join(private.id, scope="all")
    assert set(listen().ask("join-organization", claim(private))) == {"message"}


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("viewer", {"userId": "somebody-else"}),
        (None, {"userId": "user-123"}),
        (None, {"userRole": "viewer"}),
        (None, {"userRole": "admin"}),
        ("viewer", {"userRole": "editor"}),
        ("editor", {"userRole": "operator"}),
        ("viewer", {"userRole": "nonsense"}),
        ("viewer", {"userRole": "VIEWER"}),
        ("viewer", {"token": "sp_nonsense"}),
        ("south-editor", {"userRole": "editor"}),  # on the organization's own page it is a reader
    ],
)
def test_a_claim_that_is_not_proved_is_refused_in_words(place, listen, who, said):
    listener = listen(place.tokens.get(who))
    refused = listener.ask("authenticate", claim(place, **said))
    assert set(refused) == {"error", "timestamp"}
    assert listener.all("authentication-error") == [refused]
    listener.join(place.id)  # it lives on, as what it was
    listener.expect("incident-update", id=place.say())


@pytest.mark.parametrize("who", [None, "north-editor"])
def test_unknown_and_forbidden_are_told_in_the_same_words(private, place, listen, who):
    """Of an organization, of a tenant, of somebody else's tenant: nobody learns what exists."""
    listener = listen(place.tokens.get(who))
    for event, words in (("authenticate", "error"), ("join-organization", "message")):
        told = {
            listener.ask(event, wish)[words]
            for wish in (
                claim(private),
                claim(private, tenantId=private.north),
                {"organizationId": "no-such"},
                {"organizationId": "no-such", "tenantId": place.north},
                claim(place, tenantId=place.south),
                claim(place, tenantId="no-such"),
                claim(place, tenantId=private.north),
                claim(place, scope="all"),
            )
        }
        assert len(told) == 1


def test_a_token_reaches_its_own_tenant_and_the_organizations_page(private, listen):
    listener = listen(private.tokens["south-editor"])
    assert listener.ask("authenticate", claim(private, tenantId=private.south))["role"] == "editor"
    assert listener.ask("authenticate", claim(private))["role"] == "viewer"
    refused = listener.ask("authenticate", claim(private, tenantId=private.north))
    assert "error" in refused


def test_a_lower_role_caps_this_connection_and_no_other(place, listen):
    capped, full = listen(place.tokens["admin"]), listen(place.tokens["admin"])
    assert capped.ask("authenticate", claim(place, userRole="viewer"))["role"] == "viewer"
    capped.join(place.id, scope="all")
    assert full.ask("authenticate", claim(place))["role"] == "admin"
    listed = requests.get(
        f"{place.server.url}/api/websocket/info",
        params={"organizationId": place.id},
        headers={"Authorization": f"Bearer {place.tokens['admin']}"},
        timeout=5,
    ).json()
    roles = {client["clientId"]: client["role"] for client in listed["clients"]}
    assert sorted(roles.values()) == ["admin", "viewer"]
    assert roles[full.all("authenticated")[0]["clientId"]] == "admin"


def test_a_token_that_ended_proves_nothing(place, listen):
    expired = place.lend(-1)
    place.revoke("editor")
    told = set()
    for token in (expired, place.tokens["editor"], "sp_nonsense", "x" * 200):
        listener = listen()
        told.add(listener.ask("authenticate", claim(place, token=token))["error"])
        assert listener.ask("authenticate", claim(place))["role"] == "visitor"
    assert len(told) == 1


def test_a_token_of_another_place_makes_a_visitor_here(place, server, listen):
    stranger = Place.found(server)
    listener = listen(stranger.tokens["admin"])
    assert listener.ask("authenticate", claim(place))["role"] == "visitor"
    assert "error" in listener.ask("authenticate", claim(place, userRole="viewer"))
    assert "error" in listener.ask("authenticate", claim(place, scope="all"))


def test_a_new_token_takes_over_before_the_old_one_ends(place, listen):
    """Renewing on a live connection: it lives by the newest proof."""
    listener = listen()
    listener.ask("authenticate", claim(place, token=place.tokens["viewer"], scope="all"))
    renewed = place.lend(3600, Role.VIEWER)
    listener.ask("authenticate", claim(place, token=renewed, scope="all"))
    place.revoke("viewer")
    last = place.say(tenant=place.south)
    listener.expect("incident-update", id=last)
    assert not listener.gone
