"""What machines are told about this one, and who may know more."""

import json
import logging

import pytest
from prometheus_client.parser import text_string_to_metric_families

from statuspage import logs
from statuspage.database import db, transaction

pytestmark = pytest.mark.one_database


def test_it_is_alive_and_ready(client):
    assert client.get("/healthz").text == "ok\n"
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json == {"ready": True, "database": True, "logLag": None, "draining": False}
    assert answer.headers["Cache-Control"] == "no-store"


def test_who_drains_is_not_ready(client, watched, monkeypatch):
    assert client.get("/readyz").json["logLag"] == 0
    monkeypatch.setattr(watched, "draining", True)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["ready"]) == (503, False)
    assert client.get("/healthz").status_code == 200


def test_without_its_database_it_is_alive_but_not_ready(client, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("of this test")

    monkeypatch.setattr(db.engine.__class__, "connect", refuse)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["database"]) == (503, False)
    assert client.get("/healthz").status_code == 200


def metrics(answer) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found[f"{sample.name}{sorted(sample.labels.values())}"] = sample.value
    return found


def test_metrics_count_what_happens(client, cast, watched):
    client.get("/acme")
    before = metrics(client.get("/metrics"))
    with transaction(cast.acme):
        cast.acme_service.update(name="Other")
    watched.advance(cast.acme.id)
    client.get("/acme")
    found = metrics(client.get("/metrics"))
    told = "statuspage_delivery_lag_seconds_count[]"
    assert found[told] > before[told]
    assert found["statuspage_replays_total['memory']"] >= 0
    assert found["statuspage_database_statements_total[]"] > before["statuspage_database_statements_total[]"]
    assert found["statuspage_organizations[]"] == len(watched.channels)
    assert found["statuspage_connections['websocket']"] == 0
    assert found["statuspage_page_cache_bytes[]"] > 1000
    assert found["statuspage_request_seconds_count['/<org>', '200', 'GET']"] >= 1


@pytest.mark.parametrize(
    "headers", [{"X-Forwarded-For": "203.0.113.9"}, {"Forwarded": "for=203.0.113.9"}, {"Via": "1.1 cache"}]
)
def test_metrics_are_not_for_who_comes_through_a_proxy(client, headers):
    assert client.get("/metrics", headers=headers).status_code == 404
    assert client.get("/metrics", environ_base={"REMOTE_ADDR": "203.0.113.9"}).status_code == 404


def test_metrics_are_for_who_has_the_token(app, client, monkeypatch):
    monkeypatch.setitem(app.config, "METRICS_TOKEN", "secret")
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 404
    far = {"REMOTE_ADDR": "203.0.113.9"}
    answer = client.get("/metrics", headers={"Authorization": "Bearer secret"}, environ_base=far)
    assert answer.status_code == 200


def test_a_line_of_the_log_names_its_request(client, capsys, monkeypatch):
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    logs.set_up("INFO", "json", "eu1")
    id = client.get("/healthz", headers={"X-Request-Id": "from-the-proxy"}).headers["X-Request-Id"]
    assert id == "from-the-proxy"
    logs.begin_request(id)
    logging.getLogger("statuspage.test").warning("Something %s", "happened")
    line = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert line["message"] == "Something happened"
    assert (line["level"], line["node"], line["request_id"]) == ("WARNING", "eu1", id)


def test_an_id_that_could_forge_a_line_is_not_taken(client):
    answer = client.get("/healthz", headers={"X-Request-Id": "a b {}"})
    assert answer.headers["X-Request-Id"] not in ("", "a b {}")
