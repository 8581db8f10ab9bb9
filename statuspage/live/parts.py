"""A part's markup: a partial, rendered once per tuple of values however many boards show it."""

from functools import lru_cache
from typing import Any

from flask import current_app
from jinja2 import Environment

from .board import Part

ROWS = "\x00"  # where a list's partial puts its rows; no text from outside contains a NUL
NO_DATA = "no_data"  # the shape of a page that watches nothing yet


def part(id: str, partial: str, **values: Any) -> Part:
    """A part without rows. `values` must be hashable, and hold everything that the partial shows."""
    return Part(id, _shell(current_app.jinja_env, partial, id, tuple(values.items())))


def list_part(id: str, partial: str, rows: list[Part], **values: Any) -> Part:
    """A part around rows, each of which is a part. Its partial is told whether it is `empty`."""
    values["empty"] = not rows
    return Part(id, _shell(current_app.jinja_env, partial, id, tuple(values.items())), tuple(rows))


@lru_cache(maxsize=20_000)
def _shell(env: Environment, partial: str, id: str, values: tuple[tuple[str, Any], ...]) -> tuple[str, str]:
    before, _, after = (
        env.get_template(partial).render(id=id, rows=ROWS, **dict(values)).strip().partition(ROWS)
    )
    return before, after
