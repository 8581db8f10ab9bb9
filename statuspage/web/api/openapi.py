"""The API's own description (OpenAPI 3.1), made from the endpoints and their shapes: no second copy."""

import inspect
import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from flask import Response, current_app
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from ...schemas.problem import Problem
from .answering import answer
from .endpoint import ENDPOINTS, Endpoint, endpoint

TITLE = "Status page"
ABOUT = """Services, incidents and live connections of organizations and their tenants.

Every change is seen at once by everybody who watches. Send `Authorization: Bearer TOKEN`; public
pages can be read without. An unknown id and one out of reach get the same 404. Times are UTC.

`/console` tries the live side of it by hand."""

REFUSALS = {
    400: "The body is no JSON object.",
    401: "A token is needed, or this one is unknown, expired or revoked.",
    403: "Your role may not do this.",
    404: "Unknown, or out of reach.",
    409: "Not in the present state, or somebody else changed it at the same moment.",
    412: "If-Match names an older state: somebody else changed it.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "A value is wrong: see `errors`.",
    503: "Too many changes at once. Nothing was changed; try again.",
}
READING = (401, 404, 422)
DELETING = (401, 403, 404, 409, 412, 422, 503)
CREATING = (400, 401, 403, 404, 409, 413, 415, 422, 503)
CHANGING = (*CREATING, 412)
REFUSED_BY = {"GET": READING, "DELETE": DELETING, "POST": CREATING, "PUT": CHANGING, "PATCH": CHANGING}

HEADERS = {
    "GET": ("If-None-Match", "The ETag of what you have: 304 when it is still so.", 2000),
    "POST": ("Idempotency-Key", "Any id of this request: sent again within a day, it is done once.", 255),
    "PUT": ("If-Match", "The ETag of what you read: 412 when it is no longer so.", 2000),
}
HEADERS |= {"PATCH": HEADERS["PUT"], "DELETE": HEADERS["PUT"]}
REF = "#/components/schemas/{model}"
JSON, PROBLEM = "application/json", "application/problem+json"


class Untitled(GenerateJsonSchema):
    """Pydantic's schemas without a title for each field: `organizationId` says it already."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


@endpoint("GET", "/openapi.json")
def describe() -> Response:
    """Read this document."""
    return answer(document(ENDPOINTS, current_app.extensions["live"].build))


def document(endpoints: list[Endpoint], version: str) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for each in endpoints:
        for method in each.methods:
            paths.setdefault(_path(each), {})[method.lower()] = _operation(each, method)
    return {
        "openapi": "3.1.1",
        "info": {"title": TITLE, "version": version, "description": ABOUT},
        "paths": paths,
        "components": {
            "schemas": _schemas(endpoints),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _path(endpoint: Endpoint) -> str:
    return "/api" + re.sub(r"<(\w+)>", r"{\1}", endpoint.path)


def _operation(endpoint: Endpoint, method: str) -> dict[str, Any]:
    summary, _, rest = inspect.cleandoc(endpoint.view.__doc__ or "").partition("\n\n")
    name = endpoint.view.__name__
    operation = {
        "operationId": name if method == endpoint.methods[-1] else f"{method.lower()}_{name}",
        "tags": [endpoint.view.__module__.rpartition(".")[2]],
        "summary": summary.partition(". ")[0].rstrip("."),
        "description": f"{summary}\n\n{rest}".replace("\n", " ").strip(),
        "security": [{}, {"token": []}] if method == "GET" else [{"token": []}],
        "parameters": list(_parameters(endpoint, method)),
        "responses": _responses(endpoint, method),
    }
    if endpoint.takes:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": _ref(endpoint.takes)}}}
    return operation


def _parameters(endpoint: Endpoint, method: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"<(\w+)>", endpoint.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    if endpoint.asks:
        yield from _query(endpoint.asks)
    name, description, longest = HEADERS[method]
    schema = {"type": "string", "minLength": 1, "maxLength": longest, "pattern": r"^[\x21-\x7e]+$"}
    yield {"name": name, "in": "header", "description": description, "schema": schema}


def _query(shape: type[BaseModel]) -> Iterator[dict[str, Any]]:
    described = shape.model_json_schema(schema_generator=Untitled)
    for name, schema in described["properties"].items():
        # A query has no null: it is left out instead.
        schema |= next((kind for kind in schema.pop("anyOf", ()) if kind != {"type": "null"}), {})
        if schema.get("default", ...) is None:
            del schema["default"]
        required = name in described.get("required", ())
        description = schema.pop("description", "")
        yield {
            "name": name,
            "in": "query",
            "required": required,
            "description": description,
            "schema": schema,
        }


def _responses(endpoint: Endpoint, method: str) -> dict[str, Any]:
    refusals = {status: _refusal(status) for status in _refused_by(endpoint, method)}
    found = {304: {"description": "Still as If-None-Match says."}} if method == "GET" else {}
    success = {endpoint.status: _success(endpoint, method)}
    return {str(status): said for status, said in sorted({**success, **found, **refusals}.items())}


def _refused_by(endpoint: Endpoint, method: str) -> list[int]:
    """What asks nothing cannot be refused; without a query or a body there is no wrong value."""
    spoken = bool(endpoint.asks or endpoint.takes)
    if not spoken and "<" not in endpoint.path:
        return []
    return [status for status in (*REFUSED_BY[method], *endpoint.refuses) if spoken or status != 422]


def _success(endpoint: Endpoint, method: str) -> dict[str, Any]:
    said: dict[str, Any] = {"description": HTTPStatus(endpoint.status).phrase}
    if endpoint.status == 204:
        return said
    headers = ["ETag", *(["Location"] if endpoint.status == 201 else ())]
    headers += ["Idempotent-Replayed"] if method == "POST" else []
    said["headers"] = {name: {"schema": {"type": "string"}} for name in headers}
    said["content"] = {JSON: {"schema": _ref(endpoint.gives) if endpoint.gives else {"type": "object"}}}
    return said


def _refusal(status: int) -> dict[str, Any]:
    return {"description": REFUSALS[status], "content": {PROBLEM: {"schema": _ref(Problem)}}}


def _ref(shape: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REF.format(model=shape.__name__)}


def _schemas(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    shapes = {shape for each in endpoints for shape in (each.takes, each.gives) if shape} | {Problem}
    ordered = sorted(shapes, key=lambda shape: shape.__name__)
    _, described = models_json_schema(
        [(shape, "validation") for shape in ordered], ref_template=REF, schema_generator=Untitled
    )
    return described["$defs"]
