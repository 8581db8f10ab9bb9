"""The first start: who runs the server makes the first operator and organization, once."""

import pytest

from statuspage import create_app
from statuspage.database import db, transaction
from statuspage.models.membership import Membership
from statuspage.models.organization import Organization
from statuspage.models.session import UserSession
from statuspage.models.user import User
from statuspage.server import greeting
from statuspage.web import setup
from tests.web.api.asking import at_once
from tests.web.browser import Browser, document, error_of, fields_of, words

PASSWORD = "correct horse battery"
FIELDS = {
    "name": "Ann",
    "email": "Ann@example.org",
    "password": PASSWORD,
    "organization": "Umbrella",
    "slug": "umbrella",
}


@pytest.fixture
def browser(app):
    return Browser(app)


def send(browser: Browser, **fields: str):
    page = fields_of(browser.get("/setup"))
    return browser.open(
        "/setup", "POST", data={**page, **FIELDS, "code": setup.code(browser.client.application), **fields}
    )


@pytest.mark.one_database
def test_an_empty_install_leads_there_and_has_no_account(browser):
    assert browser.get("/").location == "/setup"
    assert db.session.query(User).count() == 0
    page = browser.get("/setup")
    assert page.status_code == 200
    assert fields_of(page)["code"] == ""
    assert setup.code(browser.client.application) not in page.text


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("public", "site"), [("", "http://localhost:5001"), ("https://status.example", "https://status.example")]
)
def test_the_start_says_where_visitors_reach_it(app, monkeypatch, public, site):
    monkeypatch.setitem(app.config, "PUBLIC_URL", public)
    assert f"Begin at {site}/setup?code={setup.code(app)}" in greeting(app, "127.0.0.1", 5001)


@pytest.mark.one_database
def test_it_makes_an_operator_who_is_signed_in_and_a_page(browser):
    answer = send(browser)
    assert (answer.status_code, answer.location) == (303, "/admin/umbrella")
    [user], [organization] = db.session.query(User).all(), db.session.query(Organization).all()
    [membership] = db.session.query(Membership).all()
    assert (user.email, user.operator) == ("ann@example.org", True)
    assert user.password_hash.startswith("$argon2id$")
    assert (membership.user_id, membership.role) == (user.id, "owner")
    assert (organization.slug, organization.name, organization.public) == ("umbrella", "Umbrella", True)
    assert browser.get("/admin/umbrella").status_code == 200
    assert Browser(browser.client.application).get("/").status_code == 200
    assert Browser(browser.client.application).sign_in("ann@example.org", PASSWORD).status_code == 303


@pytest.mark.one_database
def test_it_is_there_once(app, browser):
    page = fields_of(browser.get("/setup"))
    send(browser)
    late = Browser(app)
    assert late.get("/setup").status_code == 404
    fields = {**page, **FIELDS, "email": "eve@example.org", "slug": "eve", "code": setup.code(app)}
    sent = browser.open("/setup", "POST", data=fields)
    assert (sent.status_code, sent.location) == (303, "/admin")
    assert db.session.query(User).count() == 1


def test_of_two_at_the_same_moment_one_is_first(app):
    browsers = [Browser(app) for _ in range(2)]
    pages = [{**fields_of(browser.get("/setup")), **FIELDS, "code": setup.code(app)} for browser in browsers]
    pages[1] |= {"email": "bob@example.org", "slug": "bob"}
    answers = at_once(
        *(
            lambda b=b, p=p: b.open("/setup", "POST", data=p).location
            for b, p in zip(browsers, pages, strict=True)
        )
    )
    assert len(set(answers) - {"/admin"}) == 1
    assert "/admin" in answers
    assert (db.session.query(User).count(), db.session.query(Organization).count()) == (1, 1)


@pytest.mark.one_database
@pytest.mark.parametrize("code", ["", "0" * 16, "wrong", "é", "x" * 200])
def test_only_who_sees_what_the_server_prints_may(app, browser, code):
    answer = send(browser, code=code)
    assert answer.status_code == 422
    assert error_of(answer, "code")
    assert db.session.query(User).count() == 0
    assert not db.session.query(UserSession).count()


@pytest.mark.one_database
def test_the_code_is_another_one_for_another_key(app, settings_for):
    other = create_app(settings_for("sqlite:////nowhere/at/all.db", SECRET_KEY="another"))
    assert setup.code(app) != setup.code(other)
    assert len(setup.code(app)) == 16


@pytest.mark.one_database
def test_a_stranger_cannot_make_a_browser_send_it(app, browser):
    fields = {**FIELDS, "code": setup.code(app)}
    assert browser.post("/setup", fields, "", **{"Sec-Fetch-Site": "cross-site"}).status_code == 400
    assert db.session.query(User).count() == 0


@pytest.mark.parametrize("field", ["name", "email", "password", "organization", "slug"])
@pytest.mark.parametrize(
    "text", ["", "x" * 5000, "\x00", "<script>alert(1)</script>", "admin", "حالة", "@", " "]
)
@pytest.mark.one_database
def test_bad_input_has_words_beside_its_field_or_is_taken(browser, field, text):
    answer = send(browser, **{field: text})
    if answer.status_code == 303:
        return
    assert answer.status_code == 422
    assert error_of(answer, field)
    kept = fields_of(answer)
    for name, typed in (FIELDS | {field: text}).items():
        expected = "" if name == "password" else typed.replace("\x00", "�")
        assert name == field or kept[name] == expected
    assert "<script>alert" not in answer.text
    assert db.session.query(User).count() == 0


@pytest.mark.one_database
def test_whoever_has_a_token_alone_cannot_sign_in_so_it_is_still_due(app, browser):
    with transaction():
        User.create(name="Deployment")
    assert browser.get("/setup").status_code == 200
    assert words(document(browser.get("/setup")).find(".//h1")) == "Set up your status page"
