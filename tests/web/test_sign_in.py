"""Signing in and out, the account, CSRF, and forms that come too late."""

import re
import threading
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy.exc import OperationalError

from statuspage.clock import now
from statuspage.database import db, snapshot, transaction
from statuspage.models import user
from statuspage.models.organization import Organization
from statuspage.models.role import Role
from statuspage.models.service import Service
from statuspage.models.session import COOKIE, GRACE, ROTATED_EVERY, SEEN_EVERY, UserSession, find
from statuspage.models.status import Visibility
from statuspage.models.user import User
from statuspage.web.throttle import DEVICE, PER_ACCOUNT, PER_ADDRESS, Throttle, _address
from tests.web.api.asking import at_once
from tests.web.browser import PASSWORD, Browser, document, error_of, fields_of, give_password, words

EMAIL = "ann@example.org"
WRONG = "This e-mail address and password do not belong together."


@pytest.fixture
def ann(app, cast):
    """Acme's owner has a password; nobody has tried any yet."""
    app.extensions["throttle"] = Throttle()
    return give_password(cast, "acme-owner", EMAIL)


@pytest.fixture
def browser(app, ann):
    return Browser(app)


def sessions() -> list[UserSession]:
    db.session.rollback()
    db.session.expire_all()
    return db.session.query(UserSession).all()


def trouble(answer) -> str:
    return words(document(answer).find_class("trouble")[0])


def cookies(answer) -> dict[str, str]:
    lines = answer.headers.getlist("Set-Cookie")
    return {line.split("=")[0]: line for line in lines}


# --- in and out ------------------------------------------------------------------------------------


@pytest.mark.one_database
def test_who_knows_the_password_gets_a_session(browser, ann):
    answer = browser.sign_in("  ANN@example.org ")
    assert (answer.status_code, answer.location) == (303, "/admin")
    assert answer.headers["Cache-Control"] == "no-store"
    [session] = sessions()
    assert session.user_id == ann.id
    assert browser.secret.startswith("ss_")
    assert browser.get("/admin").location == "/admin/acme"
    assert browser.get("/admin/acme").status_code == 200


@pytest.mark.one_database
@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_no_script_and_no_other_site_gets_at_the_cookies(browser, scheme, secure):
    page = browser.get("/sign-in")
    answer = browser.open(
        "/sign-in",
        "POST",
        data={**fields_of(page), "email": EMAIL, "password": PASSWORD},
        base_url=f"{scheme}://localhost",
        headers={"Referer": f"{scheme}://localhost/sign-in"},
    )
    if scheme == "https":  # the form came over HTTP: its cookie went along, the answer's are secure
        assert answer.status_code == 303, answer.text
    given = cookies(answer)
    assert {COOKIE, DEVICE} <= given.keys()
    for line in given.values():
        if "Expires=Thu, 01 Jan 1970" in line:
            continue
        assert "HttpOnly" in line
        assert "SameSite=Lax" in line
        assert ("Secure" in line) is secure
        assert "Domain" not in line
    assert "Path=/sign-in" in given[DEVICE]


@pytest.mark.one_database
def test_an_unknown_address_and_a_wrong_password_are_told_apart_by_nothing(app, browser, cast):
    answers = [browser.sign_in("nobody@example.org"), browser.sign_in(EMAIL, "wrong password")]
    with transaction():
        db.session.get(User, cast.users["acme-viewer"].id).email = "no-password@example.org"
    answers.append(browser.sign_in("no-password@example.org"))
    assert {answer.status_code for answer in answers} == {422}
    assert {trouble(answer) for answer in answers} == {WRONG}
    pages = [re.sub(r'value="[^"]*"', "", answer.text) for answer in answers]
    assert len(set(pages)) == 1
    assert not sessions()


