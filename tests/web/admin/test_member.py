"""Members in the admin, and the links with which new people join."""

from datetime import timedelta

import pytest

from statuspage.clock import now
from statuspage.database import db, snapshot, transaction
from statuspage.models.invitation import Invitation
from statuspage.models.membership import Membership
from statuspage.models.role import Role
from statuspage.models.session import find
from statuspage.models.user import User
from tests.web.admin.desk import BASE, refused, sit, texts
from tests.web.api.asking import at_once, lines
from tests.web.browser import (
    PASSWORD,
    Browser,
    document,
    error_of,
    fields_in,
    fields_of,
    give_password,
    words,
)

pytestmark = pytest.mark.one_database
EVE = {"email": "Eve@example.org", "name": "Eve", "role": "editor"}


@pytest.fixture
def admin(app, cast):
    return sit(app, cast, "acme-admin")


@pytest.fixture
def owner(app, cast):
    return sit(app, cast, "acme-owner")


def held(cast, name, organization=None):
    """The row of what somebody is."""
    db.session.rollback()
    user = cast.users[name] if name in cast.users else db.session.query(User).filter_by(name=name).one()
    place = organization or cast.acme
    rows = db.session.query(Membership).filter_by(user_id=user.id, organization_id=place.id)
    return rows.populate_existing().first()


def role(cast, name):
    row = held(cast, name)
    return row.role if row else None


