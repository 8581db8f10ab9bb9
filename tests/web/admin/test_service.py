"""Services and groups in the admin: each write works, once, for who may; the order is what was asked for."""

import pytest
from sqlalchemy import select

from statuspage.database import db, transaction
from statuspage.models.event import Event
from statuspage.models.incident import Incident
from statuspage.models.service import Service, ServiceGroup, groups_of, services_of
from statuspage.models.status import ServiceStatus
from tests.web.admin.conftest import fields, form_of, words
from tests.web.browser import document

pytestmark = pytest.mark.one_database
SERVICES = "/admin/acme/services"
GROUPS = "/admin/acme/groups"


@pytest.fixture
def core(cast) -> ServiceGroup:
    """Acme's page: API under no heading; One, Two, Three in Core; nothing in Data."""
    with transaction(cast.acme):
        core = ServiceGroup.create(cast.acme, None, name="Core")
        ServiceGroup.create(cast.acme, None, name="Data")
        for name in ("One", "Two", "Three"):
            Service.create(cast.acme, None, name=name, group=core)
    return core


@pytest.fixture
def editor(sign_in):
    return sign_in("acme-editor")


@pytest.fixture
def press(editor):
    """Press a button of the board: it sends the one form outside."""

    def press(path: str, **typed: str):
        return editor.send(path, editor.form(SERVICES, "act") | typed)

    return press


def order(cast) -> list[str]:
    """As the page shows it: `group: service, service` each."""
    afresh()
    services = services_of(cast.acme, None)
    return [
        f"{group.name if group else '-'}: {' '.join(s.name for s in services if s.group is group)}"
        for group in (None, *groups_of(cast.acme, None))
    ]


def afresh() -> None:
    db.session.rollback()
    db.session.expire_all()


def named(name: str, model=Service):
    afresh()
    return db.session.scalars(select(model).where(model.name == name)).one_or_none()


def lines() -> int:
    db.session.rollback()
    return len(db.session.scalars(select(Event.seq)).all())


# --- making and changing -----------------------------------------------------------------------------


def test_a_service_is_created_in_its_group(cast, core, editor):
    path = f"{SERVICES}/new?group={core.id}"
    answer = editor.fill(path, "edit", f"{SERVICES}/new", name="Four", description="The fourth")
    assert (answer.status_code, answer.location) == (303, SERVICES)
    assert named("Four").description == "The fourth"
    assert order(cast)[1] == "Core: One Two Three Four"
    assert "Four" in words(editor.open(SERVICES))


def test_a_service_is_created_on_a_tenants_page(cast, core, editor):
    typed = editor.form(f"{SERVICES}/new?tenant={cast.north.id}", "edit") | {"name": "Theirs"}
    assert typed["tenant"] == cast.north.id
    wrong = editor.send(f"{SERVICES}/new", typed | {"group": core.id})
    assert wrong.status_code == 422
    assert "no such group" in words(wrong)
    assert named("Theirs") is None
    assert editor.send(f"{SERVICES}/new", typed).status_code == 303
    assert named("Theirs").tenant_id == cast.north.id


def test_a_service_is_edited(cast, core, editor):
    path = f"{SERVICES}/{cast.acme_service.id}/edit"
    answer = editor.fill(path, "edit", name="REST", description="Said\r\nso", group=core.id)
    assert answer.status_code == 303
    assert named("REST").description == "Said\nso"
    assert order(cast)[:2] == ["-: ", "Core: One Two Three REST"]


def test_a_service_is_deleted_after_a_page_that_says_what_that_means(cast, editor):
    with transaction(cast.acme):
        for title in ("First", "Second"):
            services = {cast.acme_service.id: ServiceStatus.DEGRADED}
            Incident.open(cast.acme, None, title=title, message="x", services=services)
    path = f"{SERVICES}/{cast.acme_service.id}/deletion"
    said = words(editor.open(path))
    assert "2 open incidents go on without it" in said
    assert "First" in said
    assert "Second" in said
    assert editor.send(path, editor.form(SERVICES, "act")).status_code == 303
    assert named("API") is None


def test_groups_are_created_renamed_and_deleted(cast, core, editor, press):
    assert editor.fill(f"{GROUPS}/new", "edit", name="Web").status_code == 303
    assert editor.fill(f"{GROUPS}/{core.id}/edit", "edit", name="Heart").status_code == 303
    assert [line.partition(":")[0] for line in order(cast)] == ["-", "Heart", "Data", "Web"]
    press(f"{SERVICES}/{named('Three').id}/place", to="up")
    page = editor.open(f"{GROUPS}/{core.id}/deletion")
    assert "Its services stay, under no heading: One, Three, Two" in words(page)
    assert editor.send(f"{GROUPS}/{core.id}/deletion", editor.form(SERVICES, "act")).status_code == 303
    assert order(cast) == ["-: API One Three Two", "Data: ", "Web: "]


# --- the order ---------------------------------------------------------------------------------------


def test_a_service_steps_through_its_page(cast, core, press):
    path = f"{SERVICES}/{named('Two').id}/place"
    seen = []
    for to in ("up", "up", "up", "up", "down", "down", "down", "down", "down", "down"):
        assert press(path, to=to).location == SERVICES
        seen.append(" | ".join(order(cast)))
    assert seen == [
        "-: API | Core: Two One Three | Data: ",
        "-: API Two | Core: One Three | Data: ",
        "-: Two API | Core: One Three | Data: ",
        "-: Two API | Core: One Three | Data: ",  # higher it cannot stand
        "-: API Two | Core: One Three | Data: ",
        "-: API | Core: Two One Three | Data: ",
        "-: API | Core: One Two Three | Data: ",
        "-: API | Core: One Three Two | Data: ",
        "-: API | Core: One Three | Data: Two",
        "-: API | Core: One Three | Data: Two",
    ]


