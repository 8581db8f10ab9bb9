"""Tenants in the admin."""

import pytest

from statuspage.database import db, transaction
from statuspage.models.organization import Tenant
from statuspage.models.status import Visibility
from tests.web.admin.desk import BASE, refused, sit, texts
from tests.web.browser import document, error_of, fields_of, words

pytestmark = pytest.mark.one_database
NEW = {"name": "West", "slug": "west", "visibility": "private"}


@pytest.fixture
def admin(app, cast):
    return sit(app, cast, "acme-admin")


def tenants():
    db.session.rollback()
    db.session.expire_all()
    return {tenant.slug: tenant for tenant in db.session.query(Tenant)}


def test_the_list_says_who_sees_them_and_what_is_on_them(cast, admin):
    assert texts(admin.get(f"{BASE}/tenants"), "tenants") == [
        "North Public /acme/north · 1 service · no open incidents Edit North",
        "South Private /acme/south · 1 service · no open incidents Edit South",
    ]


def test_a_new_one_has_a_page(cast, admin):
    answer = admin.post(f"{BASE}/tenants/new", NEW)
    assert (answer.status_code, answer.location) == (303, f"{BASE}/tenants")
    assert (tenants()["west"].name, tenants()["west"].visibility) == ("West", "private")
    assert admin.get("/acme/west").status_code == 200
    assert "West" in admin.get(f"{BASE}/tenants").text


def test_a_double_click_makes_one(cast, admin):
    fields = {**fields_of(admin.get(f"{BASE}/tenants/new")), **NEW}
    answers = [admin.open(f"{BASE}/tenants/new", "POST", data=fields) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]


def test_it_is_renamed_moved_and_hidden(cast, admin):
    path = f"{BASE}/tenants/{cast.north.id}"
    assert fields_of(admin.get(path))["slug"] == "north"
    answer = admin.post(path, {"name": "Nord", "slug": "nord", "visibility": "private"})
    assert answer.status_code == 303
    assert tenants()["nord"].name == "Nord"
    assert admin.get("/acme/north").status_code == 404


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"name": ""}, "name", "Fill this in."),
        ({"slug": "Not a path"}, "slug", "Use 1 to 40 lower-case letters, digits and inner hyphens."),
        ({"slug": "south"}, "slug", "“south” is taken. Choose another."),
        ({"slug": "incidents"}, "slug", "“incidents” is a word the application uses itself. Choose another."),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(cast, admin, fields, field, said):
    for path in (f"{BASE}/tenants/new", f"{BASE}/tenants/{cast.north.id}"):
        answer = admin.post(path, {**NEW, **fields})
        assert answer.status_code == 422
        assert error_of(answer, field) == said
        kept = fields_of(answer)
        assert {name: kept[name] for name in NEW} == {**NEW, **fields}


def test_somebody_elses_newer_save_is_shown_not_overwritten(cast, admin):
    path = f"{BASE}/tenants/{cast.north.id}"
    opened = fields_of(admin.get(path))
    with transaction(cast.acme):
        cast.north.update(name="Theirs")
    answer = admin.open(path, "POST", data={**opened, "name": "Mine"})
    assert answer.status_code == 409
    assert "Saved meanwhile: Theirs" in words(document(answer).body)
    assert fields_of(answer)["name"] == "Mine"
    assert tenants()["north"].name == "Theirs"
    assert admin.open(path, "POST", data=fields_of(answer)).status_code == 303
    assert tenants()["north"].name == "Mine"


def test_a_mistake_does_not_hide_what_somebody_else_saved(cast, admin):
    path = f"{BASE}/tenants/{cast.north.id}"
    opened = fields_of(admin.get(path))
    with transaction(cast.acme):
        cast.north.update(name="Theirs")
    wrong = admin.open(path, "POST", data={**opened, "name": "Mine", "slug": ""})
    assert wrong.status_code == 422
    again = admin.open(path, "POST", data={**fields_of(wrong), "slug": "north"})
    assert again.status_code == 409


def test_the_same_save_of_two_is_no_conflict(cast, admin):
    path = f"{BASE}/tenants/{cast.north.id}"
    opened = {**fields_of(admin.get(path)), "name": "Ours"}
    assert [admin.open(path, "POST", data=opened).status_code for _ in range(2)] == [303, 303]


def test_deleting_says_what_goes_and_does_it(cast, admin):
    path = f"{BASE}/tenants/{cast.north.id}/deletion"
    page = document(admin.get(path))
    assert [words(item) for item in page.find_class("goes")[0]] == [
        "1 service",
        "no incidents",
        "2 members",
        "2 API tokens",
    ]
    assert "north" in tenants()
    assert admin.post(path, {}).location == f"{BASE}/tenants"
    assert "north" not in tenants()
    assert admin.get(path).status_code == 404


def test_a_private_organizations_tenants_are_private(cast, admin):
    with transaction(cast.acme):
        cast.acme.update(visibility=Visibility.PRIVATE)
    assert all("Private" in row for row in texts(admin.get(f"{BASE}/tenants"), "tenants"))


@pytest.mark.parametrize(
    ("who", "reads", "writes"),
    [
        ("acme-viewer", 200, 403),
        ("acme-editor", 200, 403),
        ("north-editor", 404, 404),
        ("globex-owner", 404, 404),
    ],
)
def test_who_may_not(app, cast, who, reads, writes):
    browser, path = sit(app, cast, who), f"{BASE}/tenants"
    assert refused(browser, path) == reads
    for step in ("new", cast.north.id, f"{cast.north.id}/deletion"):
        assert refused(browser, f"{path}/{step}") == writes
        assert refused(browser, f"{path}/{step}", NEW) == writes
    assert set(tenants()) == {"north", "south", "east"}


def test_another_organizations_tenant_is_not_found(cast, admin):
    for step in (cast.east.id, f"{cast.east.id}/deletion", "nowhere", "a\x00b"):
        assert refused(admin, f"{BASE}/tenants/{step}") == 404
        assert refused(admin, f"{BASE}/tenants/{step}", NEW) == 404
