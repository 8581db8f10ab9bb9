"""`/changes`: the same changes as answers to questions, at once or held until there is news."""

import threading
import time
from collections.abc import Callable

import pytest
import requests

from statuspage.database import db
from statuspage.models.incident import Incident
from tests.live.place import Place


@pytest.fixture
def ask(place: Place) -> Callable[..., requests.Response]:
    """`ask(cursor, view=…, wait=…)`: one question to the place's /changes."""

    def ask(cursor: str | None = None, headers: dict | None = None, **query) -> requests.Response:
        query = {"cursor": cursor, "view": "data", **query}
        url = f"{place.server.url}/{place.id}/changes"
        return requests.get(url, params=query, headers=headers, timeout=30)

    return ask


def beside(ask: Callable[[], requests.Response]) -> Callable[[], requests.Response]:
    """Ask in a thread; the answer is what the returned function returns."""
    answers: list[requests.Response] = []
    thread = threading.Thread(target=lambda: answers.append(ask()), daemon=True)
    thread.start()

    def answer() -> requests.Response:
        thread.join(10)
        assert answers, "The poll is still held."
        return answers[0]

    return answer


def test_a_first_question_of_data_learns_where_it_is(place, ask):
    place.say()
    place.be_seen()
    assert ask().json() == {"events": [], "cursor": place.head, "reset": False}


def test_no_news_is_204_and_news_are_events(place, ask):
    cursor = ask().json()["cursor"]
    assert ask(cursor).status_code == 204
    assert ask(cursor).content == b""
    ids = [place.flip(), place.say()]
    place.be_seen()
    news = ask(cursor).json()
    assert set(news) == {"events", "cursor", "reset"}
    assert [event["id"] for event in news["events"]] == ids
    assert [event["event"] for event in news["events"]] == ["service-update", "incident-update"]
    assert set(news["events"][0]) == {"event", "id", "since", "type", "data"} | {
        "organizationId",
        "tenantId",
        "timestamp",
    }
    assert news["cursor"] == ids[-1]
    assert ask(news["cursor"]).status_code == 204


def test_news_of_a_page_are_one_change(place, ask):
    board = ask(view="page").json()
    assert set(board) == {"since", "cursor", "html", "title", "say"}
    assert board["since"] is None
    assert ask(board["cursor"], view="page").status_code == 204
    place.flip()
    place.be_seen()
    change = ask(board["cursor"], view="page").json()
    assert (change["since"], change["cursor"]) == (board["cursor"], place.head)
    assert 'id="history"' not in change["html"]
    assert ask("none", view="page").json()["since"] is None


def test_a_long_absence_comes_in_pages(place, ask):
    start = place.head
    place.say(times=1200)
    heard, cursor = [], start
    while (answer := ask(cursor)).status_code == 200:
        news = answer.json()
        assert 0 < len(news["events"]) <= 1000
        heard += [event["id"] for event in news["events"]]
        cursor = news["cursor"]
    assert heard == place.log(after=start)


@pytest.mark.parametrize("view", ["data", "page"])
def test_a_held_question_is_answered_as_soon_as_there_is_news(place, ask, view):
    cursor = ask(view=view).json()["cursor"]
    answer = beside(lambda: ask(cursor, view=view, wait=25))
    place.say(tenant=place.south)  # somebody else's: it is held on
    id = place.flip()
    news = answer().json()
    assert news["cursor"] == id


@pytest.mark.alone
@pytest.mark.parametrize("view", ["data", "page"])
def test_a_held_question_is_current_within_a_second(place, ask, view):
    for _ in range(3):
        cursor = ask(view=view).json()["cursor"]
        answer = beside(lambda cursor=cursor: ask(cursor, view=view, wait=25))
        place.flip()
        committed = time.monotonic()
        assert answer().status_code == 200
        assert time.monotonic() - committed < 1


def test_a_held_question_about_what_is_deleted_is_answered_at_once(place, ask):
    with place.writing() as organization:
        incident = Incident.open(organization, None, title="Slow", message="We look.")
    view = f"incident/{incident.id}"
    cursor = ask(view=view).json()["cursor"]
    answer = beside(lambda: ask(cursor, view=view, wait=25))
    with place.writing():
        db.session.get(Incident, incident.id).remove()
    assert answer().status_code == 404


@pytest.mark.parametrize("view", ["data", "page"])
def test_a_held_question_without_news_is_204_after_its_time(place, ask, view):
    cursor = ask(view=view).json()["cursor"]
    asked = time.monotonic()
    assert ask(cursor, view=view, wait="0.4").status_code == 204
    assert 0.4 <= time.monotonic() - asked < 5


def test_a_question_with_old_news_is_not_held(place, ask):
    old = place.head
    place.flip()
    asked = time.monotonic()
    assert ask(old, wait=25).status_code == 200
    assert ask("garbage", wait=25).json()["reset"] is True
    assert ask("none", view="page", wait=25).status_code == 200
    assert time.monotonic() - asked < 10


@pytest.mark.parametrize("wait", ["-1", "nan", "inf", "soon", "1e400", "\x00", "0x10"])
def test_a_wait_that_is_no_number_of_seconds_is_refused(ask, wait):
    answer = ask(wait=wait, headers={"Accept": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/wait"


@pytest.mark.parametrize("view", ["data", "page"])
def test_an_answer_says_its_build_and_is_not_sent_twice(place, ask, view):
    cursor = place.head
    place.flip()
    first = ask(cursor, view=view)
    assert first.headers["Cache-Control"] == "no-cache"
    assert first.headers["Build"] == ask(first.json()["cursor"], view=view).headers["Build"] != ""
    again = ask(cursor, headers={"If-None-Match": first.headers["ETag"]}, view=view)
    assert (again.status_code, again.content) == (304, b"")
    place.flip()
    place.be_seen()
    assert ask(cursor, headers={"If-None-Match": first.headers["ETag"]}, view=view).status_code == 200


def test_many_held_questions_hold_nothing_that_others_need(place, ask):
    """More than the database has connections."""
    cursor = ask().json()["cursor"]
    held = [beside(lambda: ask(cursor, wait=25)) for _ in range(60)]
    assert ask(cursor).status_code == 204
    id = place.flip()
    assert {answer().json()["cursor"] for answer in held} == {id}
