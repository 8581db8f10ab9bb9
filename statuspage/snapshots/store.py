"""Where snapshots are: a folder, or a bucket of an S3-compatible store.

A store knows files by name, as `acme/north.html`. `prepare` files, then `publish` them: each is there whole
or not at all. Every failure is an Unreachable.
"""

from __future__ import annotations

import errno
import io
import mimetypes
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from ..database import new_id
from ..threads import in_a_thread

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".atom": "application/atom+xml; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}
LEFT_SECONDS = 600.0  # no writer takes so long between two steps
SECONDS = 5.0  # so long an answer of the bucket is waited for, and its connection half as long


class Unreachable(Exception):
    """The store could not be read or written; the reason in words."""


class Store(Protocol):
    def prepare(self, files: Mapping[str, bytes]) -> Any:
        """Bring the files near. Nobody sees them."""

    def publish(self, prepared: Any, still: Callable[[], None]) -> None:
        """Put them in place, each at once. `still` is asked before each: what it raises ends this."""

    def discard(self, prepared: Any) -> None:
        """They are not wanted any more, or published."""

    def remove(self, names: Iterable[str]) -> None:
        """They are gone when this returns, or were never there."""

    def discard_old(self) -> None:
        """What writers that were killed have left near goes, and what a loss of power has left empty."""

    def names(self) -> list[str]:
        """The names of all files, in order."""


class Folder:
    """`site/` is what a proxy serves; files are made in `new/` beside it and renamed."""

    def __init__(self, root: Path) -> None:
        self.site, self._new = root / "site", root / "new"
        for folder in (self.site, self._new):
            with _disk():
                folder.mkdir(parents=True, exist_ok=True)

    def prepare(self, files: Mapping[str, bytes]) -> Any:
        folder = self._new / new_id()
        with _disk():
            folder.mkdir()
            in_a_thread(_write, folder, list(files.values()))
        return folder, list(files)

    def publish(self, prepared: Any, still: Callable[[], None]) -> None:
        folder, names = prepared
        changed = set()
        for number, name in enumerate(names):
            still()
            with _disk():
                place = self.site / name
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(folder / str(number), place)
                changed.add(place.parent)
        with _disk():
            in_a_thread(_keep, changed)

    def discard(self, prepared: Any) -> None:
        shutil.rmtree(prepared[0], ignore_errors=True)

    def discard_old(self) -> None:
        in_a_thread(self._discard_old)

    def _discard_old(self) -> None:
        """By the disk's clock, for each node has its own."""
        newest = self._new / new_id()
        with _disk():
            newest.mkdir()
            now = newest.stat().st_mtime
            newest.rmdir()
        for folder in self._new.iterdir():
            with suppress(FileNotFoundError):
                if now - folder.stat().st_mtime > LEFT_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)
        for name in self._names():
            with _disk(), suppress(FileNotFoundError):
                if not (self.site / name).stat().st_size:
                    (self.site / name).unlink()

    def remove(self, names: Iterable[str]) -> None:
        changed = set()
        for name in names:
            place = self.site / name
            with _disk(), suppress(FileNotFoundError, NotADirectoryError):
                place.unlink()
            changed.add(self._remove_empty(place.parent))
        with _disk():
            in_a_thread(_keep, changed)

    def _remove_empty(self, folder: Path) -> Path:
        """Its name is a page's, which nobody shall read any more. What is left around it."""
        while folder != self.site:
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                break
            folder = folder.parent
        return folder

    def names(self) -> list[str]:
        found: list[str] = in_a_thread(self._names)  # of thousands it takes its time
        return found

    def _names(self) -> list[str]:
        with _disk():
            folders = os.walk(self.site, onerror=_unless_it_is_gone)
            paths = [Path(at, name) for at, _, files in folders for name in files]
        return sorted(str(path.relative_to(self.site)) for path in paths)


class Bucket:
    """Files below a prefix of a bucket. Its versions, where it keeps any, are the operator's to forget."""

    def __init__(self, url: str, endpoint: str, region: str, key: str, secret: str) -> None:
        from minio import Minio  # only who has a bucket pays for it
        from urllib3 import PoolManager, Timeout

        parts, at = urlsplit(url), urlsplit(endpoint)
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        self._connections = PoolManager(timeout=Timeout(connect=SECONDS / 2, read=SECONDS), retries=False)
        self._client = Minio(
            at.netloc,
            access_key=key,
            secret_key=secret,
            region=region,
            secure=at.scheme == "https",
            http_client=self._connections,
        )

    def prepare(self, files: Mapping[str, bytes]) -> Any:
        return dict(files)

    def publish(self, prepared: Any, still: Callable[[], None]) -> None:
        for name, content in prepared.items():
            still()
            with _bucket():
                self._client.put_object(
                    self._bucket,
                    self._key(name),
                    io.BytesIO(content),
                    len(content),
                    content_type=content_type(name),
                    metadata={"Cache-Control": "no-cache"},
                )

    def discard(self, prepared: Any) -> None:
        prepared.clear()

    def discard_old(self) -> None:
        """Nothing was brought near."""

    def remove(self, names: Iterable[str]) -> None:
        from minio.deleteobjects import DeleteObject

        wanted = (DeleteObject(self._key(name)) for name in names)
        with _bucket():
            for error in self._client.remove_objects(self._bucket, wanted):  # a thousand at once
                raise Unreachable(f"{error.name}: {error.message or error.code}")

    def names(self) -> list[str]:
        begin = self._key("")
        with _bucket():
            found = self._client.list_objects(self._bucket, prefix=begin, recursive=True)
            return sorted(str(each.object_name)[len(begin) :] for each in found)

    def close(self) -> None:
        """End the connections."""
        self._connections.clear()

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name


def content_type(name: str) -> str:
    suffix = Path(name).suffix
    return TYPES.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")


def _write(folder: Path, contents: Iterable[bytes]) -> None:
    """On the disk, whatever happens to its power: a row will say that they are there."""
    for number, content in enumerate(contents):
        with (folder / str(number)).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def _unless_it_is_gone(error: OSError) -> None:
    """A folder may have been emptied and removed while the one above it was read."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _keep(folders: Iterable[Path]) -> None:
    """Which files are in them, and no more are, whatever happens to the disk's power."""
    for folder in folders:
        with suppress(FileNotFoundError):  # another one has emptied it
            opened = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(opened)
            except OSError as error:
                if error.errno != errno.EINVAL:  # some disks that machines share cannot do that
                    raise
            finally:
                os.close(opened)


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unreachable(f"{error.filename or 'the folder'}: {error.strerror or error}") from error


@contextmanager
def _bucket() -> Iterator[None]:
    from minio.error import MinioException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (MinioException, HTTPError, OSError, ValueError) as error:
        raise Unreachable(str(error)) from error
