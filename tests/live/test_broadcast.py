"""A broadcast to everybody: one event in every organization's log, and heard once by those in no room."""

import pytest
import requests
from sqlalchemy import select

from statuspage.database import db, new_id, transaction
from statuspage.models.organization import Organization
from statuspage.models.role import Role
from statuspage.models.token import ApiToken
from statuspage.models.user import User
from tests.live.following import Watch, follow
from tests.live.place import Place


def tell_everybody(server, text: str) -> dict[str, str]:
    """Recorded by another process; the event's id in each organization."""
    with server.app.app_context():
        organizations = db.session.scalars(select(Organization).order_by(Organization.id)).all()
        broadcast = new_id()
        with transaction(*organizations):
            for organization in organizations:
                organization.record(
                    "status-update", "broadcast", broadcast, {"text": text}, broadcast_id=broadcast
                )
            return {o.id: f"{o.epoch}:{o.seq}" for o in organizations}


def heard(listener, text: str) -> list[dict]:
    return [payload for payload in listener.all("status-update") if payload["data"] == {"text": text}]


def test_it_is_heard_in_every_room_with_a_position_and_without_one_by_those_in_none(place, server, listen):
    loner, own, tenant, everything, page = (
        listen(),
        listen(),
        listen(),
        listen(place.tokens["viewer"]),
        listen(),
    )
    own.join(place.id)
    tenant.join(place.id, tenantId=place.north)
    everything.join(place.id, scope="all")
    page.join(place.id, view="page")
    ids = tell_everybody(server, "Hello")
    for listener in (own, tenant, everything):
        listener.expect("status-update", data={"text": "Hello"}, id=ids[place.id])
        assert len(heard(listener, "Hello")) == 1
    payload = loner.expect("status-update", data={"text": "Hello"})
    assert set(payload) == {"type", "data", "organizationId", "tenantId", "timestamp"}
    assert (payload["organizationId"], payload["tenantId"]) == (None, None)
    tell_everybody(server, "Again")  # a fence: what is not here by then never comes
    loner.expect("status-update", data={"text": "Again"})
    assert len(heard(loner, "Hello")) == len(heard(loner, "Again")) == 1
    assert page.all("status-update") == []


def test_it_is_replayed_to_those_who_were_away(place, server, transport):
    start = place.head
    ids = tell_everybody(server, "Hello")
    late = follow(transport, Watch(place), start)
    late.expect("status-update", id=ids[place.id])
    late.close()


def test_who_left_all_rooms_hears_it_again_without_a_position(place, server, listen):
    listener = listen()
    listener.join(place.id)
    listener.ask("leave-organization", {"organizationId": place.id})
    tell_everybody(server, "Hello")
    assert "id" not in listener.expect("status-update", data={"text": "Hello"})


def test_who_was_refused_a_room_is_still_in_none(place, server, listen):
    listener = listen()
    listener.ask("join-organization", {"organizationId": "no-such"})
    listener.ask("join-organization", {"organizationId": place.id, "tenantId": place.south})
    tell_everybody(server, "Hello")
    assert "id" not in listener.expect("status-update", data={"text": "Hello"})


def test_it_is_heard_over_rest_as_well(place, server, listen):
    with server.app.app_context(), transaction():
        operator = User.create(name="operator", operator=True)
        _, token = ApiToken.create(operator, Role.OPERATOR, None)
    loner, own = listen(), listen()
    own.join(place.id)
    answer = post(server, token, {"type": "status-update", "data": {"text": "By hand"}})
    assert answer["success"] is True
    assert own.expect("status-update", data={"text": "By hand"})["id"] in answer["ids"]
    assert "id" not in loner.expect("status-update", data={"text": "By hand"})


@pytest.mark.parametrize("name", ["service-update", "incident-update", "status-update"])
def test_one_by_hand_to_an_organization_stays_there_and_spoils_no_page(place, server, listen, name):
    """Its data may be anything, also what looks like an incident and is none."""
    other = Place.found(server)
    listener, stranger, page = listen(), listen(), listen()
    listener.join(place.id)
    stranger.join(other.id)
    page.join(place.id, view="page")
    data = {"title": 5, "name": None, "status": ["nonsense"]}
    post(server, place.tokens["admin"], {"type": name, "data": data, "organizationId": place.id})
    listener.expect(name, type="broadcast", data=data)
    place.flip()
    page.until(lambda: len(page.all("change")) == 2)
    stranger.expect("incident-update", id=(fence := other.say()))
    assert stranger.ids == [fence]


def post(server, token: str, body: dict) -> dict:
    answer = requests.post(
        f"{server.url}/api/websocket/broadcast",
        json=body,
        headers={"Authorization": f"Bearer {token}"},
        timeout=5,
    )
    assert answer.status_code == 202, answer.text
    return answer.json()
