"""API tokens in the admin."""

from datetime import timedelta

import pytest

from statuspage.clock import now
from statuspage.database import db, snapshot, transaction
from statuspage.models.role import Role
from statuspage.models.token import ApiToken
from tests.web.admin.desk import BASE, refused, sit, texts
from tests.web.api.asking import lines
from tests.web.browser import document, error_of, fields_of

pytestmark = pytest.mark.one_database
NEW = {"name": "Deployment", "role": "editor", "days": "90"}


@pytest.fixture
def admin(app, cast):
    return sit(app, cast, "acme-admin")


def found(name="Deployment"):
    db.session.rollback()
    db.session.expire_all()
    return db.session.query(ApiToken).filter_by(name=name).one_or_none()


def secret_of(answer) -> str:
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return document(answer).get_element_by_id("secret").get("value")


def test_a_new_one_is_shown_once_and_works(cast, admin, client):
    secret = secret_of(admin.post(f"{BASE}/tokens/new", NEW))
    for path in ("/tokens", f"/tokens/{found().id}/revocation", ""):
        assert secret not in admin.get(BASE + path).text
    with snapshot() as session:
        assert secret not in str(session.execute(ApiToken.__table__.select()).all())
    assert found().user_id == cast.users["acme-admin"].id
    assert timedelta(days=89) < found().expires_at - now() < timedelta(days=90)
    path, headers = f"/api/services/{cast.acme_service.id}", {"Authorization": f"Bearer {secret}"}
    assert client.patch(path, json={"name": "x"}, headers=headers).status_code == 200
    assert lines(cast.acme)[-2] == ("access", "token-created")


def test_the_secret_is_text_to_select_where_there_is_no_script(cast, admin):
    page = document(admin.post(f"{BASE}/tokens/new", NEW))
    [button] = page.xpath("//button[@data-copy='secret']")
    assert button.get("hidden") is not None
    assert page.get_element_by_id("secret").get("readonly") is not None


def test_a_double_click_makes_one(cast, admin):
    fields = {**fields_of(admin.get(f"{BASE}/tokens/new")), **NEW}
    first, second = [admin.open(f"{BASE}/tokens/new", "POST", data=fields) for _ in range(2)]
    assert secret_of(first)
    assert second.location == f"{BASE}/tokens"
    assert found()


def test_a_token_makes_no_token_and_has_no_say_in_the_account(cast, admin, client):
    headers = {"Authorization": f"Bearer {secret_of(admin.post(f'{BASE}/tokens/new', NEW))}"}
    for path, fields in (
        (f"{BASE}/tokens/new", NEW | {"name": "Another"}),
        ("/account/sessions", {"session": "others"}),
    ):
        assert client.post(path, data=fields, headers=headers).status_code == 403
    assert client.get("/account", headers=headers).status_code == 403
    assert found("Another") is None
    assert admin.get("/account").status_code == 200


def test_it_may_be_for_one_tenant_and_for_ever(cast, admin, client):
    fields = {**NEW, "days": "", "tenant": cast.north.id}
    headers = {"Authorization": f"Bearer {secret_of(admin.post(f'{BASE}/tokens/new', fields))}"}
    assert found().expires_at is None
    for service, code in ((cast.north_service, 200), (cast.acme_service, 403), (cast.south_service, 404)):
        answer = client.patch(f"/api/services/{service.id}", json={"name": "x"}, headers=headers)
        assert answer.status_code == code


@pytest.mark.parametrize("who", ["acme-viewer", "acme-editor"])
def test_nobody_makes_one_that_may_more_than_oneself(app, cast, who):
    browser = sit(app, cast, who)
    more = "editor" if who == "acme-viewer" else "admin"
    answer = browser.post(f"{BASE}/tokens/new", {**NEW, "role": more})
    assert answer.status_code == 422
    assert error_of(answer, "role") == f"You are not {more} here: a token may do at most what you may."
    assert found() is None
    page = document(browser.get(f"{BASE}/tokens/new"))
    assert more not in page.xpath("//select[@name='role']/option/@value")


