"""The file of a backup: gzip (RFC 1952) of JSON lines (RFC 8259), the same for both databases.

    {"format": "statuspage-backup", "version": 1, "revision": "0004", "made_at": "2026-11-22T14:05:00+00:00"}
    {"table": "organization", "columns": ["id", "slug", …]}
    ["org-456", "acme", …]
    …
    {"rows": 1234, "sha256": "…"}

A line per row follows its table's. The last line counts all rows, and its digest is of all bytes before it.
"""

import gzip
import hashlib
import json
import zlib
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, BinaryIO

from ..models.errors import Invalid

FORMAT, VERSION = "statuspage-backup", 1


@dataclass(frozen=True)
class Head:
    """The migration that the rows are of, and when they were read."""

    revision: str
    made_at: datetime


@dataclass(frozen=True)
class Table:
    """The rows that follow are of this table, with these columns."""

    name: str
    columns: list[str]


Item = Head | Table | list[Any]


def write(stream: BinaryIO, head: Head, items: Iterable[Table | list[Any]]) -> None:
    """Write the whole file; a row is a list of plain values, moments and bytes."""
    digest, count = hashlib.sha256(), 0
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=6, mtime=0) as packed:

        def say(item: Any) -> None:
            line = json.dumps(item, default=_plain, separators=(",", ":")).encode() + b"\n"
            digest.update(line)
            packed.write(line)

        say({"format": FORMAT, "version": VERSION, "revision": head.revision, "made_at": head.made_at})
        for item in items:
            if isinstance(item, Table):
                say({"table": item.name, "columns": item.columns})
            else:
                say(item)
                count += 1
        say({"rows": count, "sha256": digest.hexdigest()})


def _plain(value: Any) -> str:
    if isinstance(value, date):  # a moment too
        return value.isoformat()
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no form in a backup.")


def read(stream: BinaryIO) -> Iterator[Item]:
    """The head, then tables and rows as they come; Invalid, at the latest at the end, if it is not whole."""
    try:
        with gzip.GzipFile(fileobj=stream) as packed:
            yield from _parse(packed)
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError) as error:
        raise Invalid("This is no backup, or it is damaged or cut short.") from error


def _parse(lines: Iterable[bytes]) -> Iterator[Item]:
    digest, count, ended = hashlib.sha256(), 0, False
    for number, line in enumerate(lines):
        item = json.loads(line)
        if number == 0:
            yield _head(item)
        elif ended:
            raise ValueError("There is something after its end.")
        elif isinstance(item, list):
            count += 1
            yield item
        elif "table" in item:
            yield Table(item["table"], item["columns"])
        elif (item["rows"], item["sha256"]) != (count, digest.hexdigest()):
            raise ValueError("It is not what was written.")
        else:
            ended = True
        digest.update(line)
    if not ended:
        raise ValueError("It has no end.")


def _head(item: Any) -> Head:
    if item["format"] != FORMAT:
        raise ValueError("It is another kind of file.")
    if item["version"] > VERSION:
        raise Invalid(NEWER)
    return Head(str(item["revision"]), datetime.fromisoformat(item["made_at"]))


NEWER = "This backup was made by a newer version of the status page. Upgrade this one first."
