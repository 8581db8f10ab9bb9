"""What the models put on the wire has exactly the shape that the API promises."""

import json

import pytest
from pydantic import ValidationError

from statuspage.clock import now
from statuspage.database import transaction
from statuspage.models.consumer import Consumer
from statuspage.models.incident import Incident
from statuspage.models.service import Service, ServiceGroup
from statuspage.models.status import Impact, ServiceStatus
from statuspage.schemas import consumer, group, incident, service, status


@pytest.fixture
def shown(app, cast):
    """Each answer's shape, and objects of it as they travel: with everything set, and with nothing."""
    user_id = cast.users["acme-viewer"].id
    with transaction(cast.acme):
        heading = ServiceGroup.create(cast.acme, cast.north, name="Group")
        full = Service.create(cast.acme, cast.north, name="Full", description="All", group=heading)
        said = {full.id: ServiceStatus.DEGRADED}
        over = Incident.open(cast.acme, cast.north, title="!", message="!", services=said)
        over.update(set_impact=Impact.MAJOR)
        over.resolve(message="Mended.")
        open_ = Incident.open(cast.acme, None, title="!", message="!", started_at=now())
        things = {
            service.Service: [full, cast.acme_service],
            group.Group: [heading],
            incident.Incident: [over, open_],
            consumer.Consumer: [
                Consumer.register(cast.acme, tenant, user_id=user_id, consumer_id=name, whole=whole)
                for tenant, name, whole in ((cast.north, "north", False), (None, "all", True))
            ],
            incident.Update: [*over.updates, *open_.updates],
        }
        found = {shape: [each.as_json() for each in rows] for shape, rows in things.items()}
    channel = app.extensions["live"].hub.channel(cast.acme.id)
    found[status.Status] = [channel.state.status_json(scope) for scope in (cast.acme.scope, cast.north.scope)]
    return found


def test_every_object_has_its_shape_and_no_key_more_or_less(shown):
    for shape, objects in shown.items():
        for each in objects:
            shape.model_validate_json(json.dumps(each), strict=True)
            assert set(each) == {field.alias for field in shape.model_fields.values()}
            with pytest.raises(ValidationError):
                shape.model_validate_json(json.dumps({**each, "more": 1}))
            with pytest.raises(ValidationError):
                shape.model_validate_json(json.dumps(dict(list(each.items())[1:])))
