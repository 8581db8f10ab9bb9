"""Incidents in the admin: each write works, once, for who may; nothing typed is lost or half-written."""

import pytest
from sqlalchemy import func, inspect, select

from statuspage.database import db, transaction
from statuspage.models.event import Event
from statuspage.models.incident import Incident
from statuspage.models.status import ServiceStatus
from tests.web.admin.conftest import fields, form_of, text_of, words

pytestmark = pytest.mark.one_database
NEW = "/admin/acme/incidents/new"


@pytest.fixture
def incident(cast) -> Incident:
    with transaction(cast.acme, by=cast.users["acme-owner"].id):
        return Incident.open(
            cast.acme,
            None,
            title="Checkout is slow",
            message="We are looking.",
            services={cast.acme_service.id: ServiceStatus.DEGRADED},
            by=cast.users["acme-owner"].id,
        )


@pytest.fixture
def url(incident) -> str:
    return f"/admin/acme/incidents/{incident.id}"


@pytest.fixture
def editor(sign_in):
    return sign_in("acme-editor")


def count(model=Incident) -> int:
    db.session.rollback()  # what the requests committed is newer than what this session looks at
    return db.session.scalar(select(func.count()).select_from(model))


def newest() -> Incident:
    db.session.rollback()
    db.session.expire_all()
    return db.session.scalars(select(Incident).order_by(Incident.started_at.desc()).limit(1)).one()


def reread(row):
    id = inspect(row).identity
    db.session.rollback()
    db.session.expire_all()
    return db.session.get(type(row), id)


# --- each write works --------------------------------------------------------------------------------


def test_an_incident_is_published_with_what_it_does_to_services(cast, editor):
    answer = editor.fill(
        NEW, "report", title="Checkout is slow", **{f"services__{cast.acme_service.id}": "partial_outage"}
    )
    made = newest()
    assert answer.status_code == 303
    assert answer.location == f"/admin/acme/incidents/{made.id}"
    assert (made.title, made.status, made.impact, made.tenant_id) == (
        "Checkout is slow",
        "investigating",
        "major",
        None,
    )
    assert made.updates[0].message.startswith("We are looking into it")
    assert made.updates[0].user_id == cast.users["acme-editor"].id
    assert reread(cast.acme_service).status == "partial_outage"
    assert "Checkout is slow" in words(editor.open(answer.location))


def test_an_incident_of_a_tenant_takes_its_services_only(cast, editor):
    typed = editor.form(NEW, "report") | {"title": "Gateway down", "tenant": cast.north.id}
    wrong = editor.send(NEW, typed | {f"services.{cast.acme_service.id}": "degraded"})
    assert wrong.status_code == 422
    assert "“API” is on another page" in words(wrong)
    assert count() == 0
    right = editor.send(NEW, typed | {f"services.{cast.north_service.id}": "degraded"})
    assert right.status_code == 303
    assert newest().tenant_id == cast.north.id


def test_a_link_says_where_it_is_wrong(cast, editor):
    chosen = editor.form(f"{NEW}?service={cast.north_service.id}", "report")
    assert chosen["tenant"] == cast.north.id
    assert chosen[f"services.{cast.north_service.id}"] == "degraded"


def test_an_update_is_posted_and_the_incident_resolved(cast, editor, incident, url):
    field = f"services__{cast.acme_service.id}"
    answer = editor.fill(
        url, "post", f"{url}/updates", status="monitoring", message="A *fix*.", **{field: "operational"}
    )
    assert answer.status_code == 303
    told = reread(incident)
    assert (told.status, told.updates[0].message) == ("monitoring", "A *fix*.")
    assert reread(cast.acme_service).status == "operational"
    answer = editor.fill(url, "post", f"{url}/resolution", message="")
    assert answer.status_code == 303
    told = reread(incident)
    assert told.resolved_at
    assert told.updates[0].message == "This incident is resolved."
    assert "Say what is new" not in words(editor.open(url))


def test_a_form_that_was_gone_back_to_says_nothing_twice_unless_one_means_it(editor, incident, url):
    to = f"{url}/updates"
    for status in (303, 422):  # the second time as a browser fills it in again, in a page of its own
        answer = editor.fill(url, "post", to, status="monitoring", message="We\nwait.")
        assert answer.status_code == status
    assert "This is what was said last." in words(answer)
    assert len(reread(incident).updates) == 2
    assert editor.send(to, fields(answer, "post")).status_code == 303
    assert len(reread(incident).updates) == 3


def test_title_and_impact_are_edited(editor, incident, url):
    assert editor.fill(f"{url}/edit", "edit", title="Checkout fails", impact="critical").status_code == 303
    assert (reread(incident).title, reread(incident).impact) == ("Checkout fails", "critical")
    editor.fill(f"{url}/edit", "edit", impact="")
    assert reread(incident).set_impact is None


