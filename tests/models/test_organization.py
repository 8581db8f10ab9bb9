"""What the log keeps of a tenant that was deleted."""

from statuspage.database import db, transaction
from statuspage.models.event import Event


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
