"""HTML views over sockets: the whole board or the parts after a position, then one change after the other."""

import pytest
import requests

from statuspage.database import db
from statuspage.models.incident import Incident
from statuspage.models.status import ServiceStatus, Visibility
from tests.live.place import Place

CHANGE = {"since", "cursor", "html", "title", "say"}


def page_cursor(place: Place) -> str:
    """The position that the page was born with."""
    text = requests.get(f"{place.server.url}/{place.id}", timeout=5).text
    return text.split('data-cursor="')[1].split('"')[0]


def changes(listener, count: int) -> list[dict]:
    listener.until(lambda: len(listener.all("change")) >= count)
    return listener.all("change")


def test_without_a_position_the_whole_board_comes_which_fits_every_position(place, listen):
    listener = listen()
    answer = listener.join(place.id, view="page")
    (board,) = changes(listener, 1)
    assert set(board) == CHANGE
    assert board["since"] is None
    assert board["cursor"] == answer["cursor"] == page_cursor(place)
    assert (answer["replayed"], answer["reset"]) == (1, False)
    for part in ("banner", "incidents", "services", "history"):
        assert f'id="{part}"' in board["html"]
    assert [name for name, _ in listener.heard if name != "head"] == ["change", "joined-organization"]


def test_with_the_pages_position_nothing_comes_until_something_changes(place, listen):
    listener = listen()
    cursor = page_cursor(place)
    assert listener.join(place.id, view="page", cursor=cursor)["replayed"] == 0
    place.flip()
    (change,) = changes(listener, 1)
    assert change["since"] == cursor
    assert f'id="service-{place.services[None]}"' in change["html"]
    assert 'id="history"' not in change["html"]


def test_with_an_older_position_the_parts_after_it_come(place, listen):
    old = page_cursor(place)
    place.flip()
    place.be_seen()
    listener = listen()
    answer = listener.join(place.id, view="page", cursor=old)
    (change,) = changes(listener, 1)
    assert change["since"] == old
    assert change["cursor"] == answer["cursor"]
    assert 'id="banner"' in change["html"]
    assert 'id="history"' not in change["html"]


@pytest.mark.parametrize("cursor", ["other:3", "none", "garbage", "{epoch}:99999", "{epoch}:0"])
def test_a_position_the_board_does_not_know_is_given_the_whole_of_it(place, listen, cursor):
    listener = listen()
    listener.join(place.id, view="page", cursor=cursor.format(epoch=place.epoch))
    (board,) = changes(listener, 1)
    assert board["since"] is None
    assert 'id="history"' in board["html"]


def test_changes_are_a_chain(place, listen):
    listener = listen()
    listener.join(place.id, view="page")
    for number in range(2, 6):
        place.flip()
        changes(listener, number)
    chain = listener.all("change")
    assert [change["since"] for change in chain[1:]] == [change["cursor"] for change in chain[:-1]]
    assert chain[-1]["cursor"] == place.head


def test_what_does_not_show_is_not_pushed_but_known(place, listen):
    """A broadcast changes no part; a later push says since when nothing differed."""
    listener = listen()
    first = listener.join(place.id, view="page")["cursor"]
    place.say(times=3)
    place.flip(place.south)
    place.flip()
    second = changes(listener, 2)[1]
    assert second["since"] == first
    assert second["cursor"] == place.head


def test_a_burst_travels_as_few_changes_and_ends_with_the_last_state(place, listen):
    listener = listen()
    listener.join(place.id, view="page")
    for number in range(20):
        place.update_service(name=f"Name {number}")
    listener.until(lambda: "Name 19" in listener.all("change")[-1]["html"])
    assert len(listener.all("change")) < 15


def test_a_change_says_one_sentence_for_those_who_do_not_see(place, listen):
    listener = listen()
    listener.join(place.id, view="page", cursor=page_cursor(place))
    place.flip()
    (change,) = changes(listener, 1)
    assert change["say"] == "Own: Degraded performance."
    assert "Degraded" in change["title"]


def test_every_room_hears_a_head_of_its_own_position(place, listen):
    """An event elsewhere in the organization puts nobody behind."""
    views = [{}, {"tenantId": place.north}, {"view": "page"}, {"tenantId": place.north, "view": "page"}]
    listeners = [listen() for _ in views]
    cursors = [
        listener.join(place.id, **view)["cursor"] for listener, view in zip(listeners, views, strict=True)
    ]
    place.say(tenant=place.south)
    for listener, cursor in zip(listeners, cursors, strict=True):
        before = len(listener.all("head"))
        listener.until(lambda ear=listener, n=before: len(ear.all("head")) > n + 1)
        assert set(listener.all("head")[-1]) == {"cursor", "build"}
        assert cursor in {head["cursor"] for head in listener.all("head")[before:]}
        assert place.head not in {head["cursor"] for head in listener.all("head")}


def test_an_incident_has_a_live_page_of_its_own_until_it_is_gone(place, listen):
    with place.writing() as organization:
        services = {place.services[None]: ServiceStatus.DEGRADED}
        incident = Incident.open(organization, None, title="Slow", message="We look.", services=services).id
    listener = listen()
    listener.join(place.id, view=f"incident/{incident}")
    assert "We look." in changes(listener, 1)[0]["html"]
    with place.writing():
        find(incident).resolve(message="Mended.")
    change = changes(listener, 2)[1]
    assert "Mended." in change["html"]
    assert change["since"] == listener.all("change")[0]["cursor"]
    with place.writing():
        find(incident).remove()
    gone = place.head
    listener.expect("head", cursor=gone)  # nothing is left to show: the client asks, and is told so
    asked = requests.get(f"{place.server.url}/{place.id}/changes?view=incident/{incident}", timeout=5)
    assert asked.status_code == 404


def find(incident: str) -> Incident:
    return db.session.get(Incident, incident)


def test_a_tenants_page_shows_the_organization_and_the_tenant(place, listen):
    own, north = listen(), listen()
    own.join(place.id, view="page")
    north.join(place.id, tenantId=place.north, view="page")
    place.flip(place.north)
    assert f'id="service-{place.services[place.north]}"' in changes(north, 2)[1]["html"]
    place.flip()
    assert f'id="service-{place.services[None]}"' in changes(north, 3)[2]["html"]
    assert place.services[place.north] not in str(changes(own, 2))


def test_a_new_life_of_the_log_sends_the_whole_board(place, listen):
    listener = listen(place.tokens["viewer"])
    listener.join(place.id, view="page")
    place.update(visibility=Visibility.PRIVATE)
    place.update(visibility=Visibility.PUBLIC)
    listener.until(lambda: [c for c in listener.all("change")[1:] if c["since"] is None])
    assert listener.all("change")[-1]["cursor"].startswith(place.epoch)