@pytest.mark.alone
@pytest.mark.one_database
def test_an_unknown_address_takes_as_long_as_a_wrong_password(app, browser, monkeypatch):
    """The hash is what takes long: it is looked at once, whoever is asked for."""
    looked = []
    monkeypatch.setattr(user, "_verify", lambda hash, _: looked.append(hash) is not None)
    page = fields_of(browser.get("/sign-in"))
    for email in ("nobody@example.org", EMAIL):
        browser.open("/sign-in", "POST", data={**page, "email": email, "password": "wrong password"})
        assert len(looked) == 1
        looked.clear()


@pytest.mark.one_database
def test_what_was_typed_stays_but_never_a_password(browser):
    answer = browser.sign_in(EMAIL, "wrong password", next="/admin/acme/settings")
    kept = fields_of(answer)
    assert (kept["email"], kept["password"], kept["next"]) == (EMAIL, "", "/admin/acme/settings")
    assert "wrong password" not in answer.text


@pytest.mark.one_database
def test_signing_in_again_ends_the_browsers_session_of_before(browser):
    browser.sign_in(EMAIL)
    first = browser.secret
    page = browser.open("/sign-in", "POST", data={"csrf": browser.csrf, "email": EMAIL, "password": PASSWORD})
    assert page.status_code == 303
    assert browser.secret != first
    assert len(sessions()) == 1
    assert find(db.session(), first) is None


@pytest.mark.one_database
def test_a_cookie_that_a_stranger_planted_is_no_session_after_the_sign_in(browser):
    browser.client.set_cookie(COOKIE, "ss_" + "planted" * 6)
    browser.sign_in(EMAIL)
    assert "planted" not in browser.secret
    assert find(db.session(), "ss_" + "planted" * 6) is None


@pytest.mark.one_database
def test_signing_out_ends_the_row_and_the_cookie(browser):
    browser.sign_in(EMAIL)
    kept = browser.secret
    answer = browser.post("/sign-out", {})
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert browser.secret is None
    assert not sessions()
    thief = Browser(browser.client.application)
    thief.client.set_cookie(COOKIE, kept)
    assert thief.get("/admin/acme").location.startswith("/sign-in")


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("next", "location"),
    [
        ("/admin/acme?x=1", "/admin/acme?x=1"),
        ("/globex", "/globex"),
        ("//evil.example", "/admin"),
        ("///evil.example", "/admin"),
        ("/\\evil.example", "/admin"),
        ("\\\\evil.example", "/admin"),
        ("https://evil.example", "/admin"),
        ("https:evil.example", "/admin"),
        ("javascript:alert(1)", "/admin"),
        ("/\t/evil.example", "/admin"),
        ("/\r\nSet-Cookie: a=b", "/admin"),
        ("//[", "/admin"),
        ("/x\x00", "/admin"),
        ("evil.example", "/admin"),
        ("", "/admin"),
    ],
)
def test_no_link_leads_through_the_sign_in_to_elsewhere(browser, next, location):
    answer = browser.sign_in(EMAIL, next=next)
    assert (answer.status_code, answer.location) == (303, location)
    again = browser.open("/sign-in", query_string={"next": next})  # signed in already
    assert (again.status_code, again.location) == (303, location)


@pytest.mark.one_database
def test_a_path_of_any_script_can_be_gone_on_to(browser):
    answer = browser.open(
        "/sign-in",
        "POST",
        data={**fields_of(browser.get("/sign-in")), "email": EMAIL, "password": PASSWORD, "next": "/状態"},
        headers={"HX-Request": "true"},
    )
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, "/%E7%8A%B6%E6%85%8B")


@pytest.mark.parametrize(
    "text", ["", "x" * 5000, "a\x00b", "<script>alert(1)</script>", "😀" * 80, "حالة", "a@b", "{{ 7*7 }}"]
)
@pytest.mark.one_database
def test_nothing_that_is_typed_breaks_the_form(browser, text):
    for email, password in ((text, PASSWORD), (EMAIL, text), (text, text)):
        answer = browser.sign_in(email, password)
        assert answer.status_code in (422, 429)
        assert "<script>alert" not in answer.text


# --- throttling ------------------------------------------------------------------------------------


