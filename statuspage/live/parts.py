"""A part's markup: a partial, rendered once per tuple of values however many boards show it."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from flask import current_app
from jinja2 import Environment
from markupsafe import escape

from .board import Part

ROWS = "\x00"  # where a list's partial puts its rows; no text from outside contains a NUL
PATH = "\x01"  # where a partial puts the path of its page, likewise
NO_DATA = "no_data"  # the shape of a page that watches nothing yet


def part(id: str, partial: str, **values: Any) -> Part:
    """A part without rows. `values` must be hashable, and hold everything that the partial shows.

    A `path` may stand in attributes only: parts that differ in nothing else are rendered once.
    """
    return made(id, _shell_at(partial, id, values))


def list_part(id: str, partial: str, rows: list[Part], **values: Any) -> Part:
    """A part around rows, each of which is a part. Its partial is told whether it is `empty`."""
    values["empty"] = not rows
    return made(id, _shell_at(partial, id, values), tuple(rows))


@lru_cache(maxsize=20_000)
def made(id: str, shell: tuple[str, str], rows: tuple[Part, ...] = ()) -> Part:
    """One and the same part for the same markup: what did not change has nothing to be compared."""
    return Part(id, shell, rows)


class Body:
    """Parts that were drawn with PATH, for all the pages that show the same."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._parts = [(part, PATH in part.html) for part in parts]

    def at(self, path: str) -> list[Part]:
        """These parts on the page at this path: the same ones, but for copies of those that name it."""
        where = str(escape(path))
        return [_placed(part, where) if names_it else part for part, names_it in self._parts]


def _place(part: Part, where: str) -> Part:
    before, after = part.shell
    rows = tuple([_place(row, where) for row in part.children])
    return Part(part.id, (before.replace(PATH, where), after.replace(PATH, where)), rows)


_placed = lru_cache(maxsize=5_000)(_place)


def _shell_at(partial: str, id: str, values: dict[str, Any]) -> tuple[str, str]:
    path = values.get("path")
    if path is None:
        return _shell(current_app.jinja_env, partial, id, tuple(values.items()))
    values["path"] = PATH
    before, after = _shell(current_app.jinja_env, partial, id, tuple(values.items()))
    path = escape(path)
    return before.replace(PATH, path), after.replace(PATH, path)


@lru_cache(maxsize=20_000)
def _shell(env: Environment, partial: str, id: str, values: tuple[tuple[str, Any], ...]) -> tuple[str, str]:
    before, _, after = (
        env.get_template(partial).render(id=id, rows=ROWS, **dict(values)).strip().partition(ROWS)
    )
    return before, after
