"""Every setting: its name, its default, what it means. The only reader of the environment."""

import hmac
import json
import logging
import math
import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from . import database_options, parsing

ROOT = Path(__file__).resolve().parent.parent
DAY = 86_400  # seconds


class WrongSetting(SystemExit):
    """A setting that stops the start, with a sentence that names it."""


@dataclass(frozen=True)
class Setting:
    name: str
    default: Any
    parse: Callable[[str], Any]
    meaning: str


def _switch(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("write 1 or 0")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= DAY:
        raise ValueError(f"write a number of seconds above 0, at most {DAY}")
    return value


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("write a whole number above 0")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > 9:
        raise ValueError("write a whole number from 0 to 9")
    return int(text)


def _days(text: str) -> int:
    if not text.isdecimal() or int(text) > 36_500:
        raise ValueError("write a whole number of days, 0 for never")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise ValueError("write a port from 1 to 65535")
    return int(text)


def _level(text: str) -> str:
    if text.upper() not in logging.getLevelNamesMapping():
        raise ValueError("write debug, info, warning or error")
    return text.upper()


def _node(text: str) -> str:
    if not (text.isascii() and text.isalnum()) or len(text) > 32:
        raise ValueError("use up to 32 letters and digits")
    return text


def _database(text: str) -> str:
    """PostgreSQL by its usual URLs, through psycopg 3. SQLite by its whole path, wherever one starts from."""
    for prefix in ("postgres://", "postgresql://"):
        if text.startswith(prefix):
            return "postgresql+psycopg://" + text.removeprefix(prefix)
    if not text.startswith(("sqlite:////", "postgresql+psycopg://")):
        raise ValueError("write sqlite:////whole/path/file.db or postgresql://…")
    return text


def _bus(text: str) -> str:
    if text != "postgres" and urlsplit(text).scheme not in ("redis", "rediss", "unix"):
        raise ValueError("write postgres, redis://host:6379/0 or rediss://…")
    return text


def _log_format(text: str) -> str:
    if text not in ("text", "json"):
        raise ValueError("write text or json")
    return text


SETTINGS = (
    Setting(
        "DATABASE_URL",
        "",
        _database,
        "Where the data lives: `sqlite:////path/file.db` or `postgresql://…`. "
        "Left out: `statuspage.db` in INSTANCE_PATH, in the demo `demo.db`.",
    ),
    Setting(
        "SECRET_KEY", "", str, "Signs cookies and forms. Any long random text; required outside demo mode."
    ),
    Setting(
        "DEMO", None, _switch, "1 or 0: demo data and secrets. On unless DATABASE_URL or SECRET_KEY is given."
    ),
    Setting(
        "INSTANCE_PATH",
        str(ROOT / "instance"),
        str,
        "Folder for the SQLite file and the demo's secrets, `demo.json`.",
    ),
    Setting("HOST", "", str, "Address to listen on. Demo: 127.0.0.1; else 0.0.0.0."),
    Setting("PORT", 5000, _port, "Port to listen on."),
    Setting(
        "LOG_LEVEL",
        "INFO",
        _level,
        "debug, info, warning or error; debug shows the live traffic, without secrets.",
    ),
    Setting("LOG_FORMAT", "text", _log_format, "text, or json: an object per line, for programs."),
    Setting(
        "METRICS_TOKEN",
        "",
        str,
        "Who sends it as a bearer token may read `/metrics`. Left out: only this machine, past no proxy.",
    ),
    Setting(
        "ORIGINS",
        [],
        parsing.origins,
        "Other sites whose pages may open live connections and call the API, separated by commas.",
    ),
    Setting(
        "PROXIES",
        0,
        _count,
        "How many proxies stand in front, each adding to `X-Forwarded-For` and `-Proto`; 0 believes none.",
    ),
    Setting(
        "PUBLIC_URL",
        "",
        parsing.origin,
        "Where visitors reach this site, `https://status.example.org`: for links in snapshots.",
    ),
    Setting(
        "SNAPSHOTS",
        "",
        parsing.snapshots,
        "Where public pages are kept as plain files: a folder by its whole path, or `s3://bucket/prefix`. "
        "Empty: nowhere. See [deploying](deploying.md#snapshots).",
    ),
    Setting(
        "SNAPSHOT_REFRESH",
        300.0,
        _seconds,
        "Seconds after which a snapshot is written again, though nothing changed.",
    ),
    Setting(
        "S3_ENDPOINT",
        "https://s3.amazonaws.com",
        parsing.origin,
        "The S3-compatible store of an `s3://` in SNAPSHOTS.",
    ),
    Setting("S3_REGION", "us-east-1", str, "Its region."),
    Setting("S3_ACCESS_KEY", "", str, "Its access key."),
    Setting("S3_SECRET_KEY", "", str, "And the secret of that."),
    Setting("NODE", "", _node, "This node's name; long-polling session ids begin with it."),
    Setting(
        "BUS_URL",
        "",
        _bus,
        "How nodes tell each other of changes at once: `postgres` (by their database) or `redis://…` "
        "(Valkey or Redis). Left out: each sees the others' within a quarter of a second.",
    ),
    Setting("PING_INTERVAL", 25.0, _seconds, "Seconds between Engine.IO pings."),
    Setting("PING_TIMEOUT", 20.0, _seconds, "Seconds until an unanswered ping ends a connection."),
    Setting(
        "HEAD_INTERVAL",
        15.0,
        _seconds,
        "Seconds between `head` messages to a stream; 1.5 times that to Socket.IO clients.",
    ),
    Setting("PUSH_INTERVAL", 0.2, _seconds, "Least seconds between two HTML pushes to one page."),
    Setting(
        "COMPRESSION",
        True,
        _switch,
        "1 or 0: messages to browsers compressed, once for all of them; a third of the bytes.",
    ),
    Setting(
        "EVENT_DAYS",
        365,
        _days,
        "Days until lines of the log are forgotten: positions, who did what, corrected words. 0: never.",
    ),
    Setting("CONNECTION_DAYS", 30, _days, "Days that a connection is kept for after its end. 0: for ever."),
    Setting("ANALYTICS_DAYS", 400, _days, "Days that the analytics' numbers are kept for. 0: for ever."),
    Setting("EVENT_RATE", 50, _whole, "Socket.IO events that one connection may send in ten seconds."),
    Setting("MAX_BODY", 1_048_576, _whole, "Largest request body in bytes."),
)


def read(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """All settings, parsed. A wrong one ends the start with a sentence that names it."""
    settings = {setting.name: _value(setting, environ.get(setting.name, "")) for setting in SETTINGS}
    if settings["DEMO"] is None:
        settings["DEMO"] = not (settings["DATABASE_URL"] or settings["SECRET_KEY"])
    instance = Path(settings["INSTANCE_PATH"])
    try:
        instance.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongSetting(f"The setting INSTANCE_PATH is wrong: {instance}: {error.strerror}.") from error
    if settings["DEMO"]:
        settings["DEMO_SECRETS"] = demo_secrets(instance)
        settings["SECRET_KEY"] = settings["SECRET_KEY"] or settings["DEMO_SECRETS"]["secret_key"]
    if not settings["SECRET_KEY"]:
        raise WrongSetting(
            "SECRET_KEY is missing. Give a long random text, for example: "
            "SECRET_KEY=\"$(python3 -c 'import secrets; print(secrets.token_hex(32))')\""
        )
    if settings["BUS_URL"] == "postgres" and not settings["DATABASE_URL"].startswith("postgresql"):
        raise WrongSetting(
            "The setting BUS_URL is wrong: it is postgres, but DATABASE_URL names no PostgreSQL database."
        )
    settings["NODE_NAME"] = settings["NODE"] or _name_of_place(settings["SECRET_KEY"], settings["PORT"])
    settings["HOST"] = settings["HOST"] or ("127.0.0.1" if settings["DEMO"] else "0.0.0.0")
    # Two files, so that the demo's token opens nothing later.
    file = instance.resolve() / ("demo.db" if settings["DEMO"] else "statuspage.db")
    settings["DATABASE_URL"] = settings["DATABASE_URL"] or f"sqlite:///{file}"
    return settings


def _name_of_place(key: str, port: int) -> str:
    """The same at every start on this machine and port; it tells visitors nothing of either."""
    return hmac.new(key.encode(), f"{socket.gethostname()}:{port}".encode(), "sha256").hexdigest()[:12]


def parse(name: str, text: str) -> Any:
    """A setting's value, wherever the text comes from."""
    return _value(next(setting for setting in SETTINGS if setting.name == name), text)


def _value(setting: Setting, text: str) -> Any:
    if not text:
        return setting.default
    try:
        return setting.parse(text)
    except ValueError as error:
        raise WrongSetting(f"The setting {setting.name} is wrong: {error}.") from error


def demo_secrets(instance: Path) -> dict[str, str]:
    """The demo's generated secrets, the same at every start; the file is for its owner's eyes only."""
    path = instance / "demo.json"
    try:
        if not path.exists():
            made = {
                "secret_key": secrets.token_hex(32),
                "token": "sp_demo_" + secrets.token_urlsafe(24),
                "password": secrets.token_urlsafe(9),
            }
            _write_once(path, json.dumps(made))
        kept = json.loads(path.read_text())
        return {name: kept[name] for name in ("secret_key", "token", "password")}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise WrongSetting(
            f"{path} cannot be used ({error}). Delete it: the demo makes a new one."
        ) from error


def _write_once(path: Path, text: str) -> None:
    """Whole or not at all, mode 0600. Of two processes that write at once, the first one's text stays."""
    handle, unfinished = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        with suppress(FileExistsError):
            os.link(unfinished, path)
    finally:
        os.unlink(unfinished)


def to_flask(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings plus what Flask and its extensions want them to be called."""
    return {
        **settings,
        "SQLALCHEMY_DATABASE_URI": settings["DATABASE_URL"],
        "SQLALCHEMY_ENGINE_OPTIONS": database_options.of(settings["DATABASE_URL"], settings.get("NODE", "")),
        "MAX_CONTENT_LENGTH": settings["MAX_BODY"],
        "MAX_FORM_MEMORY_SIZE": settings[
            "MAX_BODY"
        ],  # a form has no narrower limit: it is answered with itself
    }
