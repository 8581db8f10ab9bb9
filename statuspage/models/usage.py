"""Usage: what tokens asked of the API, by the hour."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Index, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from ..database import Model, db
from .batch import adding
from .figure import floor
from .token import ApiToken


class Usage(Model):
    """Requests of one token to one kind of endpoint (`read services`) in the hour `at`, over all nodes.

    `refused`: those of them that were answered 400 and above.
    """

    __tablename__ = "api_usage"

    at: Mapped[datetime] = mapped_column(primary_key=True)
    token_id: Mapped[str] = mapped_column(primary_key=True)
    endpoint: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str]
    requests: Mapped[int]
    refused: Mapped[int]

    __table_args__ = (Index(None, "organization_id", "at"),)


def count(moment: datetime, numbers: Mapping[tuple[str, str], tuple[int, int]]) -> None:
    """Add (token, endpoint) -> (requests, refused) to this moment's hour. In a transaction().

    Tokens of the whole install belong to no organization: they are not counted.
    """
    if not numbers:
        return
    wanted = {token_id for token_id, _ in numbers}
    found = db.session.execute(select(ApiToken.id, ApiToken.organization_id).where(ApiToken.id.in_(wanted)))
    owners = {row.id: row.organization_id for row in found}
    rows = [
        {
            "at": floor(moment, "hour"),
            "token_id": token_id,
            "endpoint": endpoint,
            "organization_id": owners[token_id],
            "requests": requests,
            "refused": refused,
        }
        for (token_id, endpoint), (requests, refused) in sorted(numbers.items())
        if owners.get(token_id)
    ]
    if rows:
        db.session.execute(adding(Usage, "requests", "refused"), rows)


def by_token(session: Session, organization_id: str, since: datetime) -> list[Any]:
    """Rows (token_id, name, endpoint, requests, refused) since this moment, most requests first."""
    requests = func.sum(Usage.requests)
    return list(
        session.execute(
            select(Usage.token_id, ApiToken.name, Usage.endpoint, requests, func.sum(Usage.refused))
            .outerjoin(ApiToken, ApiToken.id == Usage.token_id)
            .where(Usage.organization_id == organization_id, Usage.at >= floor(since, "hour"))
            .group_by(Usage.token_id, ApiToken.name, Usage.endpoint)
            .order_by(requests.desc(), Usage.token_id, Usage.endpoint)
        )
    )
