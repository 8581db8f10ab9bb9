"""Another process on the same data, as the command line is: `python -m bench.writer WHAT COUNT FIRST`.

It says `ready`, waits for a line, writes, and says how many seconds that took.
"""

import sys
import time
from collections.abc import Callable

from bench.load import ORGANIZATION
from bench.mark import mark
from statuspage import create_app
from statuspage.database import db, new_id, transaction
from statuspage.models.organization import Organization, Tenant
from statuspage.models.service import Service
from statuspage.models.status import ServiceStatus

STORM_SECONDS = 1.0
TOGETHER = 9  # edits in one commit: a thousand commits take too long. Odd: each changes the page
LENGTH = 150  # of a description with a mark


def main(what: str, count: int, first: int) -> None:
    writes = {"tenants": make_tenants, "page": edit_service, "data": broadcast}
    app = create_app()
    with app.app_context():
        organization = db.session.get_one(Organization, ORGANIZATION)
        print("ready", flush=True)
        sys.stdin.readline()
        begun = time.monotonic()
        writes[what](organization, count, first)
        print(time.monotonic() - begun, flush=True)


def make_tenants(organization: Organization, count: int, _first: int) -> None:
    with transaction(organization):
        for i in range(count):
            Tenant.create(organization, id=f"bench-{i}", slug=f"bench-{i}", name=f"Customer {i}")


def edit_service(organization: Organization, count: int, first: int) -> None:
    """The first and the last edit are marked; between them the status goes to and fro."""
    service = db.session.get_one(Service, "service-1")
    marked = {0, count - 1}
    _spread(organization, count, lambda i: _edit(service, first + i, marked=i in marked))


def broadcast(organization: Organization, count: int, first: int) -> None:
    _spread(organization, count, lambda i: _broadcast(organization, first + i))


def _edit(service: Service, number: int, *, marked: bool) -> None:
    if marked:
        service.update(description=mark(number, LENGTH, plain=True))
    else:
        service.update(own_status=(ServiceStatus.MAJOR_OUTAGE, ServiceStatus.OPERATIONAL)[number % 2].value)


def _broadcast(organization: Organization, number: int) -> None:
    organization.record("service-update", "broadcast", new_id(), {"mark": mark(number, 512)})


def _spread(organization: Organization, count: int, write: Callable[[int], None]) -> None:
    """Evenly over a second, or as fast as it goes."""
    begun = time.monotonic()
    for start in range(0, count, TOGETHER):
        time.sleep(max(0.0, begun + start * STORM_SECONDS / count - time.monotonic()))
        with transaction(organization):
            for i in range(start, min(start + TOGETHER, count)):
                write(i)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
