"""How templates write moments, days, lengths of time, and messages.

The browser rewrites moments and days in the visitor's own zone; what is written here is its fallback.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version

from flask import Flask
from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, TemplateNotFound
from jinja2.bccache import Bucket

from ..clock import iso
from ..config import ROOT
from .markdown import markdown, plain

COMPILED = ROOT / "__pycache__" / f"jinja-{version('jinja2')}"


def register(app: Flask) -> None:
    app.jinja_loader = Templates(str(ROOT / "templates"))
    app.jinja_env.bytecode_cache = Compiled()
    app.jinja_env.filters.update(
        iso=iso,
        moment=moment,
        day=day,
        duration=duration,
        markdown=markdown,
        plain=plain,
        browser=browser,
    )


def load_all(app: Flask) -> None:
    """All of them now: the first page after a start takes no longer than the next, nor holds up others."""
    for name in app.jinja_env.list_templates():
        app.jinja_env.get_template(name)


class Compiled(FileSystemBytecodeCache):
    """As Python keeps its own: beside the sources, if we may write there; all of it takes half a second."""

    def __init__(self) -> None:
        with suppress(OSError):
            COMPILED.mkdir(parents=True, exist_ok=True)
        super().__init__(str(COMPILED))

    def dump_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            super().dump_bytecode(bucket)


class Templates(FileSystemLoader):
    """As they are at the start: a new version may be put in their place while this one runs."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        unused = Environment()
        self._sources = {
            name: super(Templates, self).get_source(unused, name) for name in self.list_templates()
        }

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        try:
            return self._sources[template]
        except KeyError:
            raise TemplateNotFound(template) from None


# In this order: each says that it is the ones after it, too.
BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
SYSTEMS = {
    "iPhone": "an iPhone",
    "iPad": "an iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Mac OS": "macOS",
    "Linux": "Linux",
}


def browser(agent: str) -> str:
    """`Firefox on Linux`, from what a browser says of itself; what is none of these stays as it is."""
    name = next((word for mark, word in BROWSERS.items() if mark in agent), "")
    system = next((word for mark, word in SYSTEMS.items() if mark in agent), "")
    if name and system:
        return f"{name} on {system}"
    return name or agent or "A browser that does not say what it is"


def moment(value: datetime) -> str:
    """`22 Nov 2026, 14:05 UTC`"""
    return f"{value.astimezone(UTC):%d %b %Y, %H:%M} UTC".lstrip("0")


def day(value: date) -> str:
    """`22 Nov 2026`"""
    return f"{value:%d %b %Y}".lstrip("0")


def duration(value: timedelta) -> str:
    """`35 minutes`, `2 hours 5 minutes`, `3 days 4 hours`: at most two units, cut off below a minute."""
    minutes = int(value.total_seconds() // 60)
    if minutes < 1:
        return "less than a minute"
    counts = {"day": minutes // 1440, "hour": minutes // 60 % 24, "minute": minutes % 60}
    units = [f"{count} {unit}{'s' if count > 1 else ''}" for unit, count in counts.items()]
    first = next(index for index, count in enumerate(counts.values()) if count)
    return " ".join(unit for unit in units[first : first + 2] if not unit.startswith("0 "))