def fail(browser: Browser, times: int, email: str = EMAIL) -> list[int]:
    page = fields_of(browser.get("/sign-in"))
    data = {**page, "email": email, "password": "wrong password"}
    return [browser.open("/sign-in", "POST", data=data).status_code for _ in range(times)]


@pytest.fixture
def quick(monkeypatch):
    """Passwords that take no time: none is right."""
    monkeypatch.setattr("statuspage.web.sign_in.find_by_password", lambda email, password: None)


@pytest.mark.one_database
def test_guessing_at_an_account_ends_even_from_many_addresses(app, ann, quick):
    codes = [fail(Browser(app, f"10.0.0.{n}"), 1)[0] for n in range(PER_ACCOUNT.amount + 2)]
    assert codes == [422] * PER_ACCOUNT.amount + [429] * 2


@pytest.mark.one_database
def test_guessing_from_an_address_ends_even_at_many_accounts(app, ann, quick):
    browser = Browser(app, "2001:db8::1")
    codes = [fail(browser, 1, f"user-{n}@example.org")[0] for n in range(PER_ADDRESS.amount)]
    assert set(codes) == {422}
    assert fail(browser, 1, "one-more@example.org") == [429]
    assert fail(Browser(app, "2001:db8::2"), 1, "one-more@example.org") == [429]  # the same line
    for other in ("2001:db8:1::1", "::ffff:192.0.2.1"):
        assert fail(Browser(app, other), 1, "one-more@example.org") == [422]


@pytest.mark.one_database
def test_addresses_of_ipv4_are_told_apart_where_the_server_listens_on_ipv6(app):
    def budget(address):
        with app.test_request_context(environ_base={"REMOTE_ADDR": address}):
            return _address()

    assert budget("::ffff:192.0.2.1") == budget("192.0.2.1") != budget("::ffff:192.0.2.2")


@pytest.mark.one_database
def test_an_unknown_account_is_throttled_alike(app, ann, quick):
    browser = Browser(app)
    known, unknown = fail(browser, 12), fail(browser, 12, "nobody@example.org")
    assert known == unknown


@pytest.mark.one_database
def test_a_refused_try_says_when_to_come_back_and_keeps_what_was_typed(app, ann, quick):
    browser = Browser(app)
    fail(browser, PER_ACCOUNT.amount)
    answer = browser.sign_in(EMAIL)
    assert answer.status_code == 429
    assert 590 <= int(answer.headers["Retry-After"]) <= 600
    assert trouble(answer) == "Too many tries. Wait 10 minutes, then try again."
    assert fields_of(answer)["email"] == EMAIL


@pytest.mark.one_database
def test_strangers_do_not_lock_out_a_browser_that_signed_in_before(app, ann):
    at_home = Browser(app, "10.1.0.1")
    at_home.sign_in(EMAIL)
    at_home.post("/sign-out", {})
    assert 429 in fail(Browser(app, "10.6.6.6"), PER_ACCOUNT.amount + 1)
    assert Browser(app, "10.1.0.2").sign_in(EMAIL).status_code == 429  # a browser nobody knows
    assert at_home.sign_in(EMAIL).status_code == 303


@pytest.mark.one_database
def test_the_mark_of_a_known_browser_is_good_for_its_account_and_has_an_end(app, ann):
    at_home = Browser(app, "10.1.0.1")
    at_home.sign_in(EMAIL)
    at_home.post("/sign-out", {})
    assert fail(at_home, PER_ACCOUNT.amount + 1)[-1] == 429
    forged = Browser(app, "10.1.0.9")
    forged.client.set_cookie(DEVICE, "forged", path="/sign-in")
    fail(Browser(app, "10.6.6.6"), PER_ACCOUNT.amount)
    assert forged.sign_in(EMAIL).status_code == 429


