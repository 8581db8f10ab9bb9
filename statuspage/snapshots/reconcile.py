"""Reconcile: files that may be there, or be gone, though the rows say otherwise, are brought together again.

For an outcome that nobody knows: a hold that was lost while files were put in place, a removal whose
transaction was undone.
"""

import logging
import threading
import time
from collections.abc import Set

from flask import Flask

from ..database import end_session, note_failure, transaction
from ..models import snapshot
from .store import Store, Unreachable

log = logging.getLogger(__name__)

AGAIN_SECONDS, SELDOM_SECONDS = 2.0, 60.0  # between the first two attempts, and after many
WAIT_SECONDS = 1.0
UNSURE = "Snapshots may differ from the pages, and are looked after again"


def reconcile(store: Store, names: Set[str]) -> None:
    """Those of these files that no page has go; a page that has some is due, whoever draws it."""
    if names:
        with transaction():
            store.remove(snapshot.unknown(names))


def reconcile_in_any_case(app: Flask, store: Store, names: Set[str]) -> None:
    """As soon as database and store answer. It waits a second for that, for the process may end soon."""
    done = threading.Thread(target=_until_done, args=(app, store, names), name="reconcile", daemon=True)
    done.start()
    done.join(WAIT_SECONDS)


def _until_done(app: Flask, store: Store, names: Set[str]) -> None:
    pause = AGAIN_SECONDS
    while not _attempt(app, store, names):
        time.sleep(pause)
        pause = min(2 * pause, SELDOM_SECONDS)


def _attempt(app: Flask, store: Store, names: Set[str]) -> bool:
    with app.app_context():
        try:
            reconcile(store, names)
            return True
        except Unreachable as error:
            log.warning("%s: %s", UNSURE, error)
            return False
        except Exception as error:
            note_failure(log, error, UNSURE)
            return False
        finally:
            end_session()
