"""Operators before the admin's forms, as browsers send them: with a session, and all that a form carries."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from flask.testing import FlaskClient
from lxml import html
from werkzeug.test import TestResponse

from statuspage.database import db, transaction
from statuspage.models.session import COOKIE, UserSession
from statuspage.models.user import User

HOSTILE = {
    "long": "x" * 10_001,
    "rtl": "‮تعطل جزئي",
    "emoji": "👩🏽‍🚀🔥",
    "script": "</textarea><script>alert(1)</script>{{7*7}}${7*7}",
    "nul": "a\x00b",
    "surrogate": b"a\xed\xa0\x80b",
    "quotes": "\"'><img src=x onerror=alert(1)>",
    "nothing": "",
    "blank": " \t ",
}


class Browser(NamedTuple):
    """A signed-in browser: it opens pages, and sends their forms with all that stands in them."""

    client: FlaskClient
    session_id: str

    def open(self, path: str) -> TestResponse:
        return self.client.get(path, headers={"Accept": "text/html"})

    def form(self, path: str, id: str) -> dict[str, Any]:
        """The fields of a page's form, as a browser would send them untouched."""
        return fields(self.open(path), id)

    def send(self, path: str, fields: dict[str, Any]) -> TestResponse:
        return self.client.post(
            path, data=fields, headers={"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
        )

    def fill(self, path: str, id: str, to: str = "", **typed: Any) -> TestResponse:
        """Open a page, type into its form, send it (to where the pressed button leads)."""
        typed = {name.replace("__", "."): text for name, text in typed.items()}
        return self.send(to or path, self.form(path, id) | typed)

    def sign_out_elsewhere(self) -> None:
        """The session ends, the page stays open."""
        with transaction():
            db.session.get(UserSession, self.session_id).end()


def fields(response: TestResponse, id: str) -> dict[str, Any]:
    form = form_of(response, id)
    return {name: text_of(form, name) for name in form.fields}


def text_of(form: Any, name: str) -> str:
    """A field's text. A text area's first line break is none (WHATWG HTML, parsing)."""
    return (form.fields[name] or "").removeprefix("\n")


def form_of(response: TestResponse, id: str) -> Any:
    return html.fromstring(response.get_data(as_text=True)).get_element_by_id(id)


def words(response: TestResponse) -> str:
    """What a person reads of an answer."""
    return re.sub(r"\s+", " ", html.fromstring(response.get_data(as_text=True)).text_content())


@pytest.fixture
def sign_in(app, cast) -> Callable[[str], Browser]:
    """`sign_in("acme-editor")`: a browser of one of the cast."""

    def sign_in(name: str) -> Browser:
        with transaction():
            session, secret = UserSession.begin(db.session.get_one(User, cast.users[name].id), "Test")
            id = session.id
        client = app.test_client()
        client.set_cookie(COOKIE, secret)
        return Browser(client, id)

    return sign_in
