"""Usage: what tokens asked of the API, by the hour."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import case, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from ..database import Model, db
from .batch import adding
from .figure import floor
from .token import ApiToken


class Usage(Model):
    """Requests of one token to one kind of endpoint (`read services`) in the hour `at`, over all nodes.

    `organization_id` is the token's own; of an operator's, which has none, where it asked. `refused`: those
    of the requests that were answered 400 and above.
    """

    __tablename__ = "api_usage"

    organization_id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True, index=True)
    token_id: Mapped[str] = mapped_column(primary_key=True)
    endpoint: Mapped[str] = mapped_column(primary_key=True)
    requests: Mapped[int]
    refused: Mapped[int]


class Asked(NamedTuple):
    """Who asked for what: `organization_id` as far as the request named one."""

    token_id: str
    organization_id: str | None
    endpoint: str


def count(moment: datetime, numbers: Mapping[Asked, tuple[int, int]]) -> None:
    """Add (requests, refused) to this moment's hour. In a transaction()."""
    if not numbers:
        return
    wanted = {asked.token_id for asked in numbers}
    found = db.session.execute(select(ApiToken.id, ApiToken.organization_id).where(ApiToken.id.in_(wanted)))
    owners = {row.id: row.organization_id for row in found}
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for asked, (requests, refused) in numbers.items():
        owner = owners.get(asked.token_id) or asked.organization_id
        if owner is None or asked.token_id not in owners:
            continue  # an operator's, who asked for no organization's; or a token that is gone
        key = {"organization_id": owner, "token_id": asked.token_id, "endpoint": asked.endpoint}
        row = rows.setdefault(
            tuple(key.values()), {"at": floor(moment, "hour"), **key, "requests": 0, "refused": 0}
        )
        row["requests"] += requests
        row["refused"] += refused
    if rows:
        db.session.execute(adding(Usage, "requests", "refused"), [rows[key] for key in sorted(rows)])


def by_token(session: Session, organization_id: str, since: datetime) -> list[Any]:
    """Rows (token_id, name, operator, endpoint, requests, refused) since this moment, most requests first.

    `name` is None of a token that is gone, and of an operator's, which is none of the organization's.
    """
    requests = func.sum(Usage.requests)
    operator = ApiToken.id.is_not(None) & ApiToken.organization_id.is_(None)
    name = case((operator, None), else_=ApiToken.name)
    return list(
        session.execute(
            select(
                Usage.token_id,
                name.label("name"),
                operator.label("operator"),
                Usage.endpoint,
                requests.label("requests"),
                func.sum(Usage.refused).label("refused"),
            )
            .outerjoin(ApiToken, ApiToken.id == Usage.token_id)
            .where(Usage.organization_id == organization_id, Usage.at >= floor(since, "hour"))
            .group_by(Usage.token_id, ApiToken.id, ApiToken.organization_id, ApiToken.name, Usage.endpoint)
            .order_by(requests.desc(), Usage.token_id, Usage.endpoint)
        )
    )
