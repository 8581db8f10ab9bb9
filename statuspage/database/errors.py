"""What a database says when it does not do as asked."""

import logging

from sqlalchemy.exc import DBAPIError, OperationalError

# PostgreSQL's codes, in its manual's appendix "Error Codes".
LOCK_NOT_AVAILABLE, DEADLOCK = "55P03", "40P01"
STOPS, CONNECTION = "57P", "08"  # how those begin that say: it shuts down or starts; the line is broken


class Busy(Exception):
    """The lock was not to be had in time. Nothing was changed; the same request may be sent again."""


class Gone(Exception):
    """What was to be changed was deleted in the meantime."""


def is_away(error: BaseException) -> bool:
    """Whether it means that PostgreSQL cannot be reached, or stops: no fault of ours, and it passes."""
    if not isinstance(error, DBAPIError) or type(error.orig).__module__.partition(".")[0] != "psycopg":
        return False
    unsaid = isinstance(error, OperationalError) and not _code(error)  # nobody was there to say anything
    return error.connection_invalidated or unsaid or _code(error).startswith((STOPS, CONNECTION))


def is_busy(error: BaseException) -> bool:
    """Whether PostgreSQL let somebody else go first. All was rolled back."""
    return _code(error) in (LOCK_NOT_AVAILABLE, DEADLOCK)


def _code(error: BaseException) -> str:
    return getattr(getattr(error, "orig", None), "sqlstate", None) or ""


def note_failure(log: logging.Logger, error: BaseException, words: str, *values: object) -> None:
    """A line for a database that is away or busy, and the whole story for everything else."""
    if is_away(error):
        log.warning(f"{words}: the database is away", *values)
    elif isinstance(error, Busy):
        log.warning(f"{words}: the database is busy", *values)
    else:
        log.exception(words, *values)
