"""Time as everything here tells it: aware, UTC, milliseconds."""

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)


def iso(moment: datetime | None) -> str | None:
    """`2026-11-22T14:05:00.000Z`, the form of every timestamp on the wire (ISO 8601)."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
