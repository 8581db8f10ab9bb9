"""What a snapshot says: what the server would, marked with its age; and that it follows every change."""

import errno
import json
import os
import re
import stat
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Response
from lxml import html

from statuspage.clock import now
from statuspage.database import db, transaction
from statuspage.models.embedding import allow_embedding
from statuspage.models.errors import Conflict, Invalid
from statuspage.models.event import BROADCAST
from statuspage.models.incident import Incident
from statuspage.models.node import Node
from statuspage.models.organization import Organization
from statuspage.models.service import Service, ServiceGroup
from statuspage.models.snapshot import Place, Snapshot
from statuspage.models.status import IncidentStatus, ServiceStatus
from statuspage.snapshots import drawing, visitor
from statuspage.snapshots.past import Past
from statuspage.snapshots.store import Unreachable
from statuspage.snapshots.writer import SWEEP_SECONDS
from statuspage.web import document, feeds
from tests.snapshots.conftest import put, write

DAYS_AGO = now() - timedelta(days=30)


def incident_on(organization, title):
    with transaction(organization):
        return Incident.open(
            organization, None, title=title, status=IncidentStatus.INVESTIGATING, message="Looking into it."
        )


def test_every_public_page_has_its_files_and_no_private_one(app, cast, folder, writer):
    incident = incident_on(cast.acme, "Slow answers")
    with transaction(cast.acme):
        allow_embedding(cast.acme, ["*"])
    write(writer)
    names = [name for name in folder.names() if not name.startswith("static/")]
    own = {"acme.html", "acme/history.html", "acme/history.atom", "acme/badge.svg", "embed/acme.html"}
    tenants = {"acme/north.html", "acme/north/history.atom", "embed/acme/north.full.html"}
    programs = {f"api/{noun}/org-456.json" for noun in ("status", "services", "groups", "incidents")}
    programs |= {f"api/services/{service.id}.json" for service in (cast.acme_service, cast.north_service)}
    programs |= {f"api/incidents/{incident.id}.json", f"api/incidents/{incident.id}/updates.json"}
    incidents = {f"acme/incidents/{incident.id}.html", f"acme/north/incidents/{incident.id}.html"}
    assert set(names) >= {"index.html", "api/status/org-456/tenant-789.json", "offline.html"} | own
    assert set(names) >= tenants | programs | incidents
    assert not [name for name in names if "south" in name or "globex" in name or cast.globex.id in name]
    for name in names:
        assert not re.search(rb"South|Globex|Secret project", (folder.site / name).read_bytes()), name


def test_a_page_is_the_servers_with_its_age(app, cast, client, folder, writer):
    write(writer)
    shown = html.fromstring((folder.site / "acme.html").read_bytes())
    live = html.fromstring(client.get("/acme", base_url="https://status.example").data)
    (aged,) = shown.xpath("//*[@id='aged']")
    (moment,) = aged.xpath(".//time/@datetime")
    assert moment[:10] == f"{now():%Y-%m-%d}"
    assert "cannot be reached" in aged.text_content()
    assert shown.get_element_by_id("mark").text_content() == "", "it claims to be Live nowhere"
    assert not live.xpath("//*[@id='aged']")
    (policy,) = shown.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none'; script-src 'self' 'sha256-")
    aged.drop_tree()
    shown.xpath("//meta[@http-equiv='Content-Security-Policy']")[0].drop_tree()
    assert "".join(html.tostring(shown).decode().split()) == "".join(html.tostring(live).decode().split())


def test_what_a_page_needs_is_there_under_the_names_it_says(app, cast, folder, writer):
    write(writer)
    page = (folder.site / "acme.html").read_text()
    needed = set(re.findall(r"/static/[\w./-]+", page))
    assert needed
    for path in needed:
        assert (folder.site / path[1:]).is_file(), path


def test_programs_are_told_the_age_too(app, cast, client, folder, writer):
    write(writer)
    status = json.loads((folder.site / "api/status/org-456.json").read_text())
    as_of = status.pop("asOf")
    assert as_of[:10] == f"{now():%Y-%m-%d}"
    assert status == client.get("/api/status?organizationId=org-456").json
    assert "<subtitle>As of " in (folder.site / "acme/history.atom").read_text()
    assert re.search(
        r"<title>Acme: Operational, .* UTC</title>", (folder.site / "acme/badge.svg").read_text()
    )


