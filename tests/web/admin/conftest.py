"""Operators before the admin's forms, as browsers send them: with a session, and all that a form carries."""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.web.browser import Browser, document
from tests.web.browser import words as words_of


class Operator(Browser):
    """Opens pages, and sends their forms with all that stands in them."""

    def form(self, path: str, id: str) -> dict[str, Any]:
        """The fields of a page's form, as a browser would send them untouched."""
        return fields(self.open(path), id)

    def send(self, path: str, fields: dict[str, Any]) -> TestResponse:
        return self.open(path, "POST", data=fields)

    def fill(self, path: str, id: str, to: str = "", **typed: Any) -> TestResponse:
        """Open a page, type into its form, send it (to where the pressed button leads)."""
        typed = {name.replace("__", "."): text for name, text in typed.items()}
        return self.send(to or path, self.form(path, id) | typed)


def form_of(response: TestResponse, id: str) -> Any:
    return document(response).get_element_by_id(id)


def fields(response: TestResponse, id: str) -> dict[str, Any]:
    form = form_of(response, id)
    return {name: text_of(form, name) for name in form.fields}


def text_of(form: Any, name: str) -> str:
    """A field's text. A text area's first line break is none (WHATWG HTML, parsing)."""
    return (form.fields[name] or "").removeprefix("\n")


def words(response: TestResponse) -> str:
    """What a person reads of an answer."""
    return words_of(document(response))


@pytest.fixture
def sign_in(app, cast) -> Callable[[str], Operator]:
    """`sign_in("acme-editor")`: a browser of one of the cast."""
    return lambda name: Operator.of(app, cast.users[name])
