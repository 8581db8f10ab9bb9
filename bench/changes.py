"""What a typical change weighs on the wire, plain and packed: an incident's life, to a page and a program."""

import json
import time
from typing import Any

from bench import views
from bench.contenders import Ours, offer_for
from bench.figures import Figures
from bench.load import ORGANIZATION, Load
from bench.plan import Plan

CALM = 0.6  # seconds without a byte


def measure(figures: Figures, _plan: Plan) -> None:
    """It is the same each time, so it is counted in the first round only."""
    if figures.round:
        return
    for packing in ("plain", "packed"):
        offer = int(offer_for(figures, packing))
        for view in ("page", "data"):
            with Ours(COMPRESSION=str(int(packing == "packed"))) as server, Load() as load:
                if view == "page":
                    views.join(server, load, 1, offer=offer)
                else:
                    server.join(load, 1, offer=offer)
                _when_calm(load)
                figures.note(f"change {view}", packing, _life_of_an_incident(server, load))


def _life_of_an_incident(server: Ours, load: Load) -> float:
    """Bytes per change."""
    begun = load.report()["bytes"]
    affected = {"services": {"service-1": "degraded"}, "message": "We are looking into it."}
    opened = {"organizationId": ORGANIZATION, "title": "Checkout is slow", **affected}
    incident = json.loads(_post(server, load, "/api/incidents", opened))["id"]
    updates = f"/api/incidents/{incident}/updates"
    _post(server, load, updates, {"status": "identified", "message": "A disk is full."})
    _post(server, load, updates, {"status": "resolved", "message": "There is room again."})
    for status in ("partial_outage", "operational"):
        server.request("PATCH", "/api/services/service-1", {"status": status})
        _when_calm(load)
    return (load.report()["bytes"] - begun) / 5


def _post(server: Ours, load: Load, path: str, body: dict[str, Any]) -> bytes:
    answer = server.request("POST", path, body)
    _when_calm(load)
    return answer


def _when_calm(load: Load) -> None:
    seen = -1
    while seen != (now := load.report()["bytes"]):
        seen = now
        time.sleep(CALM)
