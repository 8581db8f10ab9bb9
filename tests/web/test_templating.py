"""Templates are ready before the first visitor comes, whoever may write where."""

import pytest
from jinja2 import Environment

from statuspage import create_app
from statuspage.server import prepare
from statuspage.web import templating


def compile_nothing(*_words, **_more):
    raise AssertionError("a visitor waits for a template to be compiled")


@pytest.mark.parametrize("folder", ["new/one", "/proc/none"])
def test_the_first_page_after_a_start_compiles_nothing(
    make_database, settings_for, tmp_path, monkeypatch, folder
):
    """Where nothing may be kept, each start takes half a second more."""
    monkeypatch.setattr(templating, "COMPILED", tmp_path / folder)
    app = create_app(settings_for(make_database("sqlite", "templates"), DEMO="1"))
    app.extensions["live"].hub.on_first_use = lambda: None
    prepare(app)
    monkeypatch.setattr(Environment, "compile", compile_nothing)
    for path in ("/acme", "/acme/north", "/acme/history", "/embed/acme", "/acme/badge.svg", "/sign-in"):
        assert app.test_client().get(path).status_code == 200, path


def test_what_was_compiled_once_is_read_at_the_next_start(make_database, settings_for, tmp_path, monkeypatch):
    monkeypatch.setattr(templating, "COMPILED", tmp_path)
    templating.load_all(create_app(settings_for(make_database("sqlite", "templates"))))
    again = create_app(settings_for(make_database("sqlite", "templates")))
    monkeypatch.setattr(Environment, "compile", compile_nothing)
    templating.load_all(again)
