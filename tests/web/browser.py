"""A browser without scripts: it keeps cookies, and sends a form with what its page has hidden in it."""

from typing import Any, Self

from flask import Flask
from lxml import html
from werkzeug.test import TestResponse

from statuspage.database import db, transaction
from statuspage.models.session import COOKIE, UserSession
from statuspage.models.user import User, hash_password
from tests.cast import Cast

PASSWORD = "correct horse battery"


class Browser:
    def __init__(self, app: Flask, address: str = "127.0.0.1") -> None:
        self.client = app.test_client()
        self.address = address

    @classmethod
    def of(cls, app: Flask, user: User) -> Self:
        """One in which the user is signed in."""
        with transaction():
            _, secret = UserSession.begin(db.session.get_one(User, user.id), "Firefox")
        browser = cls(app)
        browser.client.set_cookie(COOKIE, secret)
        return browser

    @property
    def secret(self) -> str | None:
        """What the cookie says now."""
        cookie = self.client.get_cookie(COOKIE)
        return cookie.value if cookie else None

    def open(self, path: str, method: str = "GET", **more: Any) -> TestResponse:
        headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", **more.pop("headers", {})}
        base = {"environ_base": {"REMOTE_ADDR": self.address}}
        return self.client.open(path, method=method, headers=headers, **base, **more)

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.open(path, headers=headers)

    @property
    def csrf(self) -> str:
        """A token that is good for this browser's forms."""
        page = self.get("/account" if self.secret else "/sign-in")
        return fields_of(page)["csrf"]

    def post(
        self, path: str, fields: dict[str, Any], csrf: str | None = None, **headers: str
    ) -> TestResponse:
        """Send a form of ours, with its token (`csrf`: that one instead)."""
        token = self.csrf if csrf is None else csrf
        return self.open(path, "POST", data={**fields, "csrf": token}, headers=headers)

    def sign_in(self, email: str, password: str = PASSWORD, **more: str) -> TestResponse:
        fields = {**fields_of(self.get("/sign-in")), "email": email, "password": password, **more}
        return self.open("/sign-in", "POST", data=fields)


def document(answer: TestResponse) -> Any:
    return html.document_fromstring(answer.text)


def words(element: Any) -> str:
    return " ".join(element.text_content().split())


def fields_of(answer: TestResponse, form: int = 0) -> dict[str, str]:
    """What a page's form would send as it stands."""
    return {name: value or "" for name, value in document(answer).forms[form].form_values()}


def forms_in(answer: TestResponse, url: str) -> list[Any]:
    """The forms of a page that are sent there, by their own action or by a button's."""
    here = answer.request.path
    return [
        form
        for form in document(answer).forms
        if form.method == "POST" and url in ((form.action or here), *form.xpath(".//button/@formaction"))
    ]


def fields_in(answer: TestResponse, url: str) -> dict[str, Any]:
    """What the form of a page that is sent there would send as it stands; nothing if there is none."""
    forms = forms_in(answer, url)
    if not forms:
        return {}
    chosen = {
        radio.get("name"): radio.get("value") for radio in forms[0].xpath(".//input[@type='radio'][@checked]")
    }
    return {name: value.removeprefix("\n") for name, value in forms[0].form_values()} | chosen


def error_of(answer: TestResponse, field: str) -> str:
    """The words beside a field that describe it to a screen reader too."""
    page = document(answer)
    control = page.xpath(f"//*[@name='{field}']")[0]
    assert control.get("aria-invalid") == "true"
    return words(page.get_element_by_id(control.get("aria-describedby")))


def give_password(cast: Cast, name: str, email: str, password: str = PASSWORD) -> User:
    """Let somebody of the cast sign in."""
    hash = hash_password(password)
    with transaction():
        user = db.session.get_one(User, cast.users[name].id)
        user.email = email
        user.set_password(hash)
    return user
