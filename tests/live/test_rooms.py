"""Who hears what: rooms, how they nest, how they are left, what a join replays."""

import pytest

from statuspage.models.scope import Scope
from tests.live.listener import Listener
from tests.live.place import Place


@pytest.fixture
def hears(place: Place):
    """`hears(listener)`: whose events it hears, tried with one of each."""

    def hears(listener: Listener) -> set[str | None]:
        ids = {tenant: place.say(tenant=tenant) for tenant in (place.north, place.south, None)}
        listener.expect("incident-update", id=ids[None])  # the last one: what is not here by now never comes
        return {tenant for tenant, id in ids.items() if id in listener.ids}

    return hears


def test_an_organizations_event_goes_to_the_organization_and_a_tenants_to_the_tenant(place, listen):
    alone, north, south = listen(), listen(), listen(place.tokens["south-editor"])
    alone.join(place.id)
    north.join(place.id, tenantId=place.north)
    south.join(place.id, tenantId=place.south)
    own, to_north, to_south, last = (
        place.flip(),
        place.flip(place.north),
        place.flip(place.south),
        place.say(),
    )
    for listener, expected in (
        (alone, [own, last]),
        (north, [own, to_north, last]),
        (south, [own, to_south, last]),
    ):
        listener.expect("incident-update", id=last)
        assert listener.ids == expected


def test_members_may_hear_the_whole_organization_in_one_chain(place, listen):
    start = place.log(Scope(place.id, whole=True))[-1]
    listener = listen(place.tokens["viewer"])
    listener.join(place.id, scope="all")
    ids = [place.say(tenant=tenant) for tenant in (None, place.north, place.south, None)]
    listener.expect("incident-update", id=ids[-1])
    assert listener.ids == ids
    assert [payload["since"] for payload in listener.all("incident-update")] == [start, *ids[:-1]]


def test_each_room_is_a_chain_in_which_a_gap_would_show(place, listen):
    listener = listen()
    before = place.log(Scope(place.id))[-1], place.log(Scope(place.id, place.north))[-1]
    listener.join(place.id, tenantId=place.north)
    ids = [place.say(tenant=tenant) for tenant in (None, place.north, place.south, place.north, None)]
    listener.expect("incident-update", id=ids[-1])
    own = [p["since"] for p in listener.all("incident-update") if p["tenantId"] is None]
    north = [p["since"] for p in listener.all("incident-update") if p["tenantId"] == place.north]
    assert own == [before[0], ids[0]]
    assert north == [before[1], ids[1]]


@pytest.mark.parametrize("who", [None, "north-editor", "south-editor"])
def test_the_whole_organization_is_for_those_with_a_role_in_all_of_it(place, listen, who):
    listener = listen(place.tokens.get(who))
    refused = listener.ask("join-organization", {"organizationId": place.id, "scope": "all"})
    unknown = listener.ask("join-organization", {"organizationId": "no-such", "scope": "all"})
    assert refused == unknown
    assert set(refused) == {"message"}


def test_the_whole_organization_and_one_tenant_is_a_contradiction(place, listen):
    listener = listen(place.tokens["viewer"])
    wish = {"organizationId": place.id, "tenantId": place.north, "scope": "all"}
    assert set(listener.ask("join-organization", wish)) == {"message"}


def test_leaving_an_organization_leaves_its_tenants(place, listen):
    listener = listen(place.tokens["viewer"])
    listener.join(place.id, tenantId=place.north)
    listener.join(place.id, tenantId=place.south)
    listener.ask("leave-organization", {"organizationId": place.id})
    for tenant in (None, place.north, place.south):
        place.say(tenant=tenant)
    last = place.say()
    listener.join(place.id, cursor=place.head)
    listener.expect("incident-update", id=(fence := place.say()))
    assert last not in listener.ids
    assert listener.ids == [fence]


def test_leaving_a_tenant_keeps_the_organization(place, listen, hears):
    listener = listen()
    listener.join(place.id, tenantId=place.north)
    listener.ask("leave-organization", {"organizationId": place.id, "tenantId": place.north})
    assert hears(listener) == {None}


def test_two_tenants_and_their_organization_are_heard_once_each(place, listen, hears):
    listener = listen(place.tokens["viewer"])
    for wish in ({"tenantId": place.north}, {}, {"tenantId": place.south}, {"tenantId": place.north}):
        listener.join(place.id, **wish)
    assert hears(listener) == {None, place.north, place.south}
    assert len(listener.ids) == len(set(listener.ids))
    listener.ask("leave-organization", {"organizationId": place.id, "tenantId": place.north})
    assert hears(listener) == {None, place.south}
    listener.ask("leave-organization", {"organizationId": place.id, "tenantId": place.south})
    assert hears(listener) == {None}