def link_of(answer) -> str:
    """The path of the link that an answer shows."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    link = document(answer).get_element_by_id("secret").get("value")
    assert link.startswith("http://localhost/join/")
    return link.removeprefix("http://localhost")


def alert(answer) -> str:
    return words(document(answer).find_class("trouble")[0])


# --- adding ----------------------------------------------------------------------------------------


def test_the_list_says_who_may_do_what_where(cast, admin):
    rows = texts(admin.get(f"{BASE}/members"), "members")
    assert "acme-owner Owner A program: it has tokens, and cannot sign in Change acme-owner" in rows
    assert any(row.startswith("north-editor Editor only North") for row in rows)
    assert len(rows) == 7


def test_somebody_with_an_account_is_a_member_at_once(cast, admin):
    give_password(cast, "globex-owner", "bob@example.org")
    answer = admin.post(f"{BASE}/members/new", {"email": " BOB@example.org", "name": "X", "role": "viewer"})
    assert (answer.status_code, answer.location) == (303, f"{BASE}/members")
    assert role(cast, "globex-owner") == "viewer"
    assert held(cast, "globex-owner").user.name == "globex-owner"
    assert db.session.query(Invitation).count() == 0


def test_somebody_new_joins_by_a_link_that_is_shown_once(app, cast, admin):
    path = link_of(admin.post(f"{BASE}/members/new", EVE))
    secret = path.rpartition("/")[2]
    assert "invited, has not joined yet" in admin.get(f"{BASE}/members").text
    with snapshot() as session:
        assert secret not in str(session.execute(Invitation.__table__.select()).all())
    for page in ("", "/members", f"/members/{held(cast, 'Eve').id}"):
        assert secret not in admin.get(BASE + page).text
    eve = Browser(app)
    page = eve.get(path)
    assert words(document(page).find(".//h1")) == "Join Acme"
    answer = eve.open(path, "POST", data={**fields_of(page), "password": PASSWORD})
    assert (answer.status_code, answer.location) == (303, "/admin")
    assert eve.get(BASE).status_code == 200
    assert Browser(app).sign_in("eve@example.org").status_code == 303
    assert "has not joined yet" not in admin.get(f"{BASE}/members").text
    assert lines(cast.acme)[-1] == ("access", "joined")


def test_joining_in_somebodys_browser_ends_the_session_it_had(cast, admin):
    path, old = link_of(admin.post(f"{BASE}/members/new", EVE)), admin.secret
    fields = fields_of(admin.get(path))
    assert admin.open(path, "POST", data={**fields, "password": PASSWORD}).location == "/admin"
    assert admin.secret != old
    assert find(db.session(), old) is None


def test_a_link_works_once(app, cast, admin):
    path = link_of(admin.post(f"{BASE}/members/new", EVE))
    browsers = [Browser(app) for _ in range(3)]
    forms = [
        {**fields_of(browser.get(path)), "password": f"{PASSWORD} {n}"} for n, browser in enumerate(browsers)
    ]
    answers = at_once(
        *(
            lambda b=b, f=f: b.open(path, "POST", data=f).status_code
            for b, f in zip(browsers, forms, strict=True)
        )
    )
    assert sorted(answers) == [303, 404, 404]
    late = Browser(app).get(path)
    assert late.status_code == 404
    assert words(document(late).find(".//h1")) == "This link does not work any more"


def test_a_link_ends_after_a_week_and_with_a_new_one_and_with_the_membership(app, cast, admin):
    visitor = Browser(app)
    first = link_of(admin.post(f"{BASE}/members/new", EVE))
    with transaction():
        db.session.query(Invitation).one().expires_at = now() + timedelta(days=7) - timedelta(seconds=1)
    assert visitor.get(first).status_code == 200
    with transaction():
        db.session.query(Invitation).one().expires_at = now() - timedelta(seconds=1)
    assert visitor.get(first).status_code == 404
    second = link_of(admin.post(f"{BASE}/members/{held(cast, 'Eve').id}/invitation", {}))
    third = link_of(admin.post(f"{BASE}/members/{held(cast, 'Eve').id}/invitation", {}))
    assert [visitor.get(path).status_code for path in (first, second, third)] == [404, 404, 200]
    admin.post(f"{BASE}/members/{held(cast, 'Eve').id}/removal", {})
    assert visitor.get(third).status_code == 404


@pytest.mark.parametrize("secret", ["unknown", "a\x00b", "x" * 3000, "<script>alert(1)", "..", "%2e%2e"])
def test_a_link_that_never_was(app, cast, secret):
    answer = Browser(app).get(f"/join/{secret}")
    assert answer.status_code == 404
    assert "<script>alert" not in answer.text


def test_a_link_asks_for_a_good_password_and_for_our_own_form(app, cast, admin):
    path = link_of(admin.post(f"{BASE}/members/new", EVE))
    eve = Browser(app)
    page = fields_of(eve.get(path))
    for password in ("", "short", "x" * 300):
        answer = eve.open(path, "POST", data={**page, "password": password})
        assert answer.status_code == 422
        assert error_of(answer, "password")
    forged = eve.post(path, {"password": PASSWORD}, "", **{"Sec-Fetch-Site": "cross-site"})
    assert forged.status_code == 400
    assert eve.secret is None


def test_a_double_click_adds_one_and_shows_a_link_that_works(app, cast, admin):
    path = f"{BASE}/members/new"
    fields = fields_in(admin.get(path), path) | EVE
    links = [link_of(admin.open(path, "POST", data=fields)) for _ in range(2)]
    assert [Browser(app).get(link).status_code for link in links] == [404, 200]
    assert db.session.query(User).filter_by(name="Eve").count() == 1


@pytest.mark.parametrize("other", [{"role": "viewer"}, {"name": "Adam"}])
def test_somebody_who_was_invited_is_a_member_already(cast, admin, other):
    admin.post(f"{BASE}/members/new", EVE)
    answer = admin.post(f"{BASE}/members/new", {**EVE, **other})
    assert answer.status_code == 422
    assert error_of(answer, "email") == "This person is a member there already. Change the role in the list."


def test_a_role_that_somebody_else_changed_meanwhile_is_shown_not_overwritten(app, cast, admin, owner):
    path = f"{BASE}/members/{held(cast, 'acme-viewer').id}"
    mine = fields_in(admin.get(path), path) | {"role": "viewer"}
    owner.open(path, "POST", data=fields_in(owner.get(path), path) | {"role": "editor"})
    stale = admin.open(path, "POST", data=mine)
    assert stale.status_code == 409
    assert "Editor" in words(document(stale).find_class("theirs")[0])
    assert held(cast, "acme-viewer").role == "editor"
    assert admin.open(path, "POST", data=fields_in(stale, path)).status_code == 303
    assert held(cast, "acme-viewer").role == "viewer"


def test_a_link_never_opens_what_its_maker_may_not(app, cast, admin, owner):
    """Whoever has a link becomes that user: it must be worth no more than what its maker has."""
    link_of(owner.post(f"{BASE}/members/new", {**EVE, "role": "owner"}))
    row = held(cast, "Eve")
    assert admin.post(f"{BASE}/members/{row.id}/invitation", {}).status_code == 403
    globex = sit(app, cast, "globex-owner")
    answer = globex.post("/admin/globex/members/new", EVE)
    said = "Eve was invited by somebody else and has not joined yet. Try again then."
    assert error_of(answer, "email") == said
    assert held(cast, "Eve", cast.globex) is None
    with transaction():
        db.session.query(Invitation).one().expires_at = now() - timedelta(seconds=1)
    answer = globex.post("/admin/globex/members/new", EVE)
    assert (answer.status_code, answer.location) == (303, "/admin/globex/members")  # known: no link
    for browser, place in ((globex, "globex"), (owner, "acme")):
        id = held(cast, "Eve", getattr(cast, place)).id
        answer = browser.post(f"/admin/{place}/members/{id}/invitation", {})
        assert alert(answer) == "Eve was invited by somebody else. Ask for the link there."
    give_password(cast, "acme-viewer", "vera@example.org")
    answer = admin.post(f"{BASE}/members/{held(cast, 'acme-viewer').id}/invitation", {})
    assert alert(answer) == "acme-viewer can sign in already."


def test_a_link_of_an_admins_is_not_one_to_an_owners_role(app, cast, admin, owner):
    path = link_of(admin.post(f"{BASE}/members/new", EVE))
    owner.post(f"{BASE}/members/{held(cast, 'Eve').id}", {"role": "owner"})
    assert role(cast, "Eve") == "owner"
    assert Browser(app).get(path).status_code == 404


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"email": "eve"}, "email", "Write an e-mail address, like robin@example.org."),
        ({"name": ""}, "name", "Nobody here has this address yet. Write the person’s name too."),
        ({"tenant": "nosuchten000"}, "tenant", "There is no such tenant any more. Choose another."),
    ],
)
def test_what_is_wrong_stands_beside_its_field(cast, admin, fields, field, said):
    answer = admin.post(f"{BASE}/members/new", {**EVE, **fields})
    assert answer.status_code == 422
    assert error_of(answer, field) == said
    if field != "tenant":
        kept = fields_of(answer)
        assert {name: kept[name] for name in EVE} == {**EVE, **fields}
    assert db.session.query(User).filter_by(name="Eve").count() == 0


def test_a_member_of_one_tenant(app, cast, admin):
    link_of(admin.post(f"{BASE}/members/new", {**EVE, "tenant": cast.south.id}))
    eve = Browser.of(app, held(cast, "Eve").user)
    assert eve.get("/acme/south").status_code == 200
    assert eve.get(BASE).status_code == 404
    other = admin.post(f"{BASE}/members/new", {**EVE, "email": "x@y", "tenant": cast.east.id})
    assert other.status_code == 422


# --- changing and removing -------------------------------------------------------------------------


def test_another_role_counts_at_once(app, cast, admin):
    editor, row = sit(app, cast, "acme-editor"), held(cast, "acme-editor")
    assert admin.post(f"{BASE}/members/{row.id}", {"role": "viewer"}).status_code == 303
    assert role(cast, "acme-editor") == "viewer"
    path = f"{BASE}/services/{cast.acme_service.id}/status"
    assert editor.post(path, {"status": "degraded"}).status_code == 403


def test_removing_takes_everything_away(app, cast, admin):
    editor, row = sit(app, cast, "acme-editor"), held(cast, "acme-editor")
    assert admin.post(f"{BASE}/members/{row.id}/removal", {}).status_code == 303
    assert role(cast, "acme-editor") is None
    assert editor.get(BASE).status_code == 404
    assert lines(cast.acme)[-1] == ("access", "membership-removed")


def test_only_owners_make_change_and_remove_owners(cast, admin, owner):
    row = held(cast, "acme-owner")
    assert admin.post(f"{BASE}/members/{row.id}", {"role": "viewer"}).status_code == 403
    assert admin.post(f"{BASE}/members/{row.id}/removal", {}).status_code == 403
    for name in ("acme-admin", "acme-editor"):
        assert admin.post(f"{BASE}/members/{held(cast, name).id}", {"role": "owner"}).status_code == 403
    assert admin.post(f"{BASE}/members/new", {**EVE, "role": "owner"}).status_code == 403
    page = document(admin.get(f"{BASE}/members/{row.id}"))
    assert len(page.forms) == 2  # signing out, and the empty one for buttons
    assert "owner" not in document(admin.get(f"{BASE}/members/new")).xpath(
        "//select[@name='role']/option/@value"
    )
    assert (role(cast, "acme-owner"), role(cast, "acme-admin")) == ("owner", "admin")
    assert db.session.query(User).filter_by(name="Eve").count() == 0
    assert owner.post(f"{BASE}/members/{held(cast, 'acme-admin').id}", {"role": "owner"}).status_code == 303
    assert role(cast, "acme-admin") == "owner"


def test_the_last_owner_stays(cast, owner):
    row = held(cast, "acme-owner")
    said = "acme-owner is the last owner of Acme. Make somebody else an owner first."
    answer = owner.post(f"{BASE}/members/{row.id}", {"role": "admin"})
    assert (answer.status_code, error_of(answer, "role")) == (422, said)
    answer = owner.post(f"{BASE}/members/{row.id}/removal", {})
    assert (answer.status_code, error_of(answer, "role")) == (422, said)
    assert role(cast, "acme-owner") == "owner"
    owner.post(f"{BASE}/members/{held(cast, 'acme-admin').id}", {"role": "owner"})
    assert owner.post(f"{BASE}/members/{row.id}/removal", {}).status_code == 303
    assert role(cast, "acme-owner") is None


def test_of_two_last_owners_who_leave_at_once_one_stays(app, cast):
    with transaction(cast.acme):
        Membership.grant(cast.users["acme-admin"], Role.OWNER, cast.acme)
    names = ("acme-owner", "acme-admin")
    tries = [(sit(app, cast, name), f"{BASE}/members/{held(cast, name).id}/removal") for name in names]
    tokens = [browser.csrf for browser, _ in tries]
    answers = at_once(
        *(lambda b=b, p=p, t=t: b.post(p, {}, t).status_code for (b, p), t in zip(tries, tokens, strict=True))
    )
    assert sorted(answers) == [303, 422]


def test_an_owner_of_a_tenant_is_no_owner_of_the_organization(cast, owner):
    with transaction(cast.acme):
        Membership.grant(cast.users["north-editor"], Role.OWNER, cast.acme, cast.north)
    answer = owner.post(f"{BASE}/members/{held(cast, 'acme-owner').id}/removal", {})
    assert answer.status_code == 422


# --- whoever may not -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "code"),
    [("acme-viewer", 403), ("acme-editor", 403), ("north-editor", 404), ("globex-owner", 404)],
)
def test_who_may_not(app, cast, who, code):
    browser, row = sit(app, cast, who), held(cast, "acme-viewer")
    assert refused(browser, f"{BASE}/members") == code
    for step in ("new", row.id):
        assert refused(browser, f"{BASE}/members/{step}") == code
        assert refused(browser, f"{BASE}/members/{step}", EVE) == code
    for step in ("removal", "invitation"):
        assert refused(browser, f"{BASE}/members/{row.id}/{step}", {}) == code
    assert role(cast, "acme-viewer") == "viewer"
    for door in ("changes", "stream"):
        answer = browser.get(f"/acme/{door}?scope=all&view=admin/members")
        assert answer.status_code == 404
        answer.close()


def test_another_organizations_member_is_not_found(cast, admin):
    row = held(cast, "globex-owner", cast.globex)
    for id in (row.id, "nowhere", "a\x00b"):
        assert refused(admin, f"{BASE}/members/{id}") == 404
        for step in ("", "/removal", "/invitation"):
            assert refused(admin, f"{BASE}/members/{id}{step}", {"role": "viewer"}) == 404