@pytest.mark.one_database
def test_many_tries_at_once_are_no_more_tries(app, ann, monkeypatch):
    """All are under way before the first has failed."""
    looks, browsers = [], [Browser(app) for _ in range(PER_ACCOUNT.amount + 10)]
    everybody = threading.Barrier(len(browsers), timeout=30)

    def slow(email, password):
        looks.append(email)
        everybody.wait()

    def attempt(browser, page):
        fields = {**page, "email": EMAIL, "password": "wrong password"}
        if browser.open("/sign-in", "POST", data=fields).status_code == 429:
            everybody.wait()

    monkeypatch.setattr("statuspage.web.sign_in.find_by_password", slow)
    pages = [fields_of(browser.get("/sign-in")) for browser in browsers]
    at_once(*(partial(attempt, *pair) for pair in zip(browsers, pages, strict=True)))
    assert len(looks) == PER_ACCOUNT.amount


@pytest.mark.one_database
def test_signing_in_costs_nothing_of_the_budget(app, ann):
    browser = Browser(app)
    for _ in range(PER_ACCOUNT.amount + 2):
        assert browser.sign_in(EMAIL).status_code == 303
        browser.post("/sign-out", {})


# --- the account -----------------------------------------------------------------------------------


@pytest.mark.one_database
def test_a_new_password_counts_and_ends_every_other_session(app, browser):
    browser.sign_in(EMAIL)
    elsewhere = Browser(app)
    elsewhere.sign_in(EMAIL)
    before = browser.secret
    answer = browser.post("/account/password", {"current": PASSWORD, "password": "a new long password"})
    assert (answer.status_code, answer.location) == (303, "/account?saved=1")
    assert browser.secret != before
    assert browser.get("/account").status_code == 200
    assert elsewhere.get("/account").location.startswith("/sign-in")
    assert find(db.session(), before) is None
    assert Browser(app).sign_in(EMAIL, "a new long password").status_code == 303
    assert Browser(app).sign_in(EMAIL).status_code == 422


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("current", "password", "field", "said"),
    [
        ("wrong password", "a new long password", "current", "This is not your present password."),
        (PASSWORD, "short", "password", "Choose a password of 10 to 200 characters."),
        (PASSWORD, "x" * 201, "password", "This is too long: at most 200 characters."),
        (PASSWORD, "", "password", "Fill this in."),
        ("", "a new long password", "current", "Fill this in."),
    ],
)
def test_a_password_that_is_not_changed_says_why_beside_its_field(browser, current, password, field, said):
    browser.sign_in(EMAIL)
    answer = browser.post("/account/password", {"current": current, "password": password})
    assert answer.status_code == 422
    assert error_of(answer, field) == said
    assert "a new long password" not in answer.text


@pytest.mark.one_database
def test_the_present_password_cannot_be_guessed_here_either(browser, monkeypatch):
    browser.sign_in(EMAIL)
    monkeypatch.setattr(User, "has_password", lambda *_: False)
    token = browser.csrf
    fields = {"current": "wrong password", "password": "a new long password"}
    codes = [browser.post("/account/password", fields, token).status_code for _ in range(11)]
    assert codes == [422] * 10 + [429]


def test_one_signs_out_elsewhere_one_by_one_or_all_at_once(app, browser):
    browser.sign_in(EMAIL)
    others = [Browser(app) for _ in range(3)]
    for other in others:
        other.sign_in(EMAIL)
    page = document(browser.get("/account"))
    assert len(page.find_class("sessions")[0]) == 4
    ids = page.xpath("//button[@name='session']/@value")
    browser.post("/account/sessions", {"session": ids[0]})
    assert len(sessions()) == 3
    browser.post("/account/sessions", {"session": "others"})
    assert len(sessions()) == 1
    assert browser.get("/account").status_code == 200
    assert [other.get("/account").status_code for other in others] == [303] * 3


@pytest.mark.one_database
def test_nobody_signs_out_somebody_else(app, cast, browser):
    Browser.of(app, cast.users["acme-viewer"])
    [theirs] = sessions()
    browser.sign_in(EMAIL)
    browser.post("/account/sessions", {"session": theirs.id})
    assert db.session.get(UserSession, theirs.id)
    assert len(sessions()) == 2


# --- what the session opens ------------------------------------------------------------------------


