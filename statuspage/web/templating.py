"""How templates write moments and days. The browser rewrites them in the visitor's own zone."""

from datetime import UTC, date, datetime

from flask import Flask

from ..clock import iso


def register(app: Flask) -> None:
    app.jinja_env.filters.update(iso=iso, moment=moment, day=day)


def moment(value: datetime) -> str:
    """`22 Nov 2026, 14:05 UTC`"""
    return f"{value.astimezone(UTC):%d %b %Y, %H:%M} UTC".lstrip("0")


def day(value: date) -> str:
    """`22 Nov 2026`"""
    return f"{value:%d %b %Y}".lstrip("0")
