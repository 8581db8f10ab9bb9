"""What a snapshot says: what the server would, marked with its age; and that it follows every change."""

import json
import re
from datetime import timedelta

from lxml import html
from sqlalchemy import update

from statuspage.clock import now
from statuspage.database import db, transaction
from statuspage.models.embedding import allow_embedding
from statuspage.models.incident import Incident
from statuspage.models.organization import Organization, Tenant
from statuspage.models.snapshot import Snapshot
from statuspage.models.status import IncidentStatus, ServiceStatus
from tests.snapshots.conftest import write


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
    programs = {f"api/{noun}/org-456.json" for noun in ("status", "services", "incidents")}
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
    write(writer)
    assert before == {name: (folder.site / name).stat().st_mtime_ns for name in folder.names()}
    with transaction(cast.acme):
        cast.north_service.update(own_status=ServiceStatus.MAJOR_OUTAGE)
    write(writer)
    changed = {name for name, at in before.items() if (folder.site / name).stat().st_mtime_ns != at}
    assert "Major outage" in (folder.site / "acme/north.html").read_text()
    assert changed == {name for name in before if "north" in name or "tenant-789" in name}


def test_a_deleted_incident_goes_with_the_next_turn(app, cast, folder, writer):
    incident = incident_on(cast.acme, "Slow answers")
    write(writer)
    with transaction(cast.acme):
        db.session.get(Incident, incident.id).remove()
    write(writer)
    assert not [name for name in folder.names() if incident.id in name]


def test_an_old_snapshot_is_written_again(app, cast, folder, writer):
    write(writer)
    first = (folder.site / "acme.html").stat().st_mtime_ns
    with transaction():
        for row in db.session.query(Snapshot):
            row.written_at -= timedelta(seconds=app.config["SNAPSHOT_REFRESH"] + 1)
    write(writer)
    assert (folder.site / "acme.html").stat().st_mtime_ns != first


def test_what_no_row_knows_is_swept_away(app, cast, folder, writer):
    folder.publish(folder.prepare({"initech.html": b"of a database from before", "static/old.js": b""}))
    write(writer)
    assert "initech.html" not in folder.names()
    assert "static/old.js" in folder.names(), "an open page may need it"
    assert "acme.html" in folder.names()


def test_what_a_restore_made_private_goes(app, cast, folder, writer):
    write(writer)
    with db.engine.begin() as connection:  # as a restore does: past all verbs
        connection.execute(update(Organization).values(epoch="restored"))
        connection.execute(update(Tenant).where(Tenant.id == "tenant-789").values(visibility="private"))
    write(writer)
    assert not [name for name in folder.names() if "north" in name or "tenant-789" in name]
    assert "acme.html" in folder.names()
