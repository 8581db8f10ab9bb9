"""What machines are told about this one, and who may know more."""

import json
import logging
import re
from collections import Counter
from contextvars import Context
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from prometheus_client.parser import text_string_to_metric_families

from statuspage import logs
from statuspage.config import ROOT
from statuspage.database import db, transaction
from statuspage.live.audience import Seat
from statuspage.live.dispatcher import LOOK_SECONDS
from statuspage.live.entry import data_rooms
from statuspage.live.hub import BLIND_SECONDS
from statuspage.live.transport import traffic

pytestmark = pytest.mark.one_database


class Forged(str):
    """What an error repeats as it is."""

    __repr__ = str.__str__


class Listener:
    id, transport, outlet = "listener", "websocket", None


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


@pytest.mark.parametrize(("lag", "ready"), [(BLIND_SECONDS - 0.1, True), (BLIND_SECONDS + 0.1, False)])
def test_who_has_not_seen_the_log_for_two_seconds_is_not_ready(client, watched, monkeypatch, lag, ready):
    monkeypatch.setattr(watched, "log_lag", lambda: lag)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["ready"]) == (200 if ready else 503, ready)
    assert answer.json["logLag"] == pytest.approx(lag - LOOK_SECONDS), "what is more than it looks"


def test_without_its_database_it_is_alive_but_not_ready(client, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("of this test")

    monkeypatch.setattr(db.engine.__class__, "connect", refuse)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["database"]) == (503, False)
    assert client.get("/healthz").status_code == 200


def test_to_be_ready_the_tables_must_be_there(client, asked):
    assert client.get("/readyz").json["database"] is True
    assert any("FROM organization" in statement for statement in asked)


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
    assert found["statuspage_database_statements_total[]"] > before["statuspage_database_statements_total[]"]
    assert found["statuspage_organizations[]"] == len(watched.channels)
    assert found["statuspage_connections['websocket']"] == 0
    assert found["statuspage_page_cache_bytes[]"] > 1000
    answered = "statuspage_page_cache_answers_total[]"
    assert found[answered] == before[answered], "both were drawn anew"
    client.get("/acme")
    assert metrics(client.get("/metrics"))[answered] == before[answered] + 1
    assert found["statuspage_request_seconds_count['/<org>', '200', 'GET']"] >= 1


def test_every_kind_of_thing_that_the_house_watches_has_its_metric(app, client, monkeypatch):
    monkeypatch.setattr(app.extensions["live"], "bus", SimpleNamespace(age=1.5, connections=2))
    monkeypatch.setattr(traffic, "cut", Counter({"too slow": 3}))
    found = metrics(client.get("/metrics"))
    assert found["statuspage_doorbell_age_seconds[]"] == 1.5
    assert found["statuspage_doorbell_connections_total[]"] == 2
    assert found["statuspage_cut_total['too slow']"] == 3
    for source in ("memory", "database", "board", "reset"):
        assert f"statuspage_replays_total[{source!r}]" in found
    for name in ("log_lag_seconds", "unsent", "unwritten"):
        assert f"statuspage_{name}[]" in found


def test_every_metric_is_in_the_table_for_operators(client):
    table = (ROOT / "docs/operating.md").read_text()
    for family in text_string_to_metric_families(client.get("/metrics").text):
        name = family.name.removeprefix("statuspage_")
        if name != family.name and not name.endswith("_created"):
            assert f"`{name}" in table, name


def test_a_connection_is_counted_once_wherever_it_listens(client, cast, watched):
    listener = Listener()
    for organization in (cast.acme, cast.globex):
        channel = watched.channel(organization.id)
        channel.register(seat := Seat(listener, organization.scope, "data"))
        channel.enter(seat, data_rooms(organization.scope))
    found = metrics(client.get("/metrics"))
    assert found["statuspage_connections['websocket']"] == 1
    assert found["statuspage_unwritten[]"] >= 2


def test_what_waits_for_who_polls_is_unsent(app, client):
    sessions = app.extensions["live"].socketio.server.eio.sockets
    before = metrics(client.get("/metrics"))["statuspage_unsent[]"]
    sessions["polling"] = SimpleNamespace(upgraded=False, backlog=3)
    try:
        assert metrics(client.get("/metrics"))["statuspage_unsent[]"] == before + 3
    finally:
        del sessions["polling"]


def test_a_method_that_nobody_knows_makes_no_series_of_its_own(client):
    for number in range(3):
        assert client.open("/healthz", method=f"FOO{number}").status_code == 405
    found = metrics(client.get("/metrics"))
    assert found["statuspage_request_seconds_count['405', 'none', 'other']"] >= 3
    assert "FOO" not in str(found)


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


def test_what_was_committed_is_logged_with_its_events_and_its_request(client, cast, capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logs.set_up("INFO", "json", "eu1")
    body = {"type": "status-update", "data": {}, "organizationId": cast.acme.id}
    headers = {**cast.bearer("acme-admin"), "X-Request-Id": "from-the-proxy"}
    sent = client.post("/api/websocket/broadcast", json=body, headers=headers)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (line,) = [line for line in lines if line["message"].startswith("committed")]
    assert line["events"] == sent.json["ids"]
    assert line["request_id"] == "from-the-proxy"


def test_an_id_that_could_forge_a_line_is_not_taken(client):
    answer = client.get("/healthz", headers={"X-Request-Id": "a b {}"})
    assert answer.headers["X-Request-Id"] not in ("", "a b {}")


def test_no_path_and_no_failure_forges_a_line_of_the_log(app, client, capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logs.set_up("INFO", "text", "")
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    forged = "\n2026-11-22 14:05:00 ERROR forged: \x1b[2J\r"
    monkeypatch.setattr(app.extensions["live"].hub, "log_lag", lambda: {}[Forged(forged)])
    client.get("/healthz" + quote(forged))
    assert client.get("/readyz", headers={"X-Request-Id": "mine"}).status_code == 500
    logging.getLogger("statuspage.test").warning("Asked for %s", forged)
    said = capsys.readouterr().err
    assert "forged" in said
    for line in said.splitlines():
        assert re.match(r"  |\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z]+ statuspage", line), line
    assert "\r" not in said
    assert "\x1b" not in said
    assert " [mine]\n" in said


def test_a_line_for_programs_has_no_more_than_was_said(capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logs.set_up("INFO", "json", "")
    Context().run(logging.getLogger("statuspage.test").warning, "Hello", extra={"path": "/a"})
    line = json.loads(capsys.readouterr().err)
    assert line.pop("time").endswith("Z")
    assert line == {"level": "WARNING", "logger": "statuspage.test", "message": "Hello", "path": "/a"}