def test_a_service_is_dropped_before_another_and_at_the_end_of_a_group(cast, core, press):
    three, one, data = named("Three"), named("One"), named("Data", ServiceGroup)
    press(f"{SERVICES}/{three.id}/place", to=f"{core.id}/{one.id}")
    assert order(cast) == ["-: API", "Core: Three One Two", "Data: "]
    press(f"{SERVICES}/{three.id}/place", to=f"{data.id}/")
    assert order(cast) == ["-: API", "Core: One Two", "Data: Three"]
    press(f"{SERVICES}/{three.id}/place", to=f"/{cast.acme_service.id}")
    assert order(cast) == ["-: Three API", "Core: One Two", "Data: "]


def test_a_move_that_cannot_be_leaves_the_order(cast, core, press):
    one, before = named("One"), order(cast)
    for to in (
        "",
        "sideways",
        f"{core.id}/nosuchsvc000",
        "nosuchgrp000/",
        f"{core.id}/{cast.acme_service.id}",
        f"/{one.id}",
        f"{core.id}/{cast.north_service.id}",
        f"/{cast.globex_service.id}",
        "\x00/\x00",
    ):
        assert press(f"{SERVICES}/{one.id}/place", to=to).status_code in (409, 422), to
        assert order(cast) == before, to


def test_groups_step_too(cast, core, press):
    for to, names in (("down", "Data Core"), ("down", "Data Core"), ("up", "Core Data"), ("up", "Core Data")):
        assert press(f"{GROUPS}/{core.id}/place", to=to).status_code == 303
        assert [line.partition(":")[0] for line in order(cast)] == ["-", *names.split()]
    assert press(f"{GROUPS}/{core.id}/place", to="sideways").status_code == 422


def test_a_group_is_dropped_before_another_one_or_last(cast, core, press):
    data = named("Data", ServiceGroup)
    for moved, to, names in ((data, core.id, "Data Core"), (data, "", "Core Data"), (core, core.id, None)):
        answer = press(f"{GROUPS}/{moved.id}/place", to=f"/{to}")
        assert answer.status_code == (303 if names else 422)
        assert [line.partition(":")[0] for line in order(cast)][1:] == (names or "Core Data").split()
    with transaction(cast.acme):
        theirs = ServiceGroup.create(cast.acme, cast.north, name="Theirs")
    for to in (theirs.id, "nosuchgrp000", "\x00"):
        assert press(f"{GROUPS}/{core.id}/place", to=f"/{to}").status_code in (409, 422)


# --- who may, what is refused, once, two operators ----------------------------------------------------


def writes(service, group) -> dict[str, dict[str, str]]:
    return {
        f"{SERVICES}/new": {"name": "x"},
        f"{SERVICES}/{service.id}/edit": {"name": "x"},
        f"{SERVICES}/{service.id}/status": {"status": "degraded"},
        f"{SERVICES}/{service.id}/place": {"to": "down"},
        f"{SERVICES}/{service.id}/deletion": {},
        f"{GROUPS}/new": {"name": "x"},
        f"{GROUPS}/{group.id}/edit": {"name": "x"},
        f"{GROUPS}/{group.id}/place": {"to": "down"},
        f"{GROUPS}/{group.id}/deletion": {},
    }


def test_undo_sets_what_it_was_before(cast, editor, press):
    act = f"{SERVICES}/{cast.acme_service.id}/status"
    for status in ("degraded", "major_outage"):
        press(act, status=status)
    buttons = document(editor.get("/admin/acme")).xpath(
        f".//button[@formaction='{act}'][contains(., 'Undo')]"
    )
    assert [button.get("value") for button in buttons] == ["degraded"]


@pytest.mark.parametrize(("who", "status"), [("acme-viewer", 403), ("globex-owner", 404), (None, 401)])
def test_nobody_else_writes(cast, client, core, who, status):
    before = lines()
    for path, typed in writes(cast.acme_service, core).items():
        assert client.post(path, data=typed, headers=cast.bearer(who)).status_code == status, path
    assert lines() == before


def test_what_is_elsewhere_is_not_found_from_here(cast, editor):
    with transaction(cast.globex):
        foreign = ServiceGroup.create(cast.globex, None, name="Zebra")
    before, csrf = lines(), editor.form(SERVICES, "act")
    for path, typed in writes(cast.globex_service, foreign).items():
        if not path.endswith("/new"):
            assert editor.send(path, csrf | typed).status_code == 404, path
    for field, id in (("tenant", cast.east.id), ("group", foreign.id)):
        assert editor.send(f"{SERVICES}/new", csrf | {"name": "x", field: id}).status_code == 422
    assert lines() == before


def test_words_stand_beside_the_field_and_what_was_typed_stays(editor):
    answer = editor.fill(f"{SERVICES}/new", "edit", name="", description="Typed.")
    assert answer.status_code == 422
    assert form_of(answer, "edit").get_element_by_id("name-error").text == "Fill this in."
    assert fields(answer, "edit")["description"] == "Typed."


def test_a_newer_save_is_shown_not_overwritten(cast, core, sign_in, editor):
    for path in (f"{SERVICES}/{cast.acme_service.id}/edit", f"{GROUPS}/{core.id}/edit"):
        mine = editor.form(path, "edit") | {"name": "Mine"}
        sign_in("acme-admin").fill(path, "edit", name="Theirs")
        stale = editor.send(path, mine)
        assert stale.status_code == 409
        assert "Saved meanwhile: Theirs" in words(stale)
        assert f"{cast.users['acme-admin'].name} saved something here" in words(stale)
        assert fields(stale, "edit")["name"] == "Mine"
        assert editor.send(path, fields(stale, "edit")).status_code == 303
