"""Services in the admin: their status in one click."""

from flask import Response, request

from ...database import transaction
from ...models.errors import Invalid
from ...models.service import Service
from ...models.status import ServiceStatus
from ..auth import current_proof
from .place import blueprint, enter, load, stay


@blueprint.post("/admin/<org>/services/<id>/status")
def set_service_status(org: str, id: str) -> Response:
    """The operator's word for a service, at once. Undo sends the one before it."""
    place = enter(org, "service.update")
    service, status = load(place, Service, id), request.form.get("status", "")
    if status not in list(ServiceStatus):
        raise Invalid("Choose one of the five statuses.", "status")
    with transaction(place.organization, by=current_proof().user_id):
        service.update(own_status=ServiceStatus(status).value)
    return stay(place.base)
