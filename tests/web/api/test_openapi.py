"""The API's description: complete, valid, and true of what the API does."""

import re

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.web.api.asking import Things
from tests.web.api.writes import OWNED, WRITES

pytestmark = pytest.mark.one_database

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EVERY = WRITES | OWNED
READS = {
    "GET /services": lambda t: "/services?organizationId=org-456&limit=1",
    "GET /services/<id>": lambda t: f"/services/{t.service}",
    "GET /groups": lambda t: "/groups?organizationId=org-456",
    "GET /groups/<id>": lambda t: f"/groups/{t.group}",
    "GET /incidents": lambda t: "/incidents?organizationId=org-456",
    "GET /incidents/<id>": lambda t: f"/incidents/{t.incident}",
    "GET /incidents/<id>/updates": lambda t: f"/incidents/{t.incident}/updates",
    "GET /status": lambda t: "/status?organizationId=org-456",
    "GET /consumers": lambda t: "/consumers?organizationId=org-456",
    "GET /consumers/<id>": lambda t: f"/consumers/{t.consumer}",
    "GET /events": lambda t: f"/events?consumer={t.consumer}",
    "GET /websocket/info": lambda t: "/websocket/info?organizationId=org-456",
    "GET /openapi.json": lambda t: "/openapi.json",
}


@pytest.fixture
def document(api):
    return api.get("/openapi.json").json


@pytest.fixture
def described(app, document):
    """The operations, by `METHOD /path` of the document."""
    schema = schemathesis.openapi.from_dict(document)
    schema.app = app
    operations = [found.ok() for found in schema.get_all_operations()]
    return {f"{operation.method.upper()} {operation.path}": operation for operation in operations}


def in_document(name: str) -> str:
    method, path = name.split()
    return f"{method} /api" + re.sub(r"<(\w+)>", r"{\1}", path)


def test_every_route_of_the_api_is_described(app, described):
    routed = {
        in_document(f"{method} {rule.rule.removeprefix('/api')}")
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert routed == set(described)
    assert {in_document(name) for name in (*EVERY, *READS)} == routed


def test_the_document_is_valid_and_says_what_everything_is(document, described):
    schemathesis.openapi.from_dict(document).validate()
    operations = [operation.definition.raw for operation in described.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    assert all(operation["summary"] and operation["tags"] for operation in operations)
    assert set(document["components"]["schemas"]) == named(document), "nothing unused, nothing missing"


def named(document) -> set[str]:
    return set(re.findall(r"'#/components/schemas/(\w+)'", str(document)))


def test_what_the_api_answers_is_what_the_document_says(api, cast, described, subtests):
    for name in (*READS, *EVERY):
        operation = described[in_document(name)]
        with subtests.test(name):
            for answer in answers(api, Things.make(cast.acme), name):
                assert str(answer.status_code) in operation.definition.raw["responses"], answer.text
                operation.validate_response(answer)


def answers(api, things, name):
    """One that works, and those refusals that every such endpoint knows."""
    method = name.split()[0]
    if name in READS:
        path = READS[name](things)
        good = api.get(path, by="acme-admin")
        assert good.status_code == 200
        return [good, api.get(path, If_None_Match=good.headers["ETag"], by="acme-admin")]
    path, body = EVERY[name].path(things), EVERY[name].sent(things)
    refused = [api.ask(method, path, body, by=by) for by in (None, "acme-viewer")]
    wrong = api.ask(method, path, {"nonsense": 1}, by="acme-admin") if body else None
    good = api.ask(method, path, body, by="acme-admin", Idempotency_Key=things.service)
    assert good.status_code < 300
    lost = api.ask(method, path, body, by="acme-admin", If_Match='"old"') if method != "POST" else None
    return [answer for answer in (good, *refused, wrong, lost) if answer]


def test_requests_made_from_the_document_meet_no_server_error(api, described, things, subtests):
    """Hundreds of right and wrong requests, most of them about things that exist."""
    for name, operation in described.items():
        with subtests.test(name):
            for mode in GenerationMode:
                fuzz(api, operation, mode, things)


def fuzz(api, operation, mode, things):
    noun = operation.path.split("/")[2].rstrip("s")
    ids = st.sampled_from([getattr(things, noun, "nothing"), "nothing", "\x00"])
    askers = st.sampled_from(["acme-admin", "operator", "acme-viewer", None])

    @hypothesis.settings(
        max_examples=4,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode), id=ids, by=askers)
    def run(case, id, by):
        ground(case, id)
        case.call_and_validate(session=api.app.test_client(), headers=api.cast.bearer(by), checks=CHECKS)

    run()


def ground(case, id):
    """Let a generated request be about something that exists, so that it gets further than 404."""
    if "id" in (case.path_parameters or {}):
        case.path_parameters["id"] = id
    for place in (case.query, case.body):
        if isinstance(place, dict):
            place.update({"organizationId": "org-456"} if "organizationId" in place else {})
            place.update({"consumer": id} if "consumer" in place else {})
            for inner in {"wait", "tenantId", "groupId", "services", "after"} & set(place):
                del place[inner]