def age(browser: Browser, **columns) -> None:
    with transaction():
        session = find(db.session(), browser.secret)
        for name, value in columns.items():
            setattr(session, name, value)


@pytest.mark.one_database
def test_a_days_old_secret_is_replaced_on_the_next_page(browser):
    browser.sign_in(EMAIL)
    old = browser.secret
    age(browser, rotated_at=now() - ROTATED_EVERY - timedelta(seconds=1))
    answer = browser.get("/acme")
    assert browser.secret != old
    assert "no-store" in answer.headers["Cache-Control"]
    assert browser.get("/account").status_code == 200
    late = Browser(browser.client.application)
    late.client.set_cookie(COOKIE, old)
    assert late.get("/account").status_code == 200  # a request that was under way
    age(browser, rotated_at=now() - GRACE - timedelta(seconds=1))
    assert browser.get("/account").status_code == 200  # the new one has come back
    assert late.get("/account").status_code == 303


@pytest.mark.one_database
def test_an_answer_with_a_new_secret_may_be_lost_on_its_way(app, browser):
    browser.sign_in(EMAIL)
    old = browser.secret
    age(browser, rotated_at=now() - ROTATED_EVERY - timedelta(seconds=1))
    browser.get("/acme")
    age(browser, rotated_at=now() - GRACE - timedelta(seconds=1))
    again = Browser(app)
    again.client.set_cookie(COOKIE, old)
    assert again.get("/account").status_code == 200
    assert again.secret != old
    assert again.get("/account").status_code == 200


@pytest.mark.one_database
def test_a_use_that_cannot_be_noted_costs_nobody_the_page(browser, monkeypatch):
    def full(_session, _secret):
        raise OperationalError("UPDATE", {}, Exception("database or disk is full"))

    browser.sign_in(EMAIL)
    age(browser, seen_at=now() - SEEN_EVERY - timedelta(seconds=1))
    monkeypatch.setattr(UserSession, "note_use", full)
    assert browser.get("/account").status_code == 200


def test_two_requests_at_once_replace_it_once(app, browser):
    browser.sign_in(EMAIL)
    old = browser.secret
    age(browser, rotated_at=now() - ROTATED_EVERY - timedelta(seconds=1))
    twins = [Browser(app) for _ in range(6)]
    for twin in twins:
        twin.client.set_cookie(COOKIE, old)
    at_once(*(lambda twin=twin: twin.get("/account") for twin in twins))
    changed = {twin.secret for twin in twins} - {old}
    assert len(changed) == 1
    assert find(db.session(), changed.pop())


@pytest.mark.one_database
def test_a_session_reads_what_its_user_may_read(app, cast):
    viewer, stranger = (Browser.of(app, cast.users[name]) for name in ("acme-viewer", "acme-owner"))
    with transaction(cast.acme):
        cast.acme.update(visibility=Visibility.PRIVATE)
    for path in (
        "/acme",
        "/acme/south",
        "/acme/changes?scope=all",
        "/acme/changes?view=admin/overview&scope=all",
        "/acme/stream?scope=all",
        "/api/services?organizationId=org-456&scope=all",
        f"/api/services/{cast.south_service.id}",
    ):
        answer = viewer.get(path)
        assert answer.status_code == 200, path
        answer.close()
    for path in ("/globex", "/globex/changes", "/globex/stream", f"/api/services/{cast.globex_service.id}"):
        assert stranger.get(path).status_code == 404, path
    assert Browser(app).get("/acme").status_code == 404


@pytest.mark.one_database
def test_a_session_that_has_ended_is_a_visitors(app, cast):
    browser = Browser.of(app, cast.users["acme-owner"])
    age(browser, seen_at=now() - timedelta(days=8))
    assert browser.get("/acme").status_code == 200
    assert browser.get("/acme/south").status_code == 404
    assert browser.get("/admin/acme").location == "/sign-in?next=%2Fadmin%2Facme"


# --- CSRF ------------------------------------------------------------------------------------------

