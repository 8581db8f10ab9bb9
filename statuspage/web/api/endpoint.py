"""Endpoint: a route together with what it asks, takes and gives. The OpenAPI document is read from these."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, current_app, g, request
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from ...models.errors import Invalid
from ...models.usage import Asked
from ..auth import Unauthenticated, current_proof

api = Blueprint("api", __name__, url_prefix="/api")

Shape = type[BaseModel]
View = Callable[..., Any]


@dataclass(frozen=True)
class Endpoint:
    """`asks` is the shape of the query, `takes` of the body, `gives` of the answer with `status`.

    `refuses` are statuses of refusals that others of its method do not know.
    """

    methods: tuple[str, ...]
    path: str
    view: View
    asks: Shape | None
    takes: Shape | None
    gives: Shape | None
    status: int
    refuses: tuple[int, ...]


ENDPOINTS: list[Endpoint] = []
QUERYLESS: set[str] = set()


@api.before_request
def refuse_unknown_parameters() -> None:
    """Invalid for a query where none is asked for: a misspelt one must not pass as none."""
    if request.endpoint in QUERYLESS and request.args:
        name = next(iter(request.args))
        raise Invalid("There is no such parameter here. Leave it out.", name)


@api.after_request
def count_use(response: Response) -> Response:
    """By token and kind of endpoint (`read services`), for the analytics."""
    if "Authorization" in request.headers:  # it may have been refused before anybody asked whose it is
        with suppress(Unauthenticated, SQLAlchemyError):
            current_proof()
    proof = g.get("proof")
    if proof is not None and proof.token_id and request.url_rule:
        reads = request.method in ("GET", "HEAD")
        kind = f"{'read' if reads else 'write'} {request.url_rule.rule.split('/')[2]}"
        ledger = current_app.extensions["live"].ledger
        asked = Asked(proof.token_id, g.get("organization_id"), kind)
        ledger.asked(asked, refused=response.status_code >= 400)
    return response


def endpoint(
    methods: str,
    path: str,
    *,
    asks: Shape | None = None,
    takes: Shape | None = None,
    gives: Shape | None = None,
    status: int = 200,
    refuses: tuple[int, ...] = (),
) -> Callable[[View], View]:
    """Route `/api` + path to the view, and declare it. The view's docstring is its description."""

    def declare(view: View) -> View:
        if asks is None:
            QUERYLESS.add(f"{api.name}.{view.__name__}")
        declared = Endpoint(tuple(methods.split()), path, view, asks, takes, gives, status, refuses)
        api.add_url_rule(path, view_func=view, methods=declared.methods)
        ENDPOINTS.append(declared)
        return view

    return declare
