"""How long what is known of visitors is kept. The log of events has rules of its own."""

from collections.abc import Callable
from datetime import timedelta

from ..database import database_time, db, transaction
from . import connection, figure, reach, usage


def forget(keep: Callable[[], bool], *, connection_days: float, analytics_days: float) -> None:
    """A job: forget connections that ended so many days ago, and numbers older than that."""
    for prune, days in (
        (connection.prune, connection_days),
        (figure.prune, analytics_days),
        (reach.prune, analytics_days),
        (usage.prune, analytics_days),
    ):
        with transaction():
            prune(database_time(db.session()) - timedelta(days=days))
        if not keep():
            return
