"""What the tests of every admin screen do."""

from typing import Any

import pytest
from flask import Flask

from tests.cast import Cast
from tests.web.browser import Browser, document

BASE = "/admin/acme"


def sit(app: Flask, cast: Cast, name: str) -> Browser:
    return Browser.of(app, cast.users[name])


def texts(answer: Any, id: str) -> list[str]:
    """The rows of a list."""
    page = document(answer)
    rows = page.get_element_by_id(id).xpath(".//li")
    return [" ".join(row.text_content().split()) for row in rows]


def refused(browser: Browser, path: str, fields: dict[str, str] | None = None) -> int:
    return (browser.get(path) if fields is None else browser.post(path, fields)).status_code


one_database = pytest.mark.one_database