def test_a_message_is_corrected_and_members_see_what_it_said_before(sign_in, editor, incident, url):
    path = f"{url}/updates/{incident.updates[0].id}"
    assert editor.fill(path, "edit", message="We have found it.").status_code == 303
    assert reread(incident).updates[0].message == "We have found it."
    viewer = sign_in("acme-viewer")
    assert "edited, see what it said before" in words(viewer.open(url))
    assert "We are looking." in words(viewer.open(path))
    assert "acme-editor" in words(viewer.open(path))
    public = viewer.open(f"/acme/incidents/{incident.id}").get_data(as_text=True)
    assert "We are looking." not in public


def test_an_incident_is_deleted_after_a_page_that_says_what_that_means(cast, editor, incident, url):
    page = editor.open(f"{url}/deletion")
    assert "its one message" in words(page)
    assert "API shows its own status again" in words(page)
    assert reread(incident), "looking deletes nothing"
    csrf = editor.form(url, "act")["csrf"]
    assert editor.send(f"{url}/deletion", {"csrf": csrf}).location == "/admin/acme/incidents"
    assert count() == 0
    assert reread(cast.acme_service).status == "operational"


def test_a_preview_is_what_people_will_see(editor):
    typed = editor.form(NEW, "report") | {"message": "**Bold** <b>not</b>", "title": "T"}
    piece = editor.send("/admin/acme/preview", typed)
    assert piece.get_data(as_text=True) == "<p><strong>Bold</strong> &lt;b&gt;not&lt;/b&gt;</p>"
    again = editor.send(NEW, typed | {"preview": "1"})  # without a script
    assert again.status_code == 200
    assert "<strong>Bold</strong>" in again.get_data(as_text=True)
    assert fields(again, "report")["title"] == "T"
    assert count() == 0


def test_past_incidents_are_listed_some_at_a_time(cast, editor):
    with transaction(cast.acme):
        for number in range(26):
            Incident.open(cast.acme, None, title=f"No. {number}", message="x").resolve(message="y")
    pages = [editor.open(f"/admin/acme/incidents/past?page={n}") for n in ("1", "2", "3", "-1", "x" * 99)]
    counts = [page.get_data(as_text=True).count('id="past-') for page in pages]
    assert counts == [25, 1, 0, 25, 25]


# --- who may -----------------------------------------------------------------------------------------


def writes(incident) -> dict[str, dict[str, str]]:
    url = f"/admin/acme/incidents/{incident.id}"
    return {
        NEW: {"title": "x", "message": "x"},
        f"{url}/updates": {"status": "monitoring", "message": "x"},
        f"{url}/resolution": {"message": "x"},
        f"{url}/edit": {"title": "x"},
        f"{url}/updates/{incident.updates[0].id}": {"message": "x"},
        f"{url}/deletion": {},
        "/admin/acme/preview": {"message": "x"},
    }


@pytest.mark.parametrize(("who", "status"), [("acme-viewer", 403), ("globex-owner", 404), (None, 401)])
def test_nobody_else_writes(cast, client, incident, who, status):
    before = count(Event)
    for path, typed in writes(incident).items():
        assert client.post(path, data=typed, headers=cast.bearer(who)).status_code == status, path
    assert count(Event) == before


def test_a_foreign_site_cannot_send_them(sign_in, incident):
    for path, typed in writes(incident).items():
        assert sign_in("acme-editor").client.post(path, data=typed).status_code == 400, path
    assert count() == 1


def test_what_is_elsewhere_is_not_found_from_here(cast, editor, incident):
    with transaction(cast.globex):
        foreign = Incident.open(cast.globex, None, title="Zebra", message="x")
    csrf = editor.form(NEW, "act")["csrf"]
    for path, typed in writes(foreign).items():
        if foreign.id in path:
            assert editor.send(path, typed | {"csrf": csrf}).status_code == 404, path
    other = editor.send(
        f"/admin/acme/incidents/{incident.id}/updates/{foreign.updates[0].id}", {"csrf": csrf, "message": "x"}
    )
    assert other.status_code == 404
    for field, id in (("tenant", cast.east.id), (f"services.{cast.globex_service.id}", "degraded")):
        answer = editor.send(NEW, {"csrf": csrf, "title": "x", "message": "x", field: id})
        assert answer.status_code == 422, field
        assert "Secret" not in words(answer)
    assert count() == 2


# --- what is refused ---------------------------------------------------------------------------------


def test_words_stand_beside_the_field_and_what_was_typed_stays(editor):
    answer = editor.fill(NEW, "report", title="", message="Typed for ten minutes.", impact="critical")
    assert answer.status_code == 422
    form = form_of(answer, "report")
    assert form.get_element_by_id("title-error").text == "Fill this in."
    assert form.get_element_by_id("title").get("aria-invalid") == "true"
    assert text_of(form, "message") == "Typed for ten minutes."
    assert form.fields["impact"] == "critical"
    assert count() == 0