WRITES = [
    ("POST", "/admin/acme/services/{service}/status", {"data": {"status": "degraded"}}),
    ("POST", "/account/sessions", {"data": {"session": "others"}}),
    ("POST", "/account/password", {"data": {"current": PASSWORD, "password": "a new long password"}}),
    ("POST", "/sign-out", {"data": {}}),
    ("POST", "/api/services", {"json": {"organizationId": "org-456", "name": "x"}}),
    ("PUT", "/api/services/{service}", {"json": {"status": "degraded"}}),
    ("PATCH", "/api/services/{service}", {"json": {"name": "x"}}),
    ("DELETE", "/api/services/{service}", {}),
    (
        "POST",
        "/api/websocket/broadcast",
        {"json": {"organizationId": "org-456", "type": "service-update", "data": {"x": 1}}},
    ),
]


def facts() -> tuple:
    with snapshot() as session:
        services = [tuple(row) for row in session.execute(Service.__table__.select().order_by(Service.id))]
        seqs = [tuple(row) for row in session.execute(db.select(Organization.id, Organization.seq))]
        return services, seqs, [row.id for row in session.execute(UserSession.__table__.select())]


@pytest.mark.one_database
@pytest.mark.parametrize(("method", "path", "sent"), WRITES)
def test_no_other_site_writes_in_the_name_of_a_session(app, cast, ann, method, path, sent):
    browser = Browser.of(app, ann)
    Browser.of(app, ann)  # elsewhere
    path, before, token = path.format(service=cast.acme_service.id), facts(), browser.csrf
    for headers in (
        {},
        {"X-CSRF-Token": "wrong"},
        {"X-CSRF-Token": Browser(app).csrf},  # a stranger's own
        {"Authorization": ""},
        {"Authorization": "Basic YW5uOnNlY3JldA=="},  # what a browser sends by itself to a proxy
    ):
        headers = {"Sec-Fetch-Site": "cross-site", **headers}
        assert browser.open(path, method, headers=headers, **sent).status_code == 400
    assert facts() == before
    answer = browser.open(path, method, headers={"X-CSRF-Token": token}, **sent)
    assert answer.status_code < 400, answer.text
    assert facts() != before


@pytest.mark.one_database
def test_a_program_with_a_token_needs_none(client, cast):
    answer = client.patch(
        f"/api/services/{cast.acme_service.id}", json={"name": "x"}, headers=cast.bearer("acme-editor")
    )
    assert answer.status_code == 200


@pytest.mark.one_database
def test_the_role_counts_for_a_session_too(app, cast):
    browser = Browser.of(app, cast.users["acme-viewer"])
    answer = browser.open(
        f"/api/services/{cast.acme_service.id}",
        "PATCH",
        json={"name": "x"},
        headers={"X-CSRF-Token": browser.csrf},
    )
    assert answer.status_code == 403


@pytest.mark.one_database
def test_a_stranger_signs_nobody_in(app, ann):
    """Login CSRF: whoever is signed in by somebody else types into somebody else's account."""
    for token in ("", "wrong", Browser(app).csrf):
        browser = Browser(app)
        answer = browser.open(
            "/sign-in",
            "POST",
            data={"email": EMAIL, "password": PASSWORD, "csrf": token},
            headers={"Sec-Fetch-Site": "cross-site"},
        )
        assert answer.status_code == 400
        assert browser.secret is None
    assert not sessions()


@pytest.mark.one_database
def test_two_people_may_choose_the_same_idempotency_key(app, cast):
    bodies = []
    for name in ("acme-editor", "acme-admin"):
        browser = Browser.of(app, cast.users[name])
        headers = {"X-CSRF-Token": browser.csrf, "Idempotency-Key": "same"}
        sent = {"organizationId": "org-456", "name": "x"}
        bodies.append(browser.open("/api/services", "POST", json=sent, headers=headers).json["id"])
    assert len(set(bodies)) == 2


# --- a form that comes too late --------------------------------------------------------------------


