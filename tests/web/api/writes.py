"""Every write endpoint: how to call it rightly, and how wrongly."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.web.api.asking import Things

HUGE = 10**400
NO_NAME = ["", "   ", None, 5, "x" * 121, "a\x00b", "a\x1bb", "two\nlines"]
NO_PROSE = [None, 5, "a\x00b", "a\x07b"]
NO_POSITION = [-1, 1_000_001, HUGE, 1.5, "1", True]
NO_ID = ["", "x" * 65, "a b", "a\x00", "é", 5]


@dataclass
class Write:
    """`body` is right; each of `wrong` spoils one field of it: the field, its JSON pointer, bad values."""

    path: Callable[[Things], str]
    body: dict[str, Any] | None = None
    scoped: bool = False  # whether the body says which organization and tenant
    wrong: list[tuple[str, str, list[Any]]] = field(default_factory=list)
    least: str = "editor"

    def sent(self, things: Things) -> dict[str, Any] | None:
        if self.body == {"id": "the end"}:
            return {"id": f"{things.organization.epoch}:{things.organization.seq}"}
        if not self.scoped or self.body is None:
            return self.body
        tenant = {"tenantId": things.tenant.id} if things.tenant else {}
        return {**self.body, "organizationId": things.organization.id, **tenant}


SCOPE = [("organizationId", "/organizationId", [*NO_ID, None]), ("tenantId", "/tenantId", NO_ID)]
SERVICE = [
    ("name", "/name", NO_NAME),
    ("description", "/description", [*NO_PROSE, "x" * 2001]),
    ("status", "/status", ["broken", 1, ""]),
    ("position", "/position", NO_POSITION),
    ("groupId", "/groupId", [*NO_ID, "nothing"]),
    ("nonsense", "/nonsense", [1]),
]
GROUP = [("name", "/name", NO_NAME), ("position", "/position", NO_POSITION), ("nonsense", "/nonsense", [1])]
SAID = [
    ("message", "/message", [*NO_PROSE, "", "x" * 10_001]),
    ("status", "/status", ["broken", 1]),
    ("services", "/services", [[], {"nothing": "degraded"}]),
    ("services", "/services/a b", [{"a b": "degraded"}]),
    ("services", "/services/nothing", [{"nothing": "broken"}]),
    ("nonsense", "/nonsense", [1]),
]
IMPACT = [("impact", "/impact", ["huge", 1])]
TITLE = [("title", "/title", [*NO_NAME[:4], "x" * 201, "a\x00b"])]

change_service = Write(lambda t: f"/services/{t.service}", {"status": "degraded"}, wrong=SERVICE)
change_group = Write(lambda t: f"/groups/{t.group}", {"name": "Shops"}, wrong=GROUP)
change_incident = Write(
    lambda t: f"/incidents/{t.incident}",
    {"title": "Slower"},
    wrong=[
        *TITLE,
        *IMPACT,
        ("status", "/status", ["resolved", "monitoring"]),
        ("nonsense", "/nonsense", [1]),
    ],
)

WRITES = {
    "POST /services": Write(lambda t: "/services", {"name": "New"}, True, [*SERVICE, *SCOPE]),
    "PUT /services/<id>": change_service,
    "PATCH /services/<id>": change_service,
    "DELETE /services/<id>": Write(lambda t: f"/services/{t.service}"),
    "POST /groups": Write(lambda t: "/groups", {"name": "New"}, True, [*GROUP, *SCOPE]),
    "PUT /groups/<id>": change_group,
    "PATCH /groups/<id>": change_group,
    "DELETE /groups/<id>": Write(lambda t: f"/groups/{t.group}"),
    "POST /incidents": Write(
        lambda t: "/incidents",
        {"title": "Down", "message": "We look."},
        True,
        [*TITLE, *IMPACT, *SAID, *SCOPE, ("status", "/status", ["resolved"])],
    ),
    "PUT /incidents/<id>": change_incident,
    "PATCH /incidents/<id>": change_incident,
    "DELETE /incidents/<id>": Write(lambda t: f"/incidents/{t.incident}"),
    "POST /incidents/<id>/updates": Write(
        lambda t: f"/incidents/{t.incident}/updates",
        {"status": "monitoring", "message": "Better."},
        wrong=SAID,
    ),
    "POST /websocket/broadcast": Write(
        lambda t: "/websocket/broadcast",
        {"type": "service-update", "data": {"note": "Hello"}},
        True,
        [
            ("type", "/type", ["change", "", None, "access"]),
            (
                "data",
                "/data",
                [None, [], "text", {"x": "y" * 17_000}, {"x": float("nan")}, {"x": float("inf")}],
            ),
            ("nonsense", "/nonsense", [1]),
            ("organizationId", "/organizationId", NO_ID),
            ("tenantId", "/tenantId", NO_ID),
        ],
        least="admin",
    ),
}
# A user's own: nobody else may, whatever the role, and no line of the log. Who may is in test_consumer.py.
OWNED = {
    "POST /consumers": Write(
        lambda t: "/consumers",
        {"consumerId": "new"},
        True,
        [
            ("consumerId", "/consumerId", [*NO_ID, None, "a/b", "x" * 65]),
            ("scope", "/scope", ["some", 1]),
            ("cursor", "/cursor", ["", "nonsense", "other:1", 5]),
            ("nonsense", "/nonsense", [1]),
            *SCOPE,
        ],
    ),
    "PUT /consumers/<id>/cursor": Write(
        lambda t: f"/consumers/{t.consumer}/cursor",
        {"id": "the end"},
        wrong=[("id", "/id", ["", None, 5, "nonsense", "other:1", "x" * 65]), ("nonsense", "/nonsense", [1])],
    ),
    "DELETE /consumers/<id>": Write(lambda t: f"/consumers/{t.consumer}"),
}
CREATING = {name: write for name, write in WRITES.items() if name.startswith("POST")}
CHANGING = {name: write for name, write in WRITES.items() if name not in CREATING}
SPOKEN = {name: write for name, write in (WRITES | OWNED).items() if write.body}
