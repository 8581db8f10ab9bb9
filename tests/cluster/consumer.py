"""A program that works off what waits for it over REST, through the proxy, whichever node answers."""

import itertools
import threading
from typing import Any

from tests.cluster.cluster import ORGANIZATION, PATIENCE, Cluster, patiently

NAME = "night-shift"


class Consumer:
    """Registered before anything is written. It leaves every third batch unacknowledged: that comes again.

    `marks`: of the broadcasts, in the order in which they came first. `again`: events that came once more.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._client = cluster.api()
        self.marks: list[str] = []
        self.again = 0
        self.wrong: list[str] = []
        row = self._ask("POST", "/consumers", {"organizationId": ORGANIZATION, "consumerId": NAME})
        self._path = f"/consumers/{row['id']}/cursor"
        self._kept = self._newest = _seq(row["cursor"])
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """When nothing waits any more."""
        self._over.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "It never came to an end."
        self._client.close()

    def _run(self) -> None:
        try:
            for number in itertools.count():
                found = self._ask("GET", f"/events?consumer={NAME}&wait=1&limit=500")
                events = found["events"]
                if found["reset"]:
                    self.wrong.append("a reset")
                if not events and self._over.is_set():
                    return
                self._take(events)
                if events and (number % 3 or self._over.is_set()):
                    self._ask("PUT", self._path, {"id": events[-1]["id"]})
                    self._kept = _seq(events[-1]["id"])
        except BaseException as error:
            self.wrong.append(repr(error))

    def _take(self, events: list[dict[str, Any]]) -> None:
        """All that was not acknowledged, in order and without a gap."""
        before = self._kept
        for event in events:
            seq, since = _seq(event["id"]), _seq(event["since"])
            if not since <= before < seq:
                self.wrong.append(f"{event['id']} since {event['since']} after {before}")
            before = seq
            if seq <= self._newest:
                self.again += 1
                continue
            self._newest = seq
            if event["type"] == "broadcast":
                self.marks.append(event["data"]["mark"])

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        return patiently(self._client, method, path, body).json()


def _seq(cursor: str) -> int:
    return int(cursor.split(":")[1])