@pytest.fixture
def late(app, cast, ann):
    """A browser with an open form whose session has just ended; its last answer."""
    browser = Browser.of(app, ann)
    token = browser.csrf
    with transaction(cast.acme):
        find(db.session(), browser.secret).end()
    fields = {"status": "degraded", "note": "<b>typed</b>", "password": "never held", "current": "nor this"}
    browser.path = f"/admin/acme/services/{cast.acme_service.id}/status"
    browser.answer = browser.post(browser.path, fields, token)
    return browser


def status_of(service: Service) -> str:
    db.session.rollback()
    return db.session.get_one(Service, service.id, populate_existing=True).own_status


@pytest.mark.one_database
def test_it_is_kept_through_the_sign_in_and_really_sent_then(late, cast):
    assert late.answer.status_code == 401
    assert "what you typed is kept" in words(document(late.answer).body)
    held = fields_of(late.answer)
    assert "password" in held
    assert held["password"] == ""
    wrong = late.open("/sign-in", "POST", data={**held, "email": EMAIL, "password": "wrong password"})
    assert fields_of(wrong)["held"] == held["held"]  # not lost over a typing mistake
    again = late.open("/sign-in", "POST", data={**fields_of(wrong), "email": EMAIL, "password": PASSWORD})
    assert again.status_code == 200
    assert "<b>typed</b>" in words(document(again).body)
    assert status_of(cast.acme_service) == "operational"
    form = document(again).forms[0]
    assert (form.action, form.method) == (late.path, "POST")
    sent = late.open(form.action, "POST", data=fields_of(again))
    assert sent.status_code == 303
    assert status_of(cast.acme_service) == "degraded"


@pytest.mark.one_database
def test_passwords_are_not_held(late):
    held = fields_of(late.answer)["held"]
    assert "never held" not in late.answer.text
    again = late.open(
        "/sign-in", "POST", data={**fields_of(late.answer), "email": EMAIL, "password": PASSWORD}
    )
    assert held
    for secret in ("never held", "nor this", PASSWORD):
        assert secret not in again.text


@pytest.mark.one_database
def test_nobody_makes_up_a_form_that_was_held(app, ann):
    browser = Browser(app)
    for held in ("made up", "e30.x", "\x00"):
        answer = browser.sign_in(EMAIL, held=held)
        assert (answer.status_code, answer.location) == (303, "/admin")
        browser.post("/sign-out", {})


@pytest.mark.one_database
@pytest.mark.parametrize("origin", ["cross-site", "same-site", "none"])
def test_another_sites_form_is_not_held(app, cast, ann, origin):
    path = f"/admin/acme/services/{cast.acme_service.id}/status"
    answer = Browser(app).post(path, {"status": "degraded"}, "", **{"Sec-Fetch-Site": origin})
    assert answer.status_code == 401
    assert "held" not in fields_of(answer)


@pytest.mark.one_database
def test_with_htmx_the_sign_in_takes_the_place_of_the_screen(app, cast, ann):
    path = f"/admin/acme/services/{cast.acme_service.id}/status"
    answer = Browser(app).post(path, {"status": "degraded"}, "", **{"HX-Request": "true"})
    assert answer.status_code == 401
    assert answer.headers["HX-Retarget"] == answer.headers["HX-Reselect"] == "main"


@pytest.mark.one_database
def test_a_form_of_an_older_csrf_token_is_shown_again_to_send_with_one_click(app, cast, ann):
    browser = Browser.of(app, ann)
    path = f"/admin/acme/services/{cast.acme_service.id}/status"
    answer = browser.post(path, {"status": "degraded"}, "stale")
    assert answer.status_code == 400
    assert browser.open(path, "POST", data=fields_of(answer)).status_code == 303
    assert status_of(cast.acme_service) == "degraded"


@pytest.mark.one_database
def test_an_operator_enters_every_organization(app, cast):
    browser = Browser.of(app, cast.users["operator"])
    for slug in ("acme", "globex"):
        assert browser.get(f"/admin/{slug}").status_code == 200
    assert {"Acme", "Globex"} <= set(words(document(browser.get("/admin"))).split())
    assert Role.OPERATOR.value in browser.get("/admin/acme").text
