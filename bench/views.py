"""Viewers of pages: their view is HTML, and what they must see is a mark in a service's description."""

import json
import time
from subprocess import Popen

from bench.contenders import SOCKET_PATH, Ours
from bench.load import ORGANIZATION, Delivery, Load
from bench.mark import mark
from bench.writer import LENGTH


def join(server: Ours, load: Load, clients: int, *, per: int = 0, offer: int = 1) -> None:
    """Of the organization's page; with `per`, so many of each tenant's page that the writer made."""
    claim = {"organizationId": ORGANIZATION, "view": "page"}
    if per:
        claim["tenantId"] = "bench-%d"
    words = json.dumps(["authenticate", claim], separators=(",", ":"))
    load.connect(server.port, clients, words, path=SOCKET_PATH, strict=0, per=per or clients, offer=offer)


def change(server: Ours, load: Load, clients: int) -> tuple[float, Delivery]:
    """An edit of the organization's own service: seconds until the last viewer has it."""
    begun = time.monotonic()
    delivery = load.wait(edit(server), clients, 60)
    return delivery.last - begun, delivery


def edit(server: Ours) -> int:
    """The same, of a service that every page and program is told of; its number."""
    server.number += 1
    text = mark(server.number, LENGTH, plain=True)
    server.request("PATCH", "/api/services/service-1", {"description": text})
    return server.number


def begin(writer: Popen[str]) -> None:
    """Let a writer that is ready begin."""
    assert writer.stdin
    assert writer.stdout
    assert writer.stdout.readline() == "ready\n"
    writer.stdin.write("go\n")
    writer.stdin.flush()


def end(writer: Popen[str]) -> float:
    """The seconds that it wrote."""
    said, _ = writer.communicate(timeout=120)
    return float(said)
