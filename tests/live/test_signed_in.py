"""A browser's session opens every live door, and its end ends what it opened, at once."""

import contextlib
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from statuspage.database import db, transaction
from statuspage.models.membership import organizations_of
from statuspage.models.session import COOKIE, UserSession, find
from statuspage.models.user import User
from tests.live.following import EventStream, HeldPolls, Watch
from tests.live.listener import Ear, Listener
from tests.live.place import Place


@dataclass(frozen=True)
class CookieWatch(Watch):
    """Followed by right of a session's secret, in the browser's cookie."""

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": f"{COOKIE}={self.token}"}


def begin(place: Place, name: str = "editor") -> str:
    """Sign somebody in; the cookie's secret."""
    with place.server.app.app_context(), transaction():
        return UserSession.begin(db.session.get_one(User, place.users[name]))[1]


def end(place: Place, secret: str) -> None:
    """Sign out, as another process."""
    with place.server.app.app_context():
        session = find(db.session(), secret)
        with transaction(*organizations_of(session.user)):
            db.session.get_one(UserSession, session.id).end()


def listen(place: Place, secret: str, transport: str = "websocket") -> Listener:
    return Listener(place.server.url, transport, headers={"Cookie": f"{COOKIE}={secret}"})


def doors(place: Place, secret: str, view: str) -> list[Ear]:
    """The whole organization, over all that there is."""
    watch = CookieWatch(place, whole=True, token=secret, view=view)
    found: list[Ear] = []
    for transport in ("websocket", "polling"):
        listener = listen(place, secret, transport)
        listener.join(place.id, scope="all", view=view)
        found.append(listener)
    return [*found, EventStream(watch, place.head), HeldPolls(watch, place.head)]


@pytest.fixture
def opened(place: Place) -> Iterator[Any]:
    """`opened(secret)`: connections through every door, as data, page and admin screen."""
    with ExitStack() as stack:

        def opened(secret: str) -> list[Ear]:
            ears = [ear for view in ("data", "page", "admin/overview") for ear in doors(place, secret, view)]
            return [stack.enter_context(contextlib.closing(ear)) for ear in ears]

        yield opened


def test_signing_out_ends_every_connection_and_nobody_elses(place, opened):
    leaving, staying = begin(place), begin(place)
    losers, keepers = opened(leaving), opened(staying)
    end(place, leaving)
    for loser in losers:
        loser.expect_end()
    place.update_service(name="Secret name")
    for keeper in keepers:
        keeper.until(lambda ear=keeper: "Secret name" in str(ear.heard))
        assert not keeper.gone
    assert "Secret name" not in str([loser.heard for loser in losers])


@pytest.mark.alone
def test_within_a_second(place, opened):
    secret = begin(place)
    losers = opened(secret)
    end(place, secret)
    committed = time.monotonic()
    for loser in losers:
        loser.expect_end()
    assert time.monotonic() - committed < 1


def test_the_button_does_so_through_the_server(place):
    """As the browser does it: the form of /account."""
    secret = begin(place)
    listener = listen(place, secret)
    listener.join(place.id, scope="all")
    browser = requests.Session()
    browser.cookies.set(COOKIE, secret)
    page = browser.get(f"{place.server.url}/account", timeout=5).text
    token = page.split('name="csrf" value="')[1].split('"')[0]
    sent = {"csrf": token}
    answer = browser.post(f"{place.server.url}/sign-out", data=sent, allow_redirects=False, timeout=5)
    assert answer.status_code == 303
    listener.expect_end(1.5)
    listener.close()


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_the_cookie_of_the_handshake_proves_who_it_is(place, transport):
    listener = listen(place, begin(place), transport)
    claim = {"userId": place.users["editor"], "organizationId": place.id, "userRole": "editor"}
    assert listener.ask("authenticate", claim)["role"] == "editor"
    stranger = {**claim, "userId": place.users["admin"]}
    assert "error" in listener.ask("authenticate", stranger)
    assert "error" in listener.ask("authenticate", {**claim, "userRole": "admin"})
    listener.close()


@pytest.mark.parametrize("secret", ["ss_unknown", "", "sp_token", "ss_" + "x" * 5000])
def test_a_cookie_that_is_no_session_is_a_visitors(place, secret):
    listener = listen(place, secret)
    assert listener.ask("authenticate", {"organizationId": place.id})["role"] == "visitor"
    assert "message" in listener.ask("join-organization", {"organizationId": place.id, "scope": "all"})
    listener.close()


def test_another_sites_page_does_not_get_in_with_the_cookie(place):
    headers = {"Cookie": f"{COOKIE}={begin(place)}", "Origin": "https://evil.example"}
    for transport in ("polling", "websocket"):
        answer = requests.get(
            f"{place.server.url}/socket.io/?EIO=4&transport={transport}", headers=headers, timeout=5
        )
        assert answer.status_code == 403
