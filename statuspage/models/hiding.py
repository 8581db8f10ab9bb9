"""Hiding: a page leaves the public, moves or is deleted, or an incident is. Who keeps copies hears so before
the commit.
"""

from typing import Any

from blinker import Signal

from ..database import committing, db

hiding = Signal()
"""`organization_id` and `tenant_id` (None: the organization with all its tenants) say whose pages
it is about, `incident_id` that it is this incident on them. Copies go now; what a receiver raises refuses the
change."""


def will_hide(organization_id: str, tenant_id: str | None = None, incident_id: str | None = None) -> None:
    """In a transaction(): the page, or the incident, will be no more where it is, or not for everybody."""
    db.session.info["hidden"].add((organization_id, tenant_id, incident_id))


@committing.connect
def _tell(session: Any) -> None:
    for organization_id, tenant_id, incident_id in session.info["hidden"]:
        hiding.send(session, organization_id=organization_id, tenant_id=tenant_id, incident_id=incident_id)
