"""What was missed comes first, then what is live: once each, in order, whatever it travels over."""

from collections.abc import Callable, Iterator

import pytest

from statuspage.models.status import Visibility
from tests.live.following import KINDS, Watch, follow
from tests.live.listener import Ear
from tests.live.place import Place


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def resume(kind: str, place: Place) -> Iterator[Callable[..., Ear]]:
    opened: list[Ear] = []

    def resume(cursor: str | None = None, watch: Watch | None = None) -> Ear:
        opened.append(follow(kind, watch or Watch(place), cursor))
        return opened[-1]

    yield resume
    for follower in opened:
        follower.close()


@pytest.mark.parametrize("whole", [False, True])
def test_what_came_after_the_cursor_comes_first_then_what_is_live(place, resume, whole):
    start = place.head
    for tenant in (None, place.north, place.south, None, place.north):
        place.say(tenant=tenant)
    watch = Watch.everything(place) if whole else Watch(place, place.north)
    follower = resume(start, watch)
    last = place.say()
    follower.expect("incident-update", id=last)
    assert follower.ids == place.log(watch.scope, start)


def test_a_follower_in_the_middle_gets_the_rest(place, resume):
    for _ in range(4):
        place.say()
    log = place.log()
    follower = resume(log[-3])
    follower.until(lambda: len(follower.ids) == 2)
    follower.expect("incident-update", id=(last := place.say()))
    assert follower.ids == [*log[-2:], last]


def test_events_are_chained_so_that_a_gap_would_show(place, resume):
    start = place.say()
    place.say(times=3)
    place.say(tenant=place.north)
    follower = resume(start)
    follower.expect("incident-update", id=(last := place.say()))
    events = follower.all("incident-update")
    assert [event["since"] for event in events] == [start, *(event["id"] for event in events[:-1])]
    assert events[-1]["id"] == last


@pytest.mark.parametrize("behind", [600, 2300])
def test_a_long_absence_is_made_up_for_event_by_event(place, resume, behind):
    """More than a page of the log; more than memory keeps and than a queue holds."""
    start = place.head
    place.say(times=behind)
    follower = resume(start)
    follower.until(lambda: len(follower.ids) >= behind, 20)
    follower.expect("incident-update", id=place.say())
    assert follower.ids == place.log(after=start)


@pytest.mark.parametrize("remembered", [600, 1000])
def test_a_long_absence_is_made_up_for_from_memory_too(place, resume, remembered):
    """The server watched while it was written: nothing is read from the log."""
    witness = resume()
    start = place.head
    place.say(times=remembered)
    witness.until(lambda: len(witness.ids) == remembered, 20)
    follower = resume(start)
    follower.until(lambda: len(follower.ids) >= remembered, 20)
    follower.expect("incident-update", id=place.say())
    assert follower.ids == place.log(after=start)


@pytest.mark.parametrize(
    "cursor", ["other:3", "garbage", "none", "\x00", "{epoch}:99999", "{epoch}:-1", "{epoch}:x"]
)
def test_a_position_that_means_nothing_here_starts_over(place, resume, cursor):
    place.say()
    follower = resume(cursor.format(epoch=place.epoch))
    reset = follower.expect("reset")
    assert set(reset) == {"cursor"}
    assert follower.ids == []
    later = place.say()
    follower.expect("incident-update", id=later)
    assert follower.ids == [later]


def test_a_position_that_is_not_to_be_had_any_more_starts_over(place, resume):
    old = place.say()
    place.say(times=2)
    kept = place.head
    place.prune(int(kept.split(":")[1]))
    follower = resume(old)
    assert follower.expect("reset") == {"cursor": kept}
    fitting = resume(kept)
    last = place.say()
    for one in (follower, fitting):
        one.expect("incident-update", id=last)
        assert one.ids == [last]
    assert fitting.all("reset") == []


def test_a_new_life_of_the_log_starts_everybody_over(place, resume):
    """While connected: private, and public again."""
    follower = resume(watch=Watch.everything(place))
    old = place.say()
    follower.expect("incident-update", id=old)
    place.update(visibility=Visibility.PRIVATE)
    place.update(visibility=Visibility.PUBLIC)
    reset = follower.expect("reset")
    assert reset["cursor"].split(":")[0] == place.epoch != old.split(":")[0]
    later = place.say()
    follower.expect("incident-update", id=later)
    assert follower.ids == [old, later]


def test_a_private_past_is_not_to_be_had_once_the_page_is_public(server, resume):
    """Neither with a cursor from then, nor with a guessed one."""
    place = Place.found(server, Visibility.PRIVATE)
    member = resume(watch=Watch.everything(place))  # so that the server remembers it all
    place.say("Secret", times=3)
    member.until(lambda: len(member.ids) == 3)
    old = place.log()
    place.update(visibility=Visibility.PUBLIC)
    guesses = [f"{place.epoch}:{number}" for number in range(int(place.head.split(":")[1]))]
    for cursor in (old[0], old[-1], guesses[0], guesses[-4], guesses[-1]):
        follower = resume(cursor, Watch(place))
        follower.expect("reset")
        assert "Secret" not in str(follower.heard)


def test_what_was_edited_or_deleted_is_replayed_without_its_old_words(place, resume):
    start = place.head
    follower = resume(start)
    place.update_service(name="Old name")
    place.update_service(name="New name")
    follower.until(lambda: "New name" in str(follower.heard))
    late = resume(start)
    late.expect("incident-update", id=place.say())
    assert "Old name" not in str(late.heard)
    assert "New name" in str(late.heard)
    assert late.ids == place.log(after=start)


@pytest.mark.parametrize("kind", ["websocket"], indirect=True)  # all kinds ask the same memory
def test_what_a_deleted_tenant_was_told_is_replayed_to_nobody(place, resume):
    """From memory too: the server watched while it was written."""
    start = place.head
    witness = resume(start, Watch.everything(place))
    place.say("Old words", tenant=place.south)
    witness.until(lambda: "Old words" in str(witness.heard))
    place.delete_tenant(place.south)
    witness.expect("service-update", type="deleted")
    late = resume(start, Watch.everything(place))
    late.expect("incident-update", id=place.say("New words"))
    assert "Old words" not in str(late.heard)
    assert late.ids == place.log(Watch.everything(place).scope, start)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "changes"], indirect=True)
def test_a_replay_ends_with_the_overall_status(place, resume):
    """(An answer of /changes carries lines of the log only; its client reads the status over REST.)"""
    start = place.head
    place.flip()
    follower = resume(start)
    status = follower.expect("status-update")
    names = [name for name, _ in follower.heard if name not in ("head", "reset")]
    assert names[:2] == ["service-update", "status-update"]
    assert "id" not in status
    assert status["data"]["status"] == "degraded"
    assert status["data"]["cursor"] == place.log()[-1]
