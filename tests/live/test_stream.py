"""Server-sent events, byte by byte (WHATWG HTML, server-sent events), as data and as a page."""

import contextlib
import http.client
import re
from collections.abc import Callable, Iterator
from unittest.mock import Mock

import pytest
import requests

from statuspage.live import entry
from statuspage.live.stream import Stream
from statuspage.models.access import NOBODY
from tests.live.following import EventStream, Watch
from tests.live.place import Place

JSON = {"Accept": "application/json"}


@pytest.fixture
def stream(place: Place) -> Iterator[Callable[..., EventStream]]:
    with contextlib.ExitStack() as stack:

        def stream(cursor: str | None = None, view: str = "data", **more) -> EventStream:
            ear = EventStream(Watch(place, view=view), cursor, **more)
            return stack.enter_context(contextlib.closing(ear))

        yield stream


@pytest.mark.parametrize("view", ["data", "page"])
def test_a_stream_is_what_every_proxy_and_browser_takes_for_one(place, stream, view):
    ear = stream(place.head, view)
    headers = ear.answer.headers
    assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert headers["Cache-Control"] == "no-cache, no-transform"
    assert headers["X-Accel-Buffering"] == "no"
    assert headers["Content-Encoding"] is None


@pytest.mark.parametrize("view", ["data", "page"])
def test_a_stream_begins_with_when_to_come_back_and_a_head(place, stream, view):
    ear = stream(view=view)
    retry, head = bytes(ear.raw).decode().split("\n\n")[:2]
    assert re.fullmatch(r"retry: \d{4}", retry)
    assert re.fullmatch(r'event: head\ndata: \{"cursor":"[0-9a-f]+:\d+","build":"[^"]+"\}', head)


def test_retries_are_spread(place, stream):
    assert len({bytes(stream().raw).split(b"\n")[0] for _ in range(6)}) > 1


def test_heads_keep_a_stream_alive_without_moving_its_position(place, stream):
    ear = stream(place.head)
    id = place.say()
    ear.expect("incident-update", id=id)
    heads = len(ear.all("head"))
    ear.until(lambda: len(ear.all("head")) > heads + 1)
    assert ear.last_id == id
    assert all("id:" not in block for block in blocks(ear) if "event: head" in block)


def blocks(ear: EventStream) -> list[str]:
    return bytes(ear.raw).decode().split("\n\n")[:-1]


def test_every_event_of_data_carries_its_name_and_position(place, stream):
    ear = stream(place.head)
    own = place.flip()
    ear.expect("status-update")
    ear.expect("incident-update", id=(other := place.say("two\nlines\r\nand \u2028 more")))
    assert b"\r" not in ear.raw
    found = [
        block.split("\n")[:2]
        for block in blocks(ear)
        if "event: service" in block or "event: incident" in block
    ]
    assert found == [
        [f"id: {own}", "event: service-update"],
        [f"id: {other}", "event: incident-update"],
    ]
    status = next(block for block in blocks(ear) if "event: status-update" in block)
    assert "id:" not in status
    assert ear.all("incident-update")[0]["data"]["text"] == "two\nlines\r\nand \u2028 more"


def test_a_page_is_pushed_in_single_lines_of_data(place, stream):
    ear = stream(view="page")
    place.flip()
    ear.until(lambda: len(ear.all("change")) == 2)
    for block in blocks(ear)[1:]:
        assert re.fullmatch(r"(id: [^\n]+\n)?event: \w+\ndata: [^\n]+", block)
    assert ear.last_id == place.head == ear.all("change")[1]["cursor"]
    assert ear.all("change")[0]["since"] is None


def test_a_reset_moves_the_position_so_that_the_next_return_goes_on_from_there(place, stream):
    ear = stream("another-life:1", "data")
    cursor = ear.expect("reset")["cursor"]
    assert ear.last_id == cursor


