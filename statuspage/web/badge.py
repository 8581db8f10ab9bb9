"""`/{org}/badge.svg` and `/{org}/{tenant}/badge.svg`: the status in the flat shape that README files show."""

import unicodedata
from dataclasses import dataclass

from flask import Blueprint, Response, render_template, request

from ..live.parts import NO_DATA
from ..models.status import ServiceStatus
from . import document
from .templating import moment
from .tenancy import scope_of_path

blueprint = Blueprint("badge", __name__)

LONGEST_LABEL = 40  # characters
POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"  # opened by itself it is a document
COLOURS = {  # white on each has a contrast of 4.5 and more
    ServiceStatus.OPERATIONAL: "#1a7f37",
    ServiceStatus.DEGRADED: "#9a6700",
    ServiceStatus.PARTIAL_OUTAGE: "#bc4c00",
    ServiceStatus.MAJOR_OUTAGE: "#cf222e",
    ServiceStatus.MAINTENANCE: "#0969da",
    NO_DATA: "#67707a",
}
# Widths in pixels at 11 px, about those of Verdana and DejaVu Sans; `textLength` makes up the rest.
WIDTHS = {
    character: width
    for width, characters in {
        3.0: "il'",
        4.0: "fj .,",
        4.6: "rtI!`",
        5.0: '()[]:;|/\\-"J',
        5.8: "csz?",
        6.6: "aekovxyFLP_*{}",
        7.0: "bdghnpqu0123456789ETY$",
        7.6: "ABCKRSVXZ",
        8.4: "DGHNOQU&",
        9.2: "wM#+<=>~^",
        10.9: "mW@%",
    }.items()
    for character in characters
}


@dataclass(frozen=True)
class Half:
    """One side of the badge: its words, and how wide they are; `exact` when every letter was in the table."""

    text: str

    @property
    def exact(self) -> bool:
        return all(character in WIDTHS for character in self.text)

    @property
    def length(self) -> int:
        return round(sum(map(_width, self.text)))

    @property
    def width(self) -> int:
        return self.length + 12


@blueprint.get("/<org>/badge.svg")
@blueprint.get("/<org>/<tenant>/badge.svg")
def badge(org: str, tenant: str | None = None) -> Response:
    """The scope's status as an SVG; `?label=` takes the place of its name."""
    scope = scope_of_path(org, tenant)
    state = document.current_state(scope)
    place = state.tenants[scope.tenant_id] if scope.tenant_id else state
    label = short(request.args.get("label", "")) or short(place.name)
    # An ETag is ASCII: a label in any script is named by its characters' numbers.
    tag = f"badge-{label.encode().hex()}-{state.shown_cursor(scope)}"
    response = document.conditional(scope, state, tag)
    if response.status_code == 200:
        as_of = document.as_of()  # a badge cannot say more than that it is old
        empty = state.is_empty(scope)
        status = state.status(scope)
        word = "No data" if empty else status.word
        response.set_data(
            render_template(
                "embed/badge.svg",
                label=Half(label),
                word=Half(f"{word}, {moment(as_of)}" if as_of else word),
                colour=COLOURS[NO_DATA if empty else status],
            )
        )
    response.content_type = "image/svg+xml; charset=utf-8"
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def short(text: str) -> str:
    """One line of characters that XML knows, cut off where a badge ends to be one."""
    text = " ".join(document.NO_XML.sub(" ", text).split())
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1].rstrip() + "…"


def _width(character: str) -> float:
    if character in WIDTHS:
        return WIDTHS[character]
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0.0
    if unicodedata.bidirectional(character) in ("R", "AL"):
        return 5.4
    return 11.5 if unicodedata.east_asian_width(character) in "WF" else 7.4
