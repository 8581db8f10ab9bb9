"""Page settings in the admin, and the end of an organization."""

import io

import pytest

from statuspage.database import db
from statuspage.models.organization import Organization
from statuspage.models.status import Visibility
from tests.web.admin.desk import BASE, refused, sit
from tests.web.browser import document, error_of, fields_of, words

pytestmark = pytest.mark.one_database
PATH = f"{BASE}/settings"


@pytest.fixture
def admin(app, cast):
    return sit(app, cast, "acme-admin")


def acme() -> Organization | None:
    db.session.rollback()
    db.session.expire_all()
    return db.session.get(Organization, "org-456")


def opened(browser) -> dict[str, str]:
    return fields_of(browser.get(PATH))


def save(browser, **fields: str):
    return browser.open(PATH, "POST", data={**opened(browser), **fields})


def test_the_form_shows_what_is(cast, admin):
    shown = opened(admin)
    assert {name: shown[name] for name in ("name", "slug", "timezone", "visibility", "indexed")} == {
        "name": "Acme",
        "slug": "acme",
        "timezone": "UTC",
        "visibility": "public",
        "indexed": "1",
    }
    zones = document(admin.get(PATH)).xpath("//datalist/option")
    assert {"Europe/Berlin", "Pacific/Auckland"} <= {zone.text for zone in zones}


def test_everything_is_saved(cast, admin):
    fields = opened(admin) | {"name": "Ace", "slug": "ace", "timezone": "Asia/Tokyo", "visibility": "private"}
    del fields["indexed"]
    answer = admin.open(PATH, "POST", data=fields)
    assert (answer.status_code, answer.location) == (303, "/admin/ace/settings?saved=1")
    saved = acme()
    assert (saved.name, saved.slug, saved.timezone, saved.visibility, saved.indexed) == (
        "Ace",
        "ace",
        "Asia/Tokyo",
        Visibility.PRIVATE,
        False,
    )
    assert "Saved." in words(document(admin.get("/admin/ace/settings?saved=1")).body)


def test_one_save_does_not_undo_what_the_form_did_not_touch(cast, admin):
    assert save(admin, name="Ace").status_code == 303
    assert (acme().name, acme().slug, acme().indexed) == ("Ace", "acme", True)


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("name", "", "Fill this in."),
        ("slug", "globex", "“globex” is taken. Choose another."),
        ("slug", "admin", "“admin” is a word the application uses itself. Choose another."),
        ("slug", "A B", "Use 1 to 40 lower-case letters, digits and inner hyphens."),
        ("timezone", "Berlin", "“Berlin” is no time zone. Write it like Europe/Berlin."),
        ("timezone", "../etc/passwd", "“../etc/passwd” is no time zone. Write it like Europe/Berlin."),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(cast, admin, field, text, said):
    answer = save(admin, **{"name": "Typed", field: text})
    assert answer.status_code == 422
    assert error_of(answer, field) == said
    kept = fields_of(answer)
    assert kept[field] == text
    assert field == "name" or kept["name"] == "Typed"
    assert acme().name == "Acme"


def test_a_box_that_was_unticked_stays_so_while_something_else_is_wrong(cast, admin):
    fields = opened(admin) | {"name": ""}
    del fields["indexed"]
    assert "indexed" not in fields_of(admin.open(PATH, "POST", data=fields))


def test_a_second_operators_newer_save_is_shown_and_not_overwritten(app, cast, admin):
    mine = opened(admin)
    assert save(sit(app, cast, "acme-owner"), name="Theirs", timezone="Asia/Tokyo").status_code == 303
    answer = admin.open(PATH, "POST", data={**mine, "name": "Mine"})
    assert answer.status_code == 409
    said = words(document(answer).body)
    assert f"{cast.users['acme-owner'].name} saved something here" in said
    assert "Saved meanwhile: Theirs" in said
    assert "Saved meanwhile: Asia/Tokyo" in said
    assert fields_of(answer)["name"] == "Mine"
    assert acme().name == "Theirs"
    assert admin.open(PATH, "POST", data=fields_of(answer)).status_code == 303
    assert (acme().name, acme().timezone) == ("Mine", "UTC")


def test_a_double_click_is_no_conflict_with_oneself(cast, admin):
    fields = {**opened(admin), "name": "Ace"}
    assert [admin.open(PATH, "POST", data=fields).status_code for _ in range(2)] == [303, 303]


