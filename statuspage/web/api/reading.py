"""What a request says: its body and its query in their shapes, and the scope that it may read."""

from typing import TypeVar

from flask import request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from ...database import db
from ...models.scope import Scope
from ...schemas.query import ScopeQuery
from ..auth import require
from ..door import share_current
from ..tenancy import is_known_public

Shape = TypeVar("Shape", bound=BaseModel)


def read_body(shape: type[Shape]) -> Shape:
    """The JSON object of the request. 415 for another type, 400 for no object, 422 for wrong fields."""
    if not request.is_json:
        raise UnsupportedMediaType("Send JSON, with the header `Content-Type: application/json`.")
    body = request.get_data()
    if request.content_length is None and request.environ["wsgi.input"].read(1):
        raise RequestEntityTooLarge  # a chunked body has no length: werkzeug cuts it at the limit, silently
    try:
        return shape.model_validate_json(body, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        if first["loc"] == () and first["type"] in ("json_invalid", "model_type"):
            raise BadRequest(f"The body is no JSON object. {first['msg']}.") from error
        raise


def read_query(shape: type[Shape]) -> Shape:
    """The query's parameters, each at most once; anything else is a ValidationError."""
    given = request.args.to_dict(flat=False)
    return shape.model_validate({name: each[0] if len(each) == 1 else each for name, each in given.items()})


def scope_of(query: ScopeQuery) -> Scope:
    """The scope that the query names, if the asker may read it; else NotFound."""
    scope = Scope(query.organization_id, query.tenant_id, whole=query.scope == "all")
    if not is_known_public(scope):
        require(scope, "scope.all" if scope.whole else "page.read")
    db.session.rollback()  # nothing is held while the channel is waited for; what is read, is read after it
    if request.method in ("GET", "HEAD") and not scope.whole:
        share_current(scope)
    return scope