def test_the_whole_organization_takes_the_place_of_other_rooms(place, listen, hears):
    listener = listen(place.tokens["viewer"])
    listener.join(place.id, tenantId=place.north)
    listener.join(place.id, scope="all")
    listener.join(place.id, tenantId=place.south)
    assert hears(listener) == {None, place.north, place.south}
    assert len(listener.ids) == len(set(listener.ids))


def test_leaving_where_one_is_not_is_an_error(place, listen):
    listener = listen()
    for wish in ({"organizationId": place.id}, {"organizationId": "no-such"}):
        assert set(listener.ask("leave-organization", wish)) == {"message"}
    listener.join(place.id)
    wish = {"organizationId": place.id, "tenantId": place.north}
    assert set(listener.ask("leave-organization", wish)) == {"message"}


def test_a_join_replays_only_rooms_that_are_newly_entered(place, listen):
    start = place.head
    own, north = place.say(), place.say(tenant=place.north)
    listener = listen()
    assert listener.join(place.id, cursor=start)["replayed"] == 1
    assert listener.join(place.id, tenantId=place.north, cursor=start)["replayed"] == 1
    assert listener.join(place.id, tenantId=place.north, cursor=start)["replayed"] == 0
    assert listener.join(place.id, cursor=start)["replayed"] == 0
    assert listener.ids == [own, north]


def test_the_whole_organization_replays_what_its_rooms_did_not_hear(place, listen):
    listener = listen(place.tokens["viewer"])
    start = place.head
    listener.join(place.id)
    south, own = place.say(tenant=place.south), place.say()
    listener.expect("incident-update", id=own)  # so the server knows of the one before it
    assert listener.join(place.id, scope="all", cursor=start)["replayed"] == 1
    assert listener.join(place.id, scope="all", cursor=start)["replayed"] == 0
    last = place.say(tenant=place.north)
    listener.expect("incident-update", id=last)
    assert listener.ids == [own, south, last]


def test_a_connection_in_two_organizations_hears_both_and_leaves_one(place, server, listen):
    other = Place.found(server)
    listener = listen()
    listener.join(place.id)
    listener.join(other.id)
    ids = [place.say(), other.say()]
    listener.until(lambda: set(listener.ids) == set(ids))
    listener.ask("leave-organization", {"organizationId": other.id})
    other.say()
    last = place.say()
    listener.expect("incident-update", id=last)
    assert listener.ids[2:] == [last]


def test_group_settings_and_access_lines_move_no_data_client(place, listen):
    listener = listen()
    listener.join(place.id)
    place.update(name="Renamed")
    place.revoke("viewer")
    last = place.say()
    listener.expect("incident-update", id=last)
    assert {name for name, _ in listener.heard} <= {"joined-organization", "head", "incident-update"}


# --- HTML rooms ------------------------------------------------------------------------------------


def test_a_connection_has_one_html_room(place, server, listen):
    other = Place.found(server)
    listener = listen()
    listener.join(place.id, view="page")
    listener.join(other.id, view="page")
    place.flip()
    other.flip()
    listener.until(lambda: len(listener.all("change")) == 3)
    assert listener.all("change")[2]["cursor"].startswith(other.epoch)
    listener.join(place.id, tenantId=place.north, view="page")
    other.flip()
    place.flip(place.north)
    listener.until(lambda: len(listener.all("change")) == 5)
    assert [c["cursor"].split(":")[0] for c in listener.all("change")[3:]] == [place.epoch] * 2


def test_an_html_room_stands_beside_data_rooms(place, listen):
    listener = listen()
    listener.join(place.id, view="page")
    listener.join(place.id)
    place.flip()
    listener.expect("service-update")
    listener.until(lambda: len(listener.all("change")) == 2)


def test_a_view_that_does_not_exist_is_unknown_and_the_one_before_stays(place, listen):
    listener = listen()
    listener.join(place.id, view="page")
    for view in ("nothing", "incident/none", "page/x", "incident/"):
        refused = listener.ask("join-organization", {"organizationId": place.id, "view": view})
        assert set(refused) == {"message"}
    place.flip()
    listener.until(lambda: len(listener.all("change")) == 2)
