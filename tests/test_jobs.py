"""What must happen once happens once, whoever dies, and whatever a node's clock says."""

from datetime import timedelta

import pytest

from statuspage import create_app
from statuspage.database import database_time, db, transaction
from statuspage.jobs import Jobs
from statuspage.models import job, node
from statuspage.models.job import Job


def pass_time(**much: float) -> None:
    """All that was written down is so much older."""
    with transaction():
        for row in db.session.query(Job):
            row.due_at -= timedelta(**much)
            row.claimed_until = row.claimed_until and row.claimed_until - timedelta(**much)
        for row in db.session.query(node.Node):
            row.seen_at -= timedelta(**much)


@pytest.fixture
def jobs(app) -> tuple[Jobs, Jobs]:
    return Jobs(app), Jobs(app)


@pytest.mark.one_database
def test_every_process_has_all_jobs(app, settings_for, make_database, tmp_path):
    always = {"prune", "end lost connections", "roll up figures"}
    assert set(app.extensions["jobs"]._works) == always
    more = {"SNAPSHOTS": str(tmp_path), "PUBLIC_URL": "https://status.example"}
    other = create_app(settings_for(make_database("sqlite", "other"), **more))
    assert set(other.extensions["jobs"]._works) == {*always, "snapshots"}


def test_one_of_two_nodes_does_it_and_again_when_it_is_due(jobs):
    did: list[int] = []
    for number, one in enumerate(jobs):
        one.add("sweep", 60, lambda keep, number=number: did.append(number))
    for one in jobs:
        one.tick()
    assert did == [0]
    pass_time(seconds=61)
    for one in reversed(jobs):
        one.tick()
    assert did == [0, 1]


def test_what_a_dead_node_had_claimed_is_done_by_another(app):
    assert job.claim("sweep", "dead")
    assert not job.claim("sweep", "living"), "it may still be at work"
    pass_time(seconds=61)
    assert job.claim("sweep", "living")
    with transaction():
        assert not job.keep("sweep", "dead"), "who was only asleep must stop"
        assert job.keep("sweep", "living")
    job.done("sweep", "dead", 3600)
    with transaction():
        assert job.keep("sweep", "living"), "and ends nobody else's work"


def test_it_is_free_as_soon_as_another_notices_that_the_node_is_silent(jobs):
    one, other = jobs
    for number, each in enumerate(jobs):
        each._name = "ab"[number]
        each.beat()
    assert job.claim("sweep", one.node)
    other.beat()
    assert not job.claim("sweep", other.node), "it lives"
    with transaction():
        row = db.session.get_one(node.Node, one.node)
        row.seen_at -= node.silence() + timedelta(seconds=1)
    other.beat()
    assert job.claim("sweep", other.node)
    one.beat()
    with transaction():
        assert not job.keep("sweep", one.node), "it was only asleep, and must stop"
        assert job.keep("sweep", other.node)


def test_nothing_is_claimed_before_the_others_know_the_node(jobs, monkeypatch):
    did: list[str] = []
    monkeypatch.setattr("statuspage.jobs.TICK_SECONDS", 0)
    jobs[0].add("sweep", 60, lambda keep: did.append("swept"))
    jobs[0]._tick_when_known()
    assert did == []
    jobs[0].beat()
    jobs[0]._tick_when_known()
    assert did == ["swept"]


def test_a_job_that_fails_is_tried_again_and_keeps_no_other_from_being_done(jobs):
    did: list[str] = []

    def fail(keep):
        did.append("failed")
        raise RuntimeError("of this test")

    jobs[0].add("broken", 60, fail)
    jobs[0].add("whole", 60, lambda keep: did.append("whole"))
    jobs[0].tick()
    pass_time(seconds=61)
    jobs[0].tick()
    assert did == ["failed", "whole"] * 2


def test_a_node_lives_as_long_as_it_beats(app, jobs):
    one, other = jobs
    other._name = "b"
    for each in jobs:
        each.beat()
    assert {id for id, _ in node.living(db.session())} == {one.node, other.node}
    pass_time(seconds=4 * node.beat_seconds())
    assert node.living(db.session()) == []
    other.beat()
    assert [id for id, _ in node.living(db.session())] == [other.node]
    successor = Jobs(app)
    successor._name = "b"
    successor.beat()
    assert [id for id, _ in node.living(db.session())] == [successor.node], "of the same name, and killed"
    successor._started = True
    successor.stop()
    successor.beat()  # it was about to
    db.session.rollback()  # ends the snapshot from before
    assert node.living(db.session()) == []


def test_two_living_nodes_of_one_name_leave_each_other_alone(app, jobs):
    """By mistake, or while one of them stops. The first beat tells who is new."""
    one, other = jobs
    for each in (one, other, one, other):
        each.beat()
    assert {id for id, _ in node.living(db.session())} == {one.node, other.node}
    with transaction():
        node.leave(one.node)  # whoever did that
    one.beat()
    assert {id for id, _ in node.living(db.session())} == {one.node, other.node}


def test_a_node_without_a_name_takes_its_own_place_and_nobody_elses(settings_for, monkeypatch):
    names = [settings_for("sqlite:////no/such.db", PORT=port)["NODE_NAME"] for port in ("80", "80", "81")]
    assert names[0] == names[1] != names[2]
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    assert settings_for("sqlite:////no/such.db", PORT="80")["NODE_NAME"] != names[0]
    assert settings_for("sqlite:////no/such.db", NODE="a")["NODE_NAME"] == "a"


def test_work_that_a_stop_cut_short_is_still_due(jobs):
    one, other = jobs
    did: list[str] = []

    def work(keep):
        one._over.set()
        if keep():
            did.append("all of it")

    one.add("long", 3600, work)
    one.tick()
    other.add("long", 3600, lambda keep: did.append("again"))
    other.tick()
    assert did == ["again"]


def test_the_time_is_the_databases(app):
    first = database_time(db.session())
    assert first.tzinfo
    assert first <= database_time(db.session())