def test_a_change_is_written_in_the_next_turn_and_nothing_else_is(app, cast, folder, writer):
    write(writer)
    before = {name: (folder.site / name).stat().st_mtime_ns for name in folder.names()}
    with transaction(cast.acme):
        cast.acme.record("status-update", BROADCAST, "x", {})
    write(writer)
    assert before == {name: (folder.site / name).stat().st_mtime_ns for name in folder.names()}
    with transaction(cast.acme):
        cast.north_service.update(own_status=ServiceStatus.MAJOR_OUTAGE)
    write(writer)
    changed = {name for name, at in before.items() if (folder.site / name).stat().st_mtime_ns != at}
    assert "Major outage" in (folder.site / "acme/north.html").read_text()
    mine = ("north", "tenant-789", cast.north_service.id)
    assert changed == {name for name in before if any(word in name for word in mine)}


def test_every_incident_that_a_page_leads_to_is_there_and_is_written_when_it_changes(
    app, cast, folder, writer
):
    with transaction(cast.acme):
        old = Incident.open(
            cast.acme,
            None,
            title="Old",
            message="Said [here](/acme/incidents/elsewhere1).",
            started_at=DAYS_AGO,
        )
        old.resolve(message="Over.", at=DAYS_AGO)
        running = Incident.open(cast.acme, None, title="Running", message="So it is.")
    write(writer)
    for page in ("acme", "acme/north"):
        for name in (f"{page}/history.html", f"{page}/history.atom"):
            links = re.findall(rf"/{page}/incidents/([a-z0-9]{{12}})", (folder.site / name).read_text())
            assert {old.id, running.id} == set(links), name
        shown = (folder.site / f"{page}/incidents/{old.id}.html").read_text()
        assert "Over." in shown
        assert 'id="aged"' in shown
        assert "Content-Security-Policy" in shown
    assert not [name for name in folder.names() if "elsewhere1" in name], "it was only typed"
    before = {name: (folder.site / name).stat().st_mtime_ns for name in folder.names()}
    with transaction(cast.acme):
        db.session.get(Incident, running.id).post_update(status=IncidentStatus.MONITORING, message="Better.")
    write(writer)
    changed = {name for name, at in before.items() if (folder.site / name).stat().st_mtime_ns != at}
    assert {name for name in changed if "incidents/" in name} == {
        name for name in before if running.id in name or name.startswith("api/incidents/org-456")
    }
    with transaction(cast.acme):
        cast.acme.update(name="Acme Corporation")
    write(writer)
    assert "Acme Corporation" in (folder.site / f"acme/north/incidents/{old.id}.html").read_text()


def long_ago(organization, tenant, days, title="Long ago"):
    at = now() - timedelta(days=days)
    with transaction(organization):
        incident = Incident.open(organization, tenant, title=title, message="Then.", started_at=at)
        incident.resolve(message="Over.", at=at + timedelta(hours=1))
        return incident


def answering(folder, path):
    """The file that a proxy answers with."""
    path = path.replace("?month=", "/")
    steps = path[1:].split("/")
    instead = f"{'/'.join(steps[:1] + steps[2:])}.html" if len(steps) == 4 else ""
    return next(file for name in (f"{path[1:]}.html", instead) if (file := folder.site / name).is_file())


@pytest.mark.parametrize("page", ["/acme", "/acme/north"])
def test_one_can_go_back_to_the_first_incident(app, cast, folder, writer, page):
    first = long_ago(cast.acme, None, 700)
    tenants = [long_ago(cast.acme, cast.north, days) for days in (900, 300)]
    hidden = long_ago(cast.acme, cast.south, 500)
    write(writer)
    path, shown, went = f"{page}/history", set(), 0
    while path:
        document = html.fromstring(answering(folder, path).read_bytes())
        assert document.xpath("//*[@id='aged']")
        for link in document.xpath("//article//a/@href"):
            assert "Over." in answering(folder, link).read_text()
            shown.add(link.rpartition("/")[2])
        for newer in document.xpath("//a[@rel='prev']/@href"):
            assert answering(folder, newer)
        path, went = next(iter(document.xpath("//a[@rel='next']/@href")), None), went + 1
    assert went > 5
    assert shown == {first.id} | ({incident.id for incident in tenants} if page == "/acme/north" else set())
    assert not [name for name in folder.names() if hidden.id in name]
    for incident in (first, *tenants):
        for name in (f"api/incidents/{incident.id}.json", f"api/incidents/{incident.id}/updates.json"):
            assert (folder.site / name).is_file()