def test_with_htmx_the_answer_holds_the_form_or_leads_on(cast, admin):
    fields = opened(admin)
    wrong = admin.open(PATH, "POST", data={**fields, "name": ""}, headers={"HX-Request": "true"})
    assert wrong.status_code == 422
    assert document(wrong).get_element_by_id("settings").tag == "form"
    right = admin.open(PATH, "POST", data={**fields, "name": "Ace"}, headers={"HX-Request": "true"})
    assert (right.status_code, right.headers["HX-Redirect"]) == (204, f"{PATH}?saved=1")


def test_only_an_owner_deletes_it_and_types_its_path(app, cast, admin):
    path = f"{PATH}/deletion"
    assert refused(admin, path) == refused(admin, path, {"slug": "acme"}) == 403
    owner = sit(app, cast, "acme-owner")
    for text in ("", "Acme", "globex", "x" * 99):
        answer = owner.post(path, {"slug": text})
        assert answer.status_code == 422
        assert error_of(answer, "slug")
    assert acme()
    assert owner.post(path, {"slug": "acme"}).location == "/admin"
    assert acme() is None
    assert owner.get("/acme").status_code == owner.get(BASE).status_code == 404


@pytest.mark.parametrize(
    ("who", "code"),
    [("acme-viewer", 403), ("acme-editor", 403), ("north-editor", 404), ("globex-owner", 404)],
)
def test_who_may_not(app, cast, who, code):
    browser = sit(app, cast, who)
    for path in (PATH, f"{PATH}/deletion"):
        assert refused(browser, path) == code
        assert refused(browser, path, {"slug": "acme", "name": "Stolen"}) == code
    assert acme().name == "Acme"


def test_sites_that_may_show_the_embed_stand_one_a_line(cast, admin):
    assert save(admin, embed_origins="https://A.example/\r\n\r\nhttp://b.example:8080").status_code == 303
    assert acme().embed_origins == ["https://a.example", "http://b.example:8080"]
    assert opened(admin)["embed_origins"].split() == ["https://a.example", "http://b.example:8080"]
    assert save(admin, name="Ace").status_code == 303
    assert len(acme().embed_origins) == 2
    answer = save(admin, embed_origins="https://a.example\nno site", name="Typed")
    assert answer.status_code == 422
    assert "“no”" in error_of(answer, "embed_origins")
    assert fields_of(answer)["embed_origins"].split() == ["https://a.example", "no", "site"]
    assert acme().name == "Ace"
    assert save(admin, embed_origins="").status_code == 303
    assert acme().embed_origins == []


def test_the_accent_is_taken_if_it_can_be_read(cast, admin):
    assert save(admin, accent="0969DA").status_code == 303
    assert acme().accent == "#0969da"
    assert "--accent:light-dark(#0969da," in admin.get("/acme").text
    for text in ("#ffff00", "red", "#12"):
        answer = save(admin, accent=text)
        assert answer.status_code == 422
        assert error_of(answer, "accent")
        assert fields_of(answer)["accent"] == text
    fields = {**opened(admin), "accent": "  0000FF "}
    assert [admin.open(PATH, "POST", data=fields).status_code for _ in range(2)] == [303, 303]
    assert save(admin, accent="").status_code == 303
    assert acme().accent is None


PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 50


def upload(browser, content: bytes | None, **fields: str):
    sent = {"csrf": browser.csrf, **fields}
    if content is not None:
        sent["logo"] = (io.BytesIO(content), "logo.png")
    return browser.open(f"{PATH}/logo", "POST", data=sent, content_type="multipart/form-data")


def test_a_logo_comes_and_goes(cast, admin):
    assert upload(admin, PNG).status_code == 303
    assert acme().logo_type == "image/png"
    assert admin.get("/acme/logo").data == PNG
    assert document(admin.get(PATH)).xpath("//img[@alt='The present logo']")
    assert upload(admin, None, remove="1").status_code == 303
    assert acme().logo is None


@pytest.mark.parametrize("content", [None, b"", b"<html>", b"GIF89a", PNG + b"x" * 262_144])
def test_what_is_no_logo_is_refused_beside_its_field(cast, admin, content):
    answer = upload(admin, content)
    assert answer.status_code == 422
    assert error_of(answer, "logo")
    assert fields_of(answer)["name"] == "Acme"
    assert acme().logo_hash is None


def test_who_may_not_set_a_logo(app, cast):
    for who, code in (("acme-editor", 403), ("north-editor", 404), ("globex-owner", 404)):
        assert upload(sit(app, cast, who), PNG).status_code == code
    assert acme().logo_hash is None