def test_a_member_sees_the_own_ones_alone_and_an_admin_all(app, cast, admin):
    viewer = sit(app, cast, "acme-viewer")
    secret_of(viewer.post(f"{BASE}/tokens/new", {**NEW, "role": "viewer"}))
    page = viewer.get(f"{BASE}/tokens")
    assert "Deployment" in page.text
    assert "acme-owner" not in page.text
    assert document(page).xpath("//main/@data-view") == ["admin/sheet"]  # how things are, no more
    rows = texts(admin.get(f"{BASE}/tokens"), "tokens")
    assert rows[0].startswith("Deployment Viewer acme-viewer")
    assert len(rows) == 8  # seven of the cast


def test_only_admins_follow_the_list(app, cast, admin):
    for who, code in (("acme-editor", 404), ("acme-admin", 200)):
        answer = sit(app, cast, who).get("/acme/changes?scope=all&view=admin/tokens")
        assert answer.status_code == code


def test_ones_own_and_for_admins_everybodys_can_be_revoked(app, cast, admin, client):
    editor = sit(app, cast, "acme-editor")
    secret = secret_of(editor.post(f"{BASE}/tokens/new", NEW))
    path = f"{BASE}/tokens/{found().id}/revocation"
    assert refused(sit(app, cast, "acme-viewer"), path) == 403
    assert refused(sit(app, cast, "acme-viewer"), path, {}) == 403
    assert found().usable
    assert editor.post(path, {}).location == f"{BASE}/tokens"
    assert not found().usable
    headers = {"Authorization": f"Bearer {secret}"}
    assert client.get("/api/status?organizationId=org-456", headers=headers).status_code == 401
    assert editor.post(path, {}).status_code == 422  # it is already
    other = cast.token_rows["acme-owner"].id
    assert admin.get(f"{BASE}/tokens/{other}/revocation").status_code == 200
    assert admin.post(f"{BASE}/tokens/{other}/revocation", {}).status_code == 303


def test_who_may_not(app, cast):
    for who in ("north-editor", "globex-owner"):
        browser = sit(app, cast, who)
        assert refused(browser, f"{BASE}/tokens") == refused(browser, f"{BASE}/tokens/new") == 404
        assert refused(browser, f"{BASE}/tokens/new", NEW) == 404


def test_another_organizations_token_is_not_found(cast, admin):
    for id in (cast.token_rows["globex-owner"].id, cast.token_rows["operator"].id, "nowhere", "a\x00b"):
        assert refused(admin, f"{BASE}/tokens/{id}/revocation") == 404
        assert refused(admin, f"{BASE}/tokens/{id}/revocation", {}) == 404


def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(cast, admin):
    answer = admin.post(f"{BASE}/tokens/new", {**NEW, "name": ""})
    assert (answer.status_code, error_of(answer, "name")) == (422, "Fill this in.")
    assert fields_of(answer)["days"] == "90"
    answer = admin.post(f"{BASE}/tokens/new", {**NEW, "days": "0", "tenant": cast.east.id})
    assert answer.status_code == 422


def test_nothing_that_is_typed_breaks_it(cast, admin):
    token = admin.csrf
    for name in ("name", "role", "tenant", "days"):
        for text in ("\x00", "x" * 5000, "<script>alert(1)</script>", "😀" * 60, "-1", "9" * 30, "1e9"):
            answer = admin.post(f"{BASE}/tokens/new", {**NEW, name: text}, token)
            assert answer.status_code in (200, 422), (name, text)
            assert "<script>alert" not in answer.text
    with transaction(cast.acme):
        ApiToken.create(cast.users["acme-admin"], Role.ADMIN, cast.acme, name="<script>alert(1)")
    assert "<script>alert" not in admin.get(f"{BASE}/tokens").text