def test_what_is_over_is_written_again_when_it_changes_and_goes_when_it_is_deleted(app, cast, folder, writer):
    early, late = (long_ago(cast.acme, None, days) for days in (700, 400))
    write(writer)
    before = {name: (folder.site / name).stat().st_mtime_ns for name in folder.names()}
    months = [name for name in before if name.startswith("acme/history/")]
    assert len(months) > 20
    with transaction(cast.acme):
        db.session.get(Incident, early.id).update(title="Better told")
        cast.acme_service.update(own_status=ServiceStatus.DEGRADED)
    write(writer)
    changed = {name for name, at in before.items() if (folder.site / name).stat().st_mtime_ns != at}
    told = {f"acme/history/{month}.html" for month in three_from(f"{early.started_at:%Y-%m}")}
    this_month = {name for name in before if name.endswith(f"/{now():%Y-%m}.html")}  # as /history
    assert {name for name in changed if "history/" in name} - this_month == told
    assert [name for name in changed if late.id in name] == []
    of_it = [name for name in changed if early.id in name]
    assert len(of_it) == 3 + 1, "one is the tenant's: its feed has it"
    for name in told:
        assert "Better told" in (folder.site / name).read_text()
    with transaction(cast.acme):
        db.session.get(Incident, early.id).remove()
        cast.acme_service.update(name="Renamed")
    assert not [name for name in folder.names() if early.id in name], "at once"
    write(writer)
    for name in folder.names():
        assert b"Better told" not in (folder.site / name).read_bytes(), name


def three_from(month):
    year, number = (int(part) for part in month.split("-"))
    return [f"{year + (number - 1 + n) // 12}-{(number - 1 + n) % 12 + 1:02}" for n in range(3)]


def test_a_long_past_is_written_in_parts_and_not_without_end(app, cast, folder, writer, monkeypatch):
    monkeypatch.setattr(feeds, "ENTRIES", 0)  # it leads to those that changed last
    monkeypatch.setattr(drawing, "AT_ONCE", 2)
    monkeypatch.setattr(drawing, "MOST_INCIDENTS", 6)
    incidents = [long_ago(cast.acme, None, days) for days in range(700, 708)]
    drawn, page = [], writer._artist.page
    monkeypatch.setattr(
        writer._artist, "page", lambda place, *rest: drawn.append(place.path) or page(place, *rest)
    )
    write(writer)
    for incident in incidents[:6]:
        assert (folder.site / f"acme/incidents/{incident.id}.html").is_file()
    for incident in incidents[6:]:
        assert not [name for name in folder.names() if incident.id in name]
    assert drawn.count("/acme") == 3
    drawn.clear()
    write(writer)
    assert drawn == []


def test_who_has_a_long_past_keeps_nobody_waiting_and_nothing_that_should_go(
    app, cast, folder, writer, monkeypatch
):
    monkeypatch.setattr(drawing, "MONTHS_AT_ONCE", 2)
    monkeypatch.setattr("statuspage.snapshots.writer.ROUND_SECONDS", 0)
    with transaction(cast.acme):
        allow_embedding(cast.acme, ["*"])
    long_ago(cast.acme, None, 400)
    write(writer)
    months = {name for name in folder.names() if name.startswith("acme/history/")}
    assert len(months) >= 13
    with transaction(cast.acme):
        allow_embedding(cast.acme, [])
        cast.acme.update(name="Acme Corporation")
    written, attempt = [], writer._attempt

    def and_look(place, id):
        attempt(place, id)
        written.append(place.path)
        if written.count("/acme") == 1 and place.path == "/acme":
            assert not [name for name in folder.names() if name.startswith("embed/acme.")]
            assert months <= set(folder.names())

    monkeypatch.setattr(writer, "_attempt", and_look)
    write(writer)
    assert written.count("/acme") > 5
    assert written[-5:] == ["/acme"] * 5, "the other pages did not wait for it"
    for name in months:
        assert "Acme Corporation" in (folder.site / name).read_text(), name


def test_a_month_that_was_next_to_this_one_is_written_again_when_it_is_not(app, cast, folder, writer):
    """Its link to what is newer was `/history` itself."""
    state = document.current_state(cast.acme.scope)
    place = Place(cast.acme.id, "", "/acme")
    day = state.created_at.date().replace(day=1)
    at = replace(state, created_at=state.created_at - timedelta(days=400), today=day)
    later = replace(at, today=(day + timedelta(days=32)).replace(day=1))
    before, after = ({str(over.newest): over for over in Past().months(place, each)} for each in (at, later))
    different = [month for month in before if before[month] != after[month]]
    assert len(different) == 3, "their page before this one is another, or leads elsewhere"


def test_a_long_list_says_where_it_goes_on(app, cast, client, folder, writer, monkeypatch):
    monkeypatch.setattr(visitor, "MOST", "2")
    monkeypatch.setattr(drawing, "MOST_LISTED", 4)
    for days in range(5):
        long_ago(cast.acme, None, days)
    write(writer)
    said = json.loads((folder.site / "api/incidents/org-456.json").read_text())
    live = client.get("/api/incidents?organizationId=org-456&limit=4").json
    assert (said["items"], said["next"]) == (live["items"], live["next"])
    assert said["next"]


