"""What the log keeps of what was deleted."""

from statuspage.database import db, transaction
from statuspage.models.event import Event
from statuspage.models.organization import Organization


def test_a_deleted_tenant_leaves_no_text_and_tells_what_was_deleted(cast):
    id = cast.south_service.id
    with transaction(cast.acme):
        cast.acme.record("incident-update", "broadcast", "b", {"text": "secret"}, tenant=cast.south)
        cast.south_service.update(name="South gateway, renamed")
    with transaction(cast.acme):
        cast.south.remove()
    lines = db.session.query(Event).filter(Event.organization_id == cast.acme.id).order_by(Event.seq)
    text = str([line.data for line in lines])
    assert "secret" not in text
    assert "South gateway" not in text
    deleted = [line.data for line in lines if (line.subject, line.type) == (id, "deleted")]
    assert deleted == [{"id": id}]


def test_what_is_said_in_the_same_transaction_before_a_tenant_goes_keeps_no_text_either(cast):
    with transaction(cast.acme):
        cast.acme.record("incident-update", "broadcast", "b", {"text": "secret"}, tenant=cast.south)
        cast.south.remove()
        cast.acme.record("settings", "updated", cast.acme.id)
    lines = db.session.query(Event).filter(Event.organization_id == cast.acme.id).order_by(Event.seq).all()
    assert "secret" not in str([line.data for line in lines])
    assert [line.seq for line in lines] == list(range(1, cast.acme.seq + 1))


def test_what_is_said_and_taken_back_in_one_transaction_is_no_text(cast):
    with transaction(cast.acme):
        cast.acme_service.update(name="A secret project")
        cast.acme_service.remove()
    lines = db.session.query(Event).filter(Event.organization_id == cast.acme.id)
    assert "secret" not in str([line.data for line in lines])


def test_what_is_recorded_is_pruned_in_the_same_transaction(cast):
    with transaction(cast.acme):
        cast.acme.record("settings", "updated", cast.acme.id)
        cast.acme.prune(cast.acme.seq)
    assert not db.session.query(Event).filter(Event.organization_id == cast.acme.id).count()


def test_an_organization_may_go_in_the_transaction_that_changed_it(cast):
    id = cast.globex.id
    with transaction(cast.globex):
        cast.globex.update(name="Globex, for a moment")
        cast.globex.remove()
    assert db.session.get(Organization, id) is None
    assert not db.session.query(Event).filter(Event.organization_id == id).count()