@pytest.mark.parametrize("view", ["data", "page"])
def test_the_last_event_id_wins_over_the_cursor_of_the_url(place, stream, view):
    """After a reconnect the browser sends it, and the URL's cursor is stale."""
    stale = place.flip()
    first = stream(stale, view)
    place.update_service(name="First")
    first.until(lambda: "First" in str(first.heard))
    place.update_service(name="Second")
    again = stream(stale, view, last_event_id=first.last_id)
    again.until(lambda: "Second" in str(again.heard))
    assert "First" not in str(again.heard)
    assert first.last_id in str(again.heard)  # as the `since` of what came


@pytest.mark.parametrize(
    "query",
    [
        "view=nothing",
        "view=incident/none",
        "view=incident/%00",
        "view=" + "x" * 3000,
        "scope=everything",
        "scope=all",
        "view=data&scope=%00",
    ],
)
@pytest.mark.parametrize("door", ["stream", "changes"])
def test_a_bad_question_is_refused_in_words(place, door, query):
    answer = requests.get(f"{place.server.url}/{place.id}/{door}?{query}", headers=JSON, timeout=5)
    assert answer.status_code in (401, 404, 422)
    assert answer.json()["detail"].endswith(".")


@pytest.mark.parametrize("door", ["stream", "changes"])
def test_unknown_and_forbidden_are_answered_alike(place, door):
    told = set()
    for path in ("no-such", f"{place.id}/no-such", f"{place.id}/{place.south}", "%00", f"{place.id}/south"):
        answer = requests.get(f"{place.server.url}/{path}/{door}", headers=JSON, timeout=5)
        told.add((answer.status_code, answer.text))
    assert len(told) == 1
    assert told.pop()[0] == 404


def test_a_bad_token_is_refused_and_no_visitor(place):
    headers = {"Authorization": "Bearer sp_nonsense"}
    assert (
        requests.get(f"{place.server.url}/{place.id}/stream", headers=headers, timeout=5).status_code == 401
    )


def test_a_slow_reader_gets_every_byte_in_order_or_a_clean_cut_and_the_others_get_all(place, stream):
    begin = place.head
    slow, others = stream(begin, stalled=True), [stream(begin) for _ in range(5)]
    heard = bytearray()
    for _ in range(10):
        last = place.say("x" * 16_000, times=40)
        heard += slow.answer.read1(1024)
        for ear in others:
            ear.expect("incident-update", id=last)
    whole = changes(others[0].raw)
    assert len(whole) == 400
    assert all(changes(ear.raw) == whole for ear in others)
    with contextlib.suppress(http.client.IncompleteRead, ConnectionError):  # it may have been cut
        while whole[-1] not in heard:
            heard += slow.answer.read1(65536)
    *got, rest = changes(heard, partly=True)
    assert len(got) > 0
    assert got == whole[: len(got)]
    assert len(got) == len(whole) or whole[len(got)].startswith(rest)


def changes(raw: bytes, partly: bool = False) -> list[bytes]:
    """The blocks that carry an id, and at the end, if asked for, what came of the next one."""
    *whole, rest = bytes(raw).split(b"\n\n")
    carried = [block for block in whole if block.startswith(b"id:")]
    return [*carried, rest if rest.startswith(b"id:") else b""] if partly else carried


def test_a_stream_that_cannot_be_caught_up_ends_and_its_client_comes_back(app, cast, monkeypatch, caplog):
    """It would sit in no room: alive, and deaf."""

    def fail(*_: object) -> None:
        raise RuntimeError("of this test")

    monkeypatch.setattr(entry, "enter_data", fail)
    channel = app.extensions["live"].hub.channel("org-456")
    stream = Stream(channel, cast.acme.scope, "data", NOBODY, "1:0")
    wire = Mock(unsent=None)
    stream.serve(wire)
    wire.finish.assert_called_once()
    assert "could not be caught up" in caplog.text
    stream.close()
