"""What an incident does to services, and how it ends."""

import pytest

from statuspage.database import db, transaction
from statuspage.models.errors import Conflict, Invalid
from statuspage.models.event import Event
from statuspage.models.incident import Incident
from statuspage.models.service import Service
from statuspage.models.status import Impact, IncidentStatus, ServiceStatus

DEGRADED, MAJOR, OPERATIONAL, MAINTENANCE = (
    ServiceStatus.DEGRADED,
    ServiceStatus.MAJOR_OUTAGE,
    ServiceStatus.OPERATIONAL,
    ServiceStatus.MAINTENANCE,
)


@pytest.fixture
def incident(cast):
    with transaction(cast.acme):
        return Incident.open(
            cast.acme, None, title="Slow", message="We look.", services={cast.acme_service.id: DEGRADED}
        )


def lines(cast, after=0):
    rows = db.session.query(Event).filter(Event.organization_id == cast.acme.id, Event.seq > after)
    return [(row.name, row.type) for row in rows.order_by(Event.seq)]


def test_an_open_incident_holds_its_services_and_a_resolved_one_lets_go(cast, incident):
    assert cast.acme_service.status == DEGRADED
    assert cast.acme_service.own_status == OPERATIONAL
    with transaction(cast.acme):
        incident.resolve(message="Mended.")
    assert cast.acme_service.status == OPERATIONAL


def test_the_worst_of_two_incidents_and_the_operators_word_shows(cast, incident):
    with transaction(cast.acme):
        second = Incident.open(
            cast.acme, None, title="Down", message="!", services={cast.acme_service.id: MAJOR}
        )
        cast.acme_service.update(own_status=MAINTENANCE)
    assert cast.acme_service.status == MAJOR
    with transaction(cast.acme):
        second.resolve(message="Up.")
    assert cast.acme_service.status == DEGRADED
    with transaction(cast.acme):
        incident.resolve(message="Mended.")
    assert cast.acme_service.status == MAINTENANCE


def test_services_not_named_in_an_update_keep_what_was_said_last(cast, incident):
    with transaction(cast.acme):
        incident.post_update(status=IncidentStatus.MONITORING, message="Watching.")
    assert cast.acme_service.status == DEGRADED
    with transaction(cast.acme):
        incident.post_update(
            status=IncidentStatus.MONITORING, message="Fine.", services={cast.acme_service.id: OPERATIONAL}
        )
    assert cast.acme_service.status == OPERATIONAL
    assert incident.impact is Impact.MINOR


def test_an_incident_is_resolved_once_and_then_closed(cast, incident):
    with transaction(cast.acme):
        incident.resolve(message="Mended.")
    with pytest.raises(Conflict), transaction(cast.acme):
        incident.resolve(message="Again.")
    with pytest.raises(Conflict), transaction(cast.acme):
        incident.post_update(status=IncidentStatus.MONITORING, message="Again.")


def test_steps_go_in_any_order_until_resolved(cast, incident):
    for step in ("monitoring", "identified", "investigating", "resolved"):
        with transaction(cast.acme):
            incident.post_update(status=IncidentStatus(step), message=step)
    assert incident.resolved_at is not None
    assert [update.status for update in incident.updates][0] == "resolved"


def test_an_incident_affects_only_services_of_exactly_its_scope(cast):
    for organization, tenant, service in (
        (cast.acme, None, cast.north_service),
        (cast.acme, cast.north, cast.acme_service),
        (cast.acme, cast.north, cast.south_service),
        (cast.acme, None, cast.globex_service),
    ):
        with pytest.raises(Invalid) as refusal, transaction(organization):
            Incident.open(organization, tenant, title="x", message="x", services={service.id: MAJOR})
        assert refusal.value.field == "services"
    assert db.session.query(Incident).count() == 0


def test_every_service_that_shows_something_else_is_a_line_in_the_same_transaction(cast):
    before = cast.acme.seq
    with transaction(cast.acme):
        incident = Incident.open(
            cast.acme, None, title="x", message="x", services={cast.acme_service.id: MAJOR}
        )
    assert lines(cast, before) == [("incident-update", "created"), ("service-update", "status-changed")]
    before = cast.acme.seq
    with transaction(cast.acme):
        incident.remove()
    assert lines(cast, before) == [("incident-update", "deleted"), ("service-update", "status-changed")]
    assert cast.acme_service.status == OPERATIONAL


def test_a_deleted_incident_leaves_no_text_in_the_log(cast, incident):
    id = incident.id
    with transaction(cast.acme):
        incident.remove()
    rows = db.session.query(Event).filter_by(organization_id=cast.acme.id, subject=id)
    assert {str(row.data) for row in rows} == {str({"id": id})}


def test_a_deleted_service_leaves_its_incident_running(cast, incident):
    with transaction(cast.acme):
        cast.acme_service.remove()
    with transaction(cast.acme):
        incident.post_update(status=IncidentStatus.MONITORING, message="Still here.")
        incident.resolve(message="Done.")
    assert db.session.query(Service).filter_by(organization_id=cast.acme.id, tenant_id=None).count() == 0