def test_programs_find_each_thing_and_whole_lists(app, cast, client, folder, writer, monkeypatch):
    monkeypatch.setattr(visitor, "MOST", "2")
    with transaction(cast.acme):
        for name in ("Web", "Mail"):
            Service.create(cast.acme, None, name=name)
            group = ServiceGroup.create(cast.acme, None, name=name)
        ServiceGroup.create(cast.acme, cast.south, name="Secret")
        incident = Incident.open(cast.acme, None, title="Long", message="1")
        for number in "234":
            incident.post_update(status=IncidentStatus.MONITORING, message=number)
    write(writer)
    service = f"api/services/{cast.acme_service.id}"
    for path, name in {
        "api/services?organizationId=org-456": "api/services/org-456.json",
        f"api/incidents/{incident.id}/updates": f"api/incidents/{incident.id}/updates.json",
        f"api/incidents/{incident.id}": f"api/incidents/{incident.id}.json",
        service: f"{service}.json",
        "api/groups?organizationId=org-456": "api/groups/org-456.json",
        f"api/groups/{group.id}": f"api/groups/{group.id}.json",
    }.items():
        said = json.loads((folder.site / name).read_text())
        assert said.pop("asOf")
        assert said == client.get(f"/{path}").json, path


@pytest.mark.one_database
def test_no_page_takes_the_place_of_a_file_of_ours(app, cast, folder, writer):
    write(writer)
    mine = [name for name in folder.names() if not name.startswith(("acme", "org-456"))]
    top = {name.partition("/")[0].removesuffix(".html") for name in mine if "/" in name or ".html" in name}
    assert top == {"index", "static", "api", "offline"}
    for word in {*top, "org-456"}:
        with pytest.raises((Invalid, Conflict)), transaction():
            Organization.create(slug=word, name="Taken")


@pytest.mark.one_database
def test_while_the_database_is_away_nothing_is_drawn_and_little_said(
    app, cast, folder, writer, monkeypatch, caplog
):
    away = Response(status=503)
    with monkeypatch.context() as patch:
        patch.setattr(app, "full_dispatch_request", lambda: away)
        write(writer)
    assert folder.names() == []
    assert [record for record in caplog.records if record.exc_info] == []
    writer.failed.clear()  # the minute is over
    write(writer)
    assert "acme.html" in folder.names()


@pytest.mark.one_database
def test_a_page_that_cannot_be_drawn_holds_up_no_other(app, cast, folder, writer, monkeypatch, caplog):
    found, page = [], writer._artist.page

    def sometimes(place, *words):
        found.append(place.path)
        if place.path == "/acme":
            raise ZeroDivisionError
        return page(place, *words)

    monkeypatch.setattr(writer._artist, "page", sometimes)
    write(writer)
    assert {"acme/north.html", "index.html"} <= set(folder.names())
    assert "The snapshot of /acme cannot be drawn" in caplog.text
    write(writer)
    assert found.count("/acme") == 1, "nor does it fill the log"
    said = app.test_cli_runner().invoke(args=["snapshot", "write"])
    assert (said.exit_code, "/acme" in said.output) == (1, True)
    monkeypatch.setattr(writer, "failed", dict.fromkeys(writer.failed, float("-inf")))
    monkeypatch.setattr(writer._artist, "page", page)
    write(writer)
    assert "acme.html" in folder.names()


@pytest.mark.one_database
def test_an_organization_that_changes_does_not_wait_for_all_tenants(app, cast, folder, writer, monkeypatch):
    monkeypatch.setattr("statuspage.snapshots.writer.ROUND_SECONDS", 0)
    written, attempt = [], writer._attempt

    def and_change_it_once(place, id):
        attempt(place, id)
        written.append(place.path)
        if written.count("/acme") == 1 and place.path == "/acme":
            with transaction(cast.acme):
                cast.acme_service.update(own_status=ServiceStatus.DEGRADED)

    monkeypatch.setattr(writer, "_attempt", and_change_it_once)
    write(writer)
    assert written[:4] == ["", "/acme", "/acme", "/acme/north"]


def test_the_command_writes_and_is_no_node(app, cast, folder, writer, monkeypatch):
    hub = app.extensions["live"].hub
    hub.channels.clear()
    monkeypatch.setattr(hub, "on_first_use", app.extensions["jobs"].beat)
    assert app.test_cli_runner().invoke(args=["snapshot", "write"]).exit_code == 0
    assert "acme.html" in folder.names()
    assert db.session.query(Node).count() == 0


