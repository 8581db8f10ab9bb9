"""The log: lines for people, or an object per line for programs; each with the request that it belongs to."""

import contextvars
import logging
import re
import secrets
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from .clock import iso

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
JSON = {"asctime": "time", "levelname": "level", "name": "logger", "message": "message"}
GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")  # a proxy's id of the request; nothing else is repeated in a log
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

request_id: contextvars.ContextVar[str | None] = contextvars.ContextVar("request_id", default=None)
"""Of an HTTP request, or the clientId of the connection whose event is handled."""


def begin_request(given: str) -> str:
    """The id under which all lines of this request stand: the proxy's X-Request-Id, or one of our own."""
    id = given if GIVEN.fullmatch(given) else secrets.token_hex(8)
    request_id.set(id)
    return id


def set_up(level: str, form: str, node: str) -> None:
    """Write the log to standard error; `form` is text or json."""
    handler = logging.StreamHandler()
    handler.setFormatter(Objects(node) if form == "json" else Lines(TEXT))
    logging.basicConfig(level=level, handlers=[handler])


class Lines(logging.Formatter):
    """A line each, whatever a client put into it: what follows below, a traceback, is indented."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return _moment(record)

    def formatMessage(self, record: logging.LogRecord) -> str:
        id = request_id.get()
        line = super().formatMessage(record) + (f" [{id}]" if id else "")
        return _escaped(line)

    def formatException(self, ei: Any) -> str:
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        return _indented(super().formatStack(stack_info))


class Objects(JsonFormatter):
    """An object each; of a record's own fields only those that were given with it."""

    def __init__(self, node: str) -> None:
        super().__init__(list(JSON), rename_fields=JSON, static_fields={"node": node} if node else {})

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return _moment(record)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        id = request_id.get()
        return {**log_data, "request_id": id} if id else log_data


def _escaped(line: str) -> str:
    return CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), line)


def _indented(text: str) -> str:
    return "\n".join("  " + _escaped(line) for line in text.split("\n"))


def _moment(record: logging.LogRecord) -> str:
    return iso(datetime.fromtimestamp(record.created, UTC)) or ""
