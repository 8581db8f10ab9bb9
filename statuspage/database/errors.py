"""What a database says when it does not do as asked."""

import logging

from sqlalchemy.exc import DBAPIError, OperationalError

LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's code, in the manual's appendix "Error Codes"


class Busy(Exception):
    """The lock was not to be had in time. Nothing was changed; the same request may be sent again."""


class Gone(Exception):
    """What was to be changed was deleted in the meantime."""


def is_away(error: BaseException) -> bool:
    """Whether it means that PostgreSQL cannot be reached, or stops: no fault of ours, and it passes."""
    if not isinstance(error, DBAPIError):
        return False
    driver = type(error.orig).__module__.partition(".")[0]
    return driver == "psycopg" and (error.connection_invalidated or isinstance(error, OperationalError))


def note_failure(log: logging.Logger, error: BaseException, words: str, *values: object) -> None:
    """A line for a database that is away or busy, and the whole story for everything else."""
    if is_away(error):
        log.warning(f"{words}: the database is away", *values)
    elif isinstance(error, Busy):
        log.warning(f"{words}: the database is busy", *values)
    else:
        log.exception(words, *values)
