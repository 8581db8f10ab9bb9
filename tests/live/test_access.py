"""A right that ends, ends on live connections too, at once, and before anything later is sent."""

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest
import requests
from socketio.exceptions import SocketIOError

from statuspage.live.message import Cursor
from statuspage.models.role import Role
from statuspage.models.status import Visibility
from tests.live.following import KINDS, Watch, follow
from tests.live.listener import Ear, Listener
from tests.live.place import Place

ROUNDS = 60 if os.environ.get("SOAK") else 4
DOORS = list(itertools.product(KINDS, ("data", "page")))


class Case:
    """A change of access: what is watched before it, by those who lose the right and those who keep it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.losers: list[Watch] = []
        self.keepers: list[Watch] = []
        self.change: Callable[[], object] = lambda: None


def token_revoked(place: Place) -> Case:
    case = Case(place)
    case.losers = [Watch(place, whole=True, token=place.tokens["viewer"])]
    case.keepers = [Watch(place, whole=True, token=place.tokens["editor"])]
    case.change = lambda: place.revoke("viewer")
    return case


def tenants_token_revoked(place: Place) -> Case:
    case = Case(place)
    case.losers = [Watch(place, place.south, token=place.tokens["south-editor"])]
    case.keepers = [Watch(place, place.south, token=place.tokens["viewer"])]
    case.change = lambda: place.revoke("south-editor")
    return case


def token_expired(place: Place) -> Case:
    case = Case(place)
    case.losers = [Watch(place, whole=True, token=place.lend(2.0))]
    case.keepers = [Watch(place, whole=True, token=place.tokens["viewer"])]
    return case


def membership_removed(place: Place) -> Case:
    case = Case(place)
    case.losers = [Watch(place, whole=True, token=place.tokens["viewer"])]
    case.keepers = [Watch(place, whole=True, token=place.tokens["editor"])]
    case.change = lambda: place.dismiss("viewer")
    return case


def organization_made_private(place: Place) -> Case:
    case = Case(place)
    case.losers = [Watch(place), Watch(place, place.north)]
    case.keepers = [Watch(place, token=place.tokens["viewer"])]
    case.change = lambda: place.update(visibility=Visibility.PRIVATE)
    return case


def tenant_made_private(place: Place) -> Case:
    case = Case(place)
    case.losers = [Watch(place, place.north)]
    case.keepers = [Watch(place), Watch(place, place.north, token=place.tokens["north-editor"])]
    case.change = lambda: place.update_tenant(place.north, visibility=Visibility.PRIVATE)
    return case


def tenant_deleted(place: Place) -> Case:
    case = Case(place)
    case.losers = [Watch(place, place.north), Watch(place, place.north, token=place.tokens["viewer"])]
    case.keepers = [Watch(place), Watch(place, whole=True, token=place.tokens["viewer"])]
    case.change = lambda: place.delete_tenant(place.north)
    return case


def organization_deleted(place: Place) -> Case:
    case = Case(place)
    case.losers = [Watch(place), Watch(place, whole=True, token=place.tokens["admin"])]
    case.change = place.delete
    return case


CASES = [
    token_revoked,
    tenants_token_revoked,
    token_expired,
    membership_removed,
    organization_made_private,
    tenant_made_private,
    tenant_deleted,
    organization_deleted,
]


@pytest.fixture
def watching() -> Iterator[Callable[[Watch], list[Ear]]]:
    """`watching(watch)`: a connection through every door: each transport, as data and as a page."""
    with ExitStack() as stack:

        def watching(watch: Watch) -> list[Ear]:
            doors = [follow(kind, at(watch, view), start(watch)) for kind, view in DOORS]
            return [stack.enter_context(contextlib.closing(ear)) for ear in doors]

        def start(watch: Watch) -> str:
            return watch.place.head

        yield watching


def at(watch: Watch, view: str) -> Watch:
    return Watch(watch.place, watch.tenant, watch.whole, watch.token, view)


@pytest.mark.parametrize("case_of", CASES, ids=lambda case_of: case_of.__name__)
def test_who_loses_the_right_hears_no_more_and_who_keeps_it_goes_on(place, watching, case_of):
    case = case_of(place)
    losers = [ear for watch in case.losers for ear in watching(watch)]
    keepers = [ear for watch in case.keepers for ear in watching(watch)]
    case.change()
    for loser in losers:
        loser.expect_end()
    if case_of is not organization_deleted:
        place.update_service(name="Secret name")
        place.say("Secret words")
    for keeper in keepers:
        keeper.until(lambda ear=keeper: "Secret" in str(ear.heard))
        assert not keeper.gone
    assert "Secret" not in str([loser.heard for loser in losers])
    for loser in losers:
        if isinstance(loser, Listener):
            assert loser.expect("error").keys() == {"message"}
            assert len(loser.all("error")) == 1
    for watch in case.losers:
        refused = requests.get(
            f"{place.server.url}{watch.path}/changes",
            params=watch.query(None),
            headers=watch.headers,
            timeout=5,
        )
        assert refused.status_code in (401, 404)


@pytest.mark.alone
@pytest.mark.parametrize("case_of", [c for c in CASES if c is not token_expired], ids=lambda c: c.__name__)
def test_within_a_second_of_the_commit(place, watching, case_of):
    """The change is made by another process: no doorbell rings."""
    case = case_of(place)
    losers = [ear for watch in case.losers for ear in watching(watch)]
    case.change()
    committed = time.monotonic()
    for loser in losers:
        loser.expect_end()
    assert time.monotonic() - committed < 1


@pytest.mark.alone
def test_within_a_second_of_the_tokens_last_moment(place, watching):
    token = place.lend(3.0)
    over = time.monotonic() + 3.0
    losers = watching(Watch(place, whole=True, token=token))
    for loser in losers:
        loser.expect_end()
    assert -0.1 < time.monotonic() - over < 1


def test_the_end_of_a_token_opens_no_other_door(place, listen):
    """An ended connection is told why, and its token is refused everywhere."""
    listener = listen(place.tokens["viewer"])
    listener.join(place.id, scope="all")
    place.revoke("viewer")
    listener.expect_end()
    listener.expect("error")
    again = listen(place.tokens["viewer"])
    assert "message" in again.ask("join-organization", {"organizationId": place.id})


def test_a_change_of_access_elsewhere_ends_nobody(place, server, watching):
    """Memberships come and go; those whom it does not concern notice nothing."""
    ears = [*watching(Watch(place)), *watching(Watch(place, whole=True, token=place.tokens["viewer"]))]
    place.revoke("editor")
    place.dismiss("admin")
    place.update_tenant(place.north, visibility=Visibility.PRIVATE)
    place.update_service(name="Fence")
    for ear in ears:
        ear.until(lambda ear=ear: "Fence" in str(ear.heard))
        assert not ear.gone


@pytest.mark.parametrize("door", ["authenticate", "join-organization"])
def test_revoked_in_the_middle_of_a_join_is_revoked(either_server, transport, door):
    """Joins hammer while the token ends: nothing that was written after the revocation is ever heard."""
    place = Place.found(either_server, Visibility.PRIVATE)
    for number in range(ROUNDS):
        name = f"guest-{number}"
        listener = Listener(place.server.url, transport, place.hire(name, Role.VIEWER))
        hammer = threading.Thread(target=join_and_leave, args=(listener, place, door), daemon=True)
        hammer.start()
        listener.until(lambda ear=listener: ear.heard)
        place.say("Before")
        place.revoke(name)
        revoked = place.head
        for _ in range(3):
            place.say(f"Secret {number}.")
        hammer.join(10)
        assert not hammer.is_alive()
        fence(place, transport)
        assert f"Secret {number}." not in str(listener.heard)
        assert all(Cursor.parse(id) < Cursor.parse(revoked) for id in listener.ids)
        listener.close()


def join_and_leave(listener: Listener, place: Place, door: str) -> None:
    """Until refused; each time from the beginning of the log."""
    wish = {"organizationId": place.id, "scope": "all", "cursor": f"{place.epoch}:0"}
    with suppress(SocketIOError, OSError):
        for _ in range(20):
            answer = listener.ask(door, wish)
            if "cursor" not in answer:
                return
            listener.ask("leave-organization", {"organizationId": place.id})


def fence(place: Place, transport: str) -> None:
    """What is delivered to anybody has been delivered when this returns."""
    witness = Listener(place.server.url, transport, place.tokens["editor"])
    witness.join(place.id, scope="all")
    witness.expect("incident-update", id=place.say())
    witness.close()
