"""A process that writes: `python -m tests.writer gevent|threads THREADS EDITS`; settings as always.

Its last line is what it did, as JSON. A bystander, under gevent a greenlet, says when it had its turn often.
"""

import json
import random
import sys
import threading
import time

if __name__ == "__main__" and sys.argv[1] == "gevent":
    from gevent import monkey

    monkey.patch_all()

from statuspage import create_app
from statuspage.database import db, transaction
from statuspage.models.organization import Organization
from statuspage.models.service import Service
from statuspage.models.status import ServiceStatus

OFTEN = 100  # turns of the bystander, half a second


def edit(app, times: int, done: list[int]) -> None:
    """Move one service's position up by one, so that a lost update would show."""
    for _ in range(times):
        with app.app_context():
            organization = db.session.get(Organization, "org-456")
            service = db.session.query(Service).filter_by(organization_id="org-456", tenant_id=None).one()
            with transaction(organization):
                status = random.choice(list(ServiceStatus)).value
                service.update(position=service.position + 1, own_status=status)
                done.append(organization.seq)


def watch(stop: threading.Event, pauses: list[float]) -> None:
    """How long this bystander had to wait for its turn."""
    last = time.monotonic()
    while not stop.wait(0.005):
        pauses.append(time.monotonic() - last)
        if len(pauses) == OFTEN:
            print("often", flush=True)
        last = time.monotonic()
    pauses.append(time.monotonic() - last)  # it may have had no turn at all


def main(threads: int, edits: int) -> None:
    app = create_app()
    done: list[int] = []
    pauses: list[float] = []
    stop = threading.Event()
    writers = [threading.Thread(target=edit, args=(app, edits, done)) for _ in range(threads)]
    bystander = threading.Thread(target=watch, args=(stop, pauses))
    for thread in [bystander, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    bystander.join()
    print(json.dumps({"edits": len(done), "longest_pause": max(pauses)}))


if __name__ == "__main__":
    main(int(sys.argv[2]), int(sys.argv[3]))
