"""/metrics for Prometheus: what this process does, counted since its start, or as of now."""

import hmac
import ipaddress
import itertools
from collections import Counter as Tally
from collections.abc import Iterator

from flask import Blueprint, Flask, Response, current_app, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector

from ..database import statements
from ..live import counts, transport
from ..live.hub import Hub
from ..live.transport import traffic
from ..models.errors import NotFound
from .tenancy import NOTHING

blueprint = Blueprint("metrics", __name__)

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
REQUESTS = Histogram(
    "statuspage_request_seconds",
    "Time to answer, of requests that reached the application (those from the page cache do not).",
    ["method", "route", "status"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
    registry=REGISTRY,
)


@blueprint.get("/metrics")
def read() -> Response:
    """The metrics, in Prometheus' text format, for who has METRICS_TOKEN, or for this machine itself."""
    if not _may_read():
        raise NotFound(NOTHING)
    found = generate_latest(REGISTRY) + generate_latest(Live(current_app._get_current_object()))  # type: ignore[attr-defined]
    return Response(found, content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


def _may_read() -> bool:
    token = current_app.config["METRICS_TOKEN"]
    if token:
        said = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(said.encode(), token.encode())
    proxied = {"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Via"}
    return _is_local(request.remote_addr or "") and not any(name in request.headers for name in proxied)


def _is_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


class Live:
    """Read off the hub, the doorbell, the transport and the page cache when somebody asks."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        live, cache = self._app.extensions["live"], self._app.extensions["page_cache"]
        yield _gauge(
            "statuspage_connections",
            "Open connections that listen, each once.",
            _transports(live.hub),
            "transport",
        )
        yield _gauge(
            "statuspage_organizations", "Organizations that somebody watches here.", len(live.hub.channels)
        )
        yield _gauge(
            "statuspage_boards", "Boards kept.", sum(len(c.boards) for c in list(live.hub.channels.values()))
        )
        yield _gauge("statuspage_log_lag_seconds", "Since the log was last seen.", live.hub.log_lag() or 0.0)
        if live.bus.age is not None:
            yield _gauge(
                "statuspage_doorbell_age_seconds", "Since the doorbell was last heard.", live.bus.age
            )
            yield _counter(
                "statuspage_doorbell_connections", "Links made to the doorbell.", live.bus.connections
            )
        yield from _transport(live)
        yield _counter("statuspage_joins", "Seats that were taken.", dict(counts.joins), "transport")
        yield _counter(
            "statuspage_replays",
            "Answers to who came back, by where what they had missed came from.",
            counts.replays,
            "source",
        )
        yield _lag()
        yield _counter("statuspage_database_statements", "Sent to the database.", _statements())
        yield _gauge(
            "statuspage_unwritten", "Comings and goings that wait for the database.", live.ledger.waiting
        )
        yield _counter("statuspage_page_cache_answers", "Given from memory.", cache.answered)
        yield _gauge("statuspage_page_cache_bytes", "Taken by answers that are kept.", cache.size)


def _lag() -> Metric:
    family = HistogramMetricFamily(
        "statuspage_delivery_lag_seconds", "From a commit until its line was told to its rooms here."
    )
    bounds = [*map(str, counts.LAGS), "+Inf"]
    buckets = list(zip(bounds, itertools.accumulate(counts.lag.buckets), strict=True))
    family.add_metric([], buckets, counts.lag.total)
    return family


def _statements() -> int:
    return int(repr(statements).removeprefix("count(").removesuffix(")"))


def _transports(hub: Hub) -> dict[str, int]:
    found: Tally[str] = Tally({"websocket": 0, "polling": 0, "sse": 0, "poll": 0})
    found.update(connection.transport for connection in hub.connections())
    return found


def _transport(live: object) -> Iterator[Metric]:
    cut = dict(traffic.cut)
    yield _counter("statuspage_cut", "Connections cut because their client took nothing.", cut, "why")
    waiting = transport.unsent(live.socketio)  # type: ignore[attr-defined]
    yield _gauge("statuspage_unsent", "Messages that wait for their clients.", waiting)
    server = getattr(live.socketio, "wsgi_server", None)  # type: ignore[attr-defined]
    poller = getattr(server, "poller", None)
    if poller is not None:
        yield _gauge("statuspage_sockets", "Open descriptors of clients.", len(poller.wires))


def _gauge(name: str, help: str, value: float | dict[str, int], label: str = "") -> Metric:
    return _with(GaugeMetricFamily(name, help, labels=[label] if label else None), value)


def _counter(name: str, help: str, value: float | dict[str, int], label: str = "") -> Metric:
    return _with(CounterMetricFamily(name, help, labels=[label] if label else None), value)


def _with(family: GaugeMetricFamily | CounterMetricFamily, value: float | dict[str, int]) -> Metric:
    values = {(key,): number for key, number in value.items()} if isinstance(value, dict) else {(): value}
    for labels, number in values.items():
        family.add_metric(labels, number)
    return family
