"""The log: lines for people, or an object per line for programs; each with the request that it belongs to."""

import contextvars
import logging
import re
import secrets

from pythonjsonlogger.json import JsonFormatter

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s%(in_request)s"
GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")  # a proxy's id of the request; nothing else is repeated in a log

request_id: contextvars.ContextVar[str | None] = contextvars.ContextVar("request_id", default=None)


def begin_request(given: str) -> str:
    """The id under which all lines of this request stand: the proxy's X-Request-Id, or one of our own."""
    id = given if GIVEN.fullmatch(given) else secrets.token_hex(8)
    request_id.set(id)
    return id


def set_up(level: str, form: str, node: str) -> None:
    """Write the log to standard error; `form` is text or json."""
    handler = logging.StreamHandler()
    handler.addFilter(_add_request)
    if form == "json":
        names = {"asctime": "time", "levelname": "level", "name": "logger"}
        handler.setFormatter(
            JsonFormatter(
                "%(asctime)s %(levelname)s %(name)s %(message)s %(request_id)s",
                rename_fields=names,
                static_fields={"node": node} if node else {},
            )
        )
    else:
        handler.setFormatter(logging.Formatter(TEXT))
    logging.basicConfig(level=level, handlers=[handler])


def _add_request(record: logging.LogRecord) -> bool:
    id = request_id.get()
    record.request_id = id
    record.in_request = f" [{id}]" if id else ""
    return True
