"""Every form, generated from the route map: bad, huge, hostile, missing, late and doubled sendings.

A new POST rule without a row in ROWS fails here. A row says where the form is sent, where its page is, and
what is typed into it; its fields are those of the page.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, func, select
from werkzeug.test import TestResponse

from statuspage.database import db, new_id, transaction
from statuspage.models.incident import Incident
from statuspage.models.invitation import Invitation
from statuspage.models.membership import Membership
from statuspage.models.organization import Tenant
from statuspage.models.role import Role
from statuspage.models.service import ServiceGroup
from statuspage.models.session import UserSession
from statuspage.models.status import ServiceStatus
from statuspage.models.token import ApiToken
from statuspage.models.user import User
from statuspage.web import setup
from statuspage.web.throttle import Throttle
from tests.cast import Cast
from tests.web.api.asking import at_once
from tests.web.browser import PASSWORD, Browser, document, fields_in, forms_in, give_password, words

pytestmark = pytest.mark.one_database("sqlite")  # see written()

EMAIL = "owner@example.org"
NASTY = "‮تعطل 👩🏽‍🚀 \ufffe</textarea></title><script>alert(1)</script>{{7*1111}}${7*1111}'\"; DROP TABLE x--"
SPOILT: dict[str, Callable[[int], Any]] = {
    "blank": lambda _: " \t ",
    "control characters": lambda _: "a\x00b\x1b[31m",
    "huge": lambda fields: "x" * min(100_000, 400_000 // fields),
    "twice": lambda _: ["a", "b"],
    "no UTF-8": lambda _: b"a\xed\xa0\x80\xff",
    "a huge number": lambda _: "9" * 5_000,
}


@dataclass
class World:
    """Acme with one of everything that a form can be about."""

    cast: Cast
    ids: dict[str, str]

    @classmethod
    def make(cls, app: Flask, cast: Cast) -> "World":
        acme, owner = cast.acme, cast.users["acme-owner"]
        with transaction(acme, by=owner.id):
            group = ServiceGroup.create(acme, None, name="Core")
            services = {cast.acme_service.id: ServiceStatus.DEGRADED}
            incident = Incident.open(
                acme, None, title="Slow", message="We look.", services=services, by=owner.id
            )
            tenant = Tenant.create(acme, slug="west", name="West")
            new = User.create(name="New", email="new@example.org")
            member = Membership.grant(new, Role.VIEWER, acme)
            token, _ = ApiToken.create(owner, Role.VIEWER, acme, None, name="Monitoring")
        ids = {
            "org": "acme",
            "service": cast.acme_service.id,
            "group": group.id,
            "incident": incident.id,
            "update": incident.updates[0].id,
            "tenant": tenant.id,
            "member": member.id,
            "token": token.id,
            "code": setup.code(app),
        }
        world = cls(cast, ids)
        world.invite()
        return world

    def invite(self) -> None:
        """Somebody new has a link to join."""
        with transaction(self.cast.acme):
            user = User.create(name="Newer", email=f"{new_id()}@example.org")
            Membership.grant(user, Role.VIEWER, self.cast.acme)
            _, self.ids["secret"] = Invitation.create(user, self.cast.acme, granter=Role.OWNER)

    @property
    def foreign(self) -> tuple[str, ...]:
        return self.cast.east.id, self.cast.globex_service.id, self.cast.globex.id


@dataclass
class Row:
    """`page`: where the form stands, if not at `path`; "" for buttons that stand in a board."""

    path: str
    typed: dict[str, str] = field(default_factory=dict)
    page: str | None = None
    who: str | None = "acme-owner"
    ends: bool = False  # what it is about is gone after it
    shows: bool = False  # the answer is a page
    twice: int = 0  # how a second sending is answered, if not like the first: what it was about is gone

    def url(self, world: World) -> str:
        return self.path.format(**world.ids)

    def page_url(self, world: World) -> str | None:
        return self.url(world) if self.page is None else self.page.format(**world.ids) or None


ADMIN = "/admin/<org>"
HERE = "/admin/acme"
INCIDENT = f"{HERE}/incidents/{{incident}}"
SERVICE = f"{HERE}/services/{{service}}"
GROUP = f"{HERE}/groups/{{group}}"
MEMBER = f"{HERE}/members/{{member}}"
ROWS = {
    "/sign-in": Row("/sign-in", {"email": EMAIL, "password": PASSWORD}, who=None, twice=303),
    "/sign-out": Row("/sign-out", page="", ends=True),
    "/setup": Row(
        "/setup",
        {
            "code": "{code}",
            "name": "Ann",
            "email": "ann@example.org",
            "password": PASSWORD,
            "organization": "One",
            "slug": "one",
        },
        who=None,
        ends=True,
        twice=303,
    ),
    "/join/<secret>": Row("/join/{secret}", {"password": PASSWORD}, who=None, ends=True, twice=404),
    "/account/password": Row(
        "/account/password", {"current": PASSWORD, "password": "another long one"}, "/account"
    ),
    "/account/sessions": Row("/account/sessions", {"session": "others"}, page=""),
    f"{ADMIN}/preview": Row(f"{HERE}/preview", {"message": "Hello"}, page="", shows=True),
    f"{ADMIN}/incidents/new": Row(f"{HERE}/incidents/new", {"title": "Down"}),
    f"{ADMIN}/incidents/<id>/updates": Row(f"{INCIDENT}/updates", {"message": "More."}, INCIDENT),
    f"{ADMIN}/incidents/<id>/resolution": Row(f"{INCIDENT}/resolution", {"message": "Over."}, INCIDENT),
    f"{ADMIN}/incidents/<id>/updates/<update_id>": Row(f"{INCIDENT}/updates/{{update}}", {"message": "Oh."}),
    f"{ADMIN}/incidents/<id>/edit": Row(f"{INCIDENT}/edit", {"title": "Slower"}),
    f"{ADMIN}/incidents/<id>/deletion": Row(f"{INCIDENT}/deletion", ends=True),
    f"{ADMIN}/services/new": Row(f"{HERE}/services/new", {"name": "Web"}),
    f"{ADMIN}/services/<id>/edit": Row(f"{SERVICE}/edit", {"name": "Web"}),
    f"{ADMIN}/services/<id>/deletion": Row(f"{SERVICE}/deletion", ends=True),
    f"{ADMIN}/services/<id>/place": Row(f"{SERVICE}/place", {"to": "down"}, page=""),
    f"{ADMIN}/services/<id>/status": Row(f"{SERVICE}/status", {"status": "maintenance"}, page=""),
    f"{ADMIN}/groups/new": Row(f"{HERE}/groups/new", {"name": "Edge"}),
    f"{ADMIN}/groups/<id>/edit": Row(f"{GROUP}/edit", {"name": "Edge"}),
    f"{ADMIN}/groups/<id>/deletion": Row(f"{GROUP}/deletion", ends=True),
    f"{ADMIN}/groups/<id>/place": Row(f"{GROUP}/place", {"to": "down"}, page=""),
    f"{ADMIN}/tenants/new": Row(f"{HERE}/tenants/new", {"name": "Hill", "slug": "hill"}),
    f"{ADMIN}/tenants/<id>": Row(f"{HERE}/tenants/{{tenant}}", {"name": "Wild West"}),
    f"{ADMIN}/tenants/<id>/deletion": Row(f"{HERE}/tenants/{{tenant}}/deletion", ends=True),
    f"{ADMIN}/members/new": Row(
        f"{HERE}/members/new", {"email": "eve@example.org", "name": "Eve"}, shows=True
    ),
    f"{ADMIN}/members/<id>": Row(MEMBER, {"role": "editor"}),
    f"{ADMIN}/members/<id>/removal": Row(f"{MEMBER}/removal", page=MEMBER, ends=True),
    f"{ADMIN}/members/<id>/invitation": Row(f"{MEMBER}/invitation", page=MEMBER, shows=True),
    f"{ADMIN}/tokens/new": Row(f"{HERE}/tokens/new", {"name": "Deploy"}, shows=True, twice=303),
    f"{ADMIN}/tokens/<id>/revocation": Row(f"{HERE}/tokens/{{token}}/revocation", ends=True),
    f"{ADMIN}/settings": Row(f"{HERE}/settings", {"name": "Ace"}),
    f"{ADMIN}/settings/logo": Row(f"{HERE}/settings/logo", {"remove": "1"}, f"{HERE}/settings"),
    f"{ADMIN}/settings/deletion": Row(f"{HERE}/settings/deletion", {"slug": "acme"}, ends=True, twice=404),
}
every_form = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
KEYED = {
    rule: ROWS[rule]
    for rule in ROWS
    if rule.startswith(ADMIN) and {"title", "message", "name"} & ROWS[rule].typed.keys()
    if not rule.endswith(("/preview", "/members/new"))
}
FORM = "application/x-www-form-urlencoded"
OWN = ("csrf", "key", "version")
ANSWERS = (200, 204, 303, 409, 422)


@pytest.fixture
def world(app, cast, monkeypatch) -> World:
    monkeypatch.setattr(Throttle, "_check", lambda *_: None)
    return World.make(app, cast)


class Desk:
    """A browser before one form. `send` sends it with what is typed, and something else in some fields."""

    def __init__(self, app: Flask, world: World, row: Row) -> None:
        self.app, self.world, self.row = app, world, row
        if row.path.startswith("/account") or row.path == "/sign-in":
            give_password(world.cast, "acme-owner", EMAIL)
        self.browser = Browser.of(app, world.cast.users[row.who]) if row.who else Browser(app)
        self.url = row.url(world)
        self.fields = self.read()

    def read(self) -> dict[str, Any]:
        """The form as the page shows it now, with what is typed into it."""
        page = self.row.page_url(self.world)
        shown = fields_in(self.browser.get(page), self.url) if page else {}
        if not shown:
            assert not page or self.row.path != self.row.page, f"{page} has no form for {self.url}"
            shown = {"csrf": self.browser.csrf}
        typed = {name: text.format(**self.world.ids) for name, text in self.row.typed.items()}
        return shown | typed

    def renew(self) -> None:
        """Another sending, of what is there now; whoever has joined needs another link."""
        if self.row.path == "/join/{secret}":
            self.world.invite()
        self.url, self.fields = self.row.url(self.world), self.read()

    @property
    def names(self) -> list[str]:
        return [name for name in self.fields if name not in OWN]

    def send(self, site: str = "same-origin", **other: Any) -> TestResponse:
        return self.browser.open(self.url, "POST", data=self.fields | other, headers={"Sec-Fetch-Site": site})


@pytest.fixture
def written(app) -> Iterator[Callable[[], int]]:
    """A number that differs as soon as anybody has committed something (SQLite, PRAGMA data_version)."""
    with closing(sqlite3.connect(db.engine.url.database)) as connection:
        yield lambda: connection.execute("PRAGMA data_version").fetchone()[0]


def test_every_form_has_a_row(app):
    posts = {rule.rule for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    assert {rule for rule in posts if not rule.startswith("/api/")} == set(ROWS)


@every_form
def test_whatever_is_sent_is_written_whole_or_refused_in_words(app, world, written, row):
    desk, wrong = Desk(app, world, row), []
    fields = desk.names or ["unknown"]

    def look(what: str, kept: bool = False, **sent: Any) -> None:
        before = written()
        answer = desk.send(**sent)
        changed = written() != before
        wrong.extend(f"{what}: {said}" for said in trouble_of(answer, desk, sent if kept else {}, changed))
        if changed:
            desk.renew()

    if row.typed or not row.ends:
        for what, spoil in SPOILT.items():
            look(what, "huge" in what, **{name: spoil(len(fields)) for name in fields})
        look("missing", **dict.fromkeys(fields, ""))
        look("of a strange kind", **{f"{name}.x": "y" for name in fields})
    if not row.ends:
        look("key", key=NASTY)
        look("version", version="9" * 5_000)
        look("version", version=["a", NASTY])
        look("held", held=NASTY, next=["//x", "9" * 5_000], unknown="x", **{"services.x": "\x00"})
        for number, name in enumerate(fields):
            look(f"{name} nasty", True, **{name: NASTY})
            if name != "slug":
                look(f"{name} foreign", True, **{name: world.foreign[number % 3]})
    assert not wrong


def trouble_of(answer: TestResponse, desk: Desk, kept: dict[str, Any], changed: bool) -> Iterator[str]:
    """What is wrong with an answer; `kept` must stand in its form."""
    if answer.status_code not in ANSWERS:
        yield f"{answer.status_code}"
        return
    if "<script>alert" in answer.text or "7777" in answer.text:
        yield "taken for code"
    if answer.status_code < 400:
        return
    if changed:
        yield "refused, and something was written"
    page = document(answer)
    said = [words(line) for line in page.xpath("//p[@class='trouble']")]
    beside = [words(line) for line in page.xpath("//p[@class='error']")]
    for form in forms_in(answer, desk.url)[:1]:
        if not said or (said[0].startswith("Not saved yet") and not beside):
            yield f"no words: {said}"
        for name, typed in kept.items():
            if name in written_in(form) and form.fields[name].removeprefix("\n") != typed:
                yield f"{name} is lost"
        return
    if desk.row.page != "":
        yield f"without its form: {words(page.find('.//main'))[:200]}"


def written_in(form: Any) -> set[str]:
    """The fields of a form that one can write anything into, and read again."""
    return set(form.xpath(".//textarea/@name | .//input[@type='text' or @type='email' or not(@type)]/@name"))


@pytest.mark.parametrize("who", [None, "acme-owner"])
def test_what_is_too_large_is_refused_in_words(app, world, who):
    browser = Browser.of(app, world.cast.users[who]) if who else Browser(app)
    body = b"x" * (app.config["MAX_CONTENT_LENGTH"] + 1)
    for row in ROWS.values():
        answer = browser.open(row.url(world), "POST", data=body, content_type=FORM)
        assert answer.status_code == 413, row.path
        assert "That is too large" in words(document(answer))


@every_form
def test_it_counts_only_from_its_own_page_and_in_a_session_else_it_is_kept(app, world, written, row):
    desk = Desk(app, world, row)
    kept = {name: text for name, text in desk.fields.items() if name not in ("csrf", "password", "current")}
    before = written()
    good = desk.fields["csrf"]
    for site, token in (("cross-site", good), ("same-site", good), ("none", ""), ("same-origin", "wrong")):
        answer = desk.send(site, csrf=token)
        assert (answer.status_code, written()) == (400, before)
    assert fields_in(answer, desk.url).items() >= kept.items()
    if row.who is None:
        return
    give_password(world.cast, row.who, EMAIL)
    with transaction():
        db.session.execute(delete(UserSession))
    before, late = written(), desk.send()
    if row.path == "/sign-out":
        return
    assert (late.status_code, written()) == (401, before)
    typed = fields_in(late, "/sign-in") | {"email": EMAIL, "password": PASSWORD}
    again = desk.browser.open("/sign-in", "POST", data=typed)
    assert fields_in(again, desk.url).items() >= kept.items()
    sent = desk.browser.open(desk.url, "POST", data=fields_in(again, desk.url))
    assert sent.status_code == (422 if row.path == "/account/password" else 200 if row.shows else 303)


@pytest.mark.parametrize(
    ("meanwhile", "status"),
    [
        (lambda cast: cast.acme_service.remove(), 404),
        (lambda cast: cast.acme.update(slug="ace"), 404),
        (lambda cast: Membership.grant(cast.users["acme-editor"], Role.VIEWER, cast.acme), 403),
    ],
    ids=["deleted", "moved", "lost the role"],
)
def test_what_was_typed_into_a_form_that_has_no_place_any_more_is_shown(app, world, meanwhile, status):
    row = Row(f"{SERVICE}/edit", {"description": "Typed for ten minutes. " * 4_000}, who="acme-editor")
    desk = Desk(app, world, row)
    with transaction(world.cast.acme):
        meanwhile(world.cast)
    answer = desk.send()
    assert answer.status_code == status
    assert row.typed["description"].strip() in words(document(answer))
    elsewhere = desk.send(site="cross-site", csrf="")
    assert "Typed for ten" not in elsewhere.text


def test_sent_twice_at_the_same_moment_it_is_done_once(app, world):
    desk = Desk(app, world, ROWS["/admin/<org>/incidents/new"])
    first, second = at_once(desk.send, desk.send)
    assert (first.status_code, first.location) == (303, second.location)
    assert db.session.scalar(select(func.count()).where(Incident.title == "Down")) == 1


@every_form
def test_sent_twice_it_is_done_once_and_answered_alike(app, world, written, row):
    desk = Desk(app, world, row)
    first, before = desk.send(), written()
    assert first.status_code == (200 if row.shows else 303)
    second = desk.send()
    assert second.status_code == (row.twice or first.status_code)
    if not row.twice:
        assert second.location == first.location
    if "key" in desk.fields and not row.shows:
        assert written() == before


@pytest.mark.parametrize("row", KEYED.values(), ids=KEYED)
def test_an_old_form_with_other_text_is_not_swallowed(app, world, written, row):
    """The back button: the page of before, changed and sent again."""
    desk = Desk(app, world, row)
    other = dict.fromkeys(row.typed, "other")
    desk.send()
    before, again = written(), desk.send(**other)
    assert (again.status_code, written()) == (409, before)
    shown = fields_in(again, desk.url)
    assert shown.items() >= other.items()
    assert shown["key"] != desk.fields["key"]
    last = desk.browser.open(desk.url, "POST", data=shown)
    if row.path.endswith("/resolution"):
        assert "already resolved" in words(document(last))
    else:
        assert last.status_code == (200 if row.shows else 303)
        assert written() != before
