"""What the tests of every admin screen do: hostile text in each field, and whoever may not."""

from typing import Any

import pytest
from flask import Flask

from tests.cast import Cast
from tests.web.browser import Browser, document

HOSTILE = [
    "",
    " ",
    "\x00",
    "x" * 5000,
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "حالة الخدمة",
    "😀" * 60,
    "{{ 7*7 }}",
    "../../etc",
    "-1",
    "a\r\nb",
    "null",
]
BASE = "/admin/acme"


def sit(app: Flask, cast: Cast, name: str) -> Browser:
    return Browser.of(app, cast.users[name])


def try_everything(browser: Browser, path: str, fields: dict[str, str]) -> None:
    """Each field in turn with hostile text: never a 500, and text stays text."""
    token = browser.csrf
    for name in fields:
        for text in HOSTILE:
            answer = browser.post(path, {**fields, name: text}, token)
            assert answer.status_code in (200, 204, 303, 409, 422), f"{name}={text!r}: {answer.status_code}"
            assert "<script>alert" not in answer.text
    for sent in ({}, {name: ["a", "b"] for name in fields}):
        assert browser.post(path, sent, token).status_code in (200, 303, 409, 422), sent


def texts(answer: Any, id: str) -> list[str]:
    """The rows of a list."""
    page = document(answer)
    rows = page.get_element_by_id(id).xpath(".//li")
    return [" ".join(row.text_content().split()) for row in rows]


def refused(browser: Browser, path: str, fields: dict[str, str] | None = None) -> int:
    return (browser.get(path) if fields is None else browser.post(path, fields)).status_code


one_database = pytest.mark.one_database