def test_an_old_snapshot_is_written_again(app, cast, folder, writer):
    write(writer)
    first = (folder.site / "acme.html").stat().st_mtime_ns
    with transaction():
        for row in db.session.query(Snapshot):
            row.written_at -= timedelta(seconds=app.config["SNAPSHOT_REFRESH"] + 1)
    write(writer)
    assert (folder.site / "acme.html").stat().st_mtime_ns != first


def test_what_no_row_knows_is_swept_away(app, cast, folder, writer):
    put(folder, {"initech.html": b"of a database from before", "static/old.js": b"old"})
    write(writer)
    assert "initech.html" not in folder.names()
    assert "static/old.js" in folder.names(), "an open page may need it"
    assert "acme.html" in folder.names()


def test_what_was_forgotten_or_lost_comes_back(app, cast, folder, writer):
    write(writer)
    all_of_it = folder.names()
    assert app.test_cli_runner().invoke(args=["snapshot", "forget"]).exit_code == 0
    assert folder.names() == []
    write(writer)
    assert folder.names() == all_of_it
    folder.remove(all_of_it)  # as of a disk that was exchanged
    writer._swept_at = float("-inf")
    write(writer)
    assert folder.names() == all_of_it


def test_what_killed_writers_left_goes_and_what_another_writes_now_stays(folder, monkeypatch):
    """Whatever this node's clock says."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600)
    written, left = (folder.prepare({name: b"x"}) for name in ("now.html", "then.html"))
    os.utime(left[0], (0, 0))
    folder.discard_old()
    assert not left[0].exists()
    folder.publish(written, still=lambda: None)
    assert folder.names() == ["now.html"]


def test_a_file_is_on_the_disk_before_it_is_in_place(folder, monkeypatch):
    """And its name is before anybody says so: the power may go at any time."""
    replace, fsync, done = os.replace, os.fsync, []

    def note_file(number):
        done.append(("kept", os.fstat(number).st_ino))
        fsync(number)

    def note_name(source, target):
        done.append(("named", os.stat(source).st_ino))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_file)
    monkeypatch.setattr(os, "replace", note_name)
    put(folder, {"acme.html": b"1", "acme/history.html": b"2"})
    files = [(folder.site / name).stat().st_ino for name in ("acme.html", "acme/history.html")]
    folders = {("kept", each.stat().st_ino) for each in (folder.site, folder.site / "acme")}
    assert done[:2] == [("kept", each) for each in files]
    assert done[2:4] == [("named", each) for each in files]
    assert set(done[4:]) == folders
    done.clear()
    folder.remove(["acme/history.html"])
    assert done == [("kept", folder.site.stat().st_ino)], "what is removed stays away"


def test_a_disk_that_keeps_files_only_is_fine(folder, monkeypatch):
    def files_only(number):
        if stat.S_ISDIR(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", files_only)
    put(folder, {"acme.html": b"1"})
    folder.remove(["acme.html"])
    assert folder.names() == []


def test_what_a_loss_of_power_left_empty_is_drawn_again(app, cast, folder, writer):
    incident = long_ago(cast.acme, None, 400)
    write(writer)
    before = {name: len((folder.site / name).read_bytes()) for name in folder.names()}
    for name in (f"acme/incidents/{incident.id}.html", "acme.html", "offline.html"):
        os.truncate(folder.site / name, 0)
    writer._swept_at = float("-inf")
    write(writer)
    assert before == {name: len((folder.site / name).read_bytes()) for name in folder.names()}


def test_a_folder_that_goes_while_names_are_read_is_no_fault(folder, monkeypatch):
    put(folder, {"acme/north.html": b"1", "acme.html": b"2"})
    scandir = os.scandir

    def scan(path):
        if str(path).endswith("/acme"):
            folder.remove(["acme/north.html"])
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    assert folder.names() == ["acme.html"]


def test_a_sweep_comes_after_a_while_and_at_once_when_one_failed(app, cast, folder, writer, monkeypatch):
    names, swept = folder.names, []

    def look():
        swept.append(len(swept))
        if len(swept) == 1:
            raise Unreachable("the disk is away")
        return names()

    monkeypatch.setattr(folder, "names", look)
    monkeypatch.setattr(folder, "discard_old", lambda: None)
    with pytest.raises(Unreachable):
        write(writer)
    for _ in range(3):
        write(writer)
    assert len(swept) == 2
    writer._swept_at -= SWEEP_SECONDS
    write(writer)
    assert len(swept) == 3