def test_fields_sent_twice_or_of_a_strange_kind_are_refused_in_words(cast, editor):
    typed = editor.form(NEW, "report") | {"title": ["a", "b"], "message": ["c", "d"]}
    assert editor.send(NEW, typed).status_code == 422
    for strange in (
        {"services": "x", "services.x": "y"},
        {"services.": "degraded"},
        {"services.x": ["a", "b"]},
    ):
        assert editor.send(NEW, editor.form(NEW, "report") | {"title": "t"} | strange).status_code == 422
    assert count() == 0


def test_a_resolved_incident_takes_no_more_and_keeps_what_was_typed(editor, cast, incident, url):
    typed = editor.form(url, "post") | {"message": "Typed meanwhile."}
    with transaction(cast.acme):
        incident.resolve(message="Over.")
    answer = editor.send(f"{url}/updates", typed)
    assert answer.status_code == 409
    assert text_of(form_of(answer, "post"), "message") == "Typed meanwhile."
    answer = editor.send(f"{url}/updates", fields(answer, "post"))
    assert answer.status_code == 422
    assert "already resolved" in words(answer)
    assert text_of(form_of(answer, "post"), "message") == "Typed meanwhile."


# --- once --------------------------------------------------------------------------------------------


def test_the_form_of_before_with_other_text_is_shown_again_with_a_link_to_what_it_made(editor):
    sent = editor.form(NEW, "report") | {"title": "First"}
    made = editor.send(NEW, sent).location
    again = editor.send(NEW, sent | {"title": "Second"})  # back, edited, sent again
    assert again.status_code == 409
    assert "This form was sent already" in words(again)
    assert made in [link.get("href") for link in form_of(again, "report").iter("a")]
    assert fields(again, "report")["title"] == "Second"
    assert fields(again, "report")["key"] != sent["key"]
    assert count() == 1
    assert editor.send(NEW, fields(again, "report")).status_code == 303
    assert count() == 2


def test_a_key_is_its_users_own(sign_in):
    sent = sign_in("acme-editor").form(NEW, "report") | {"title": "One"}
    sign_in("acme-editor").client.post(NEW, data=sent)
    for who, expected in (("acme-editor", 1), ("acme-admin", 2)):
        browser = sign_in(who)
        browser.send(NEW, sent | {"csrf": browser.form(NEW, "report")["csrf"]})
        assert count() == expected


# --- two operators -----------------------------------------------------------------------------------


def test_a_newer_save_is_shown_beside_the_field_and_both_choices_are_offered(sign_in, editor, incident, url):
    mine = editor.form(f"{url}/edit", "edit") | {"title": "Mine"}
    sign_in("acme-admin").fill(f"{url}/edit", "edit", title="Theirs")
    stale = editor.send(f"{url}/edit", mine)
    assert stale.status_code == 409
    assert reread(incident).title == "Theirs"
    said = words(stale)
    assert "Saved meanwhile: Theirs" in said
    assert "Save mine anyway" in said
    assert "Keep what was saved" in said
    assert fields(stale, "edit")["title"] == "Mine"
    assert editor.send(f"{url}/edit", fields(stale, "edit")).status_code == 303
    assert reread(incident).title == "Mine"


def test_a_message_that_somebody_corrected_meanwhile_is_not_overwritten(sign_in, editor, incident, url):
    path = f"{url}/updates/{incident.updates[0].id}"
    mine = editor.form(path, "edit") | {"message": "Mine"}
    sign_in("acme-admin").fill(path, "edit", message="Theirs")
    stale = editor.send(path, mine)
    assert stale.status_code == 409
    assert "Saved meanwhile: Theirs" in words(stale)
    assert reread(incident).updates[0].message == "Theirs"


@pytest.mark.parametrize("to", ["updates", "resolution"])
def test_what_was_said_meanwhile_is_shown_before_mine_is_sent(sign_in, editor, incident, url, to):
    mine = editor.form(url, "post") | {"message": "Mine"}
    sign_in("acme-admin").fill(url, "post", f"{url}/updates", message="Theirs, at the same moment.")
    stale = editor.send(f"{url}/{to}", mine)
    assert stale.status_code == 409
    form = form_of(stale, "post")
    assert "This was said while you were writing" in form.text_content()
    assert "Theirs, at the same moment." in form.text_content()
    assert "acme-admin" in form.text_content()
    assert text_of(form, "message") == "Mine"
    assert len(reread(incident).updates) == 2
    assert editor.send(f"{url}/{to}", fields(stale, "post")).status_code == 303
    assert reread(incident).updates[0].message == "Mine"


def test_the_screens_show_an_incident_however_old_it_is(cast, editor, incident, url):
    with transaction(cast.acme):
        row = db.session.get(Incident, incident.id)
        row.resolve(message="Over.")
        row.started_at = row.resolved_at = row.started_at.replace(year=2020)
    assert "Checkout is slow" in words(editor.open(url))
    assert "acme-owner" in words(editor.open(url))
    assert reread(cast.acme_service).status == "operational"
