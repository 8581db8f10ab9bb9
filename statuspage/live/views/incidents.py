"""The admin's screens of incidents, as boards of the whole organization."""

from datetime import timedelta

from ...models.scope import Scope
from ..board import Drawing, Part
from ..facts import IncidentFacts
from ..inside import SaidFacts
from ..parts import list_part, part
from ..state import DAYS, State
from .desk import base, open_incidents, summary, tenant_name

UNTOLD = SaidFacts(by="", services=(), edited_at=None)


def incidents(state: State, scope: Scope) -> Drawing:
    """What is open, and what is over of that which began in the last days."""
    count, first_day = len(state.open_incidents(scope)), state.today - timedelta(days=DAYS - 1)
    over = [
        incident
        for incident in state.incidents_of(scope)
        if incident.resolved_at and state.local_day(incident.started_at) >= first_day
    ]
    return Drawing(
        title=f"Incidents · {state.name} admin",
        headline=f"{count} open incident{'' if count == 1 else 's'}",
        parts=(
            summary(state, scope),
            open_incidents(state, scope),
            list_part(
                "over",
                "admin/incidents/_over.html",
                [
                    part(
                        f"over-{incident.id}",
                        "admin/incidents/_past.html",
                        incident=incident,
                        tenant=tenant_name(state, incident.tenant_id),
                        base=base(state),
                    )
                    for incident in over
                ],
                base=base(state),
            ),
        ),
    )


def report(state: State, scope: Scope) -> Drawing:
    """Beside the form of a new incident: what is open already, so that nobody reports it twice."""
    parts = (summary(state, scope), open_incidents(state, scope))
    return Drawing(f"Report an incident · {state.name} admin", state.description(scope), parts)


def incident(state: State, scope: Scope, id: str) -> Drawing | None:
    """One incident: what it is, and what was said, by whom."""
    found = state.incidents.get(id)
    if found is None:
        return None
    where = base(state)
    return Drawing(
        title=f"{found.title} · {state.name} admin",
        headline=f"{found.title}: {found.status.word}",
        parts=(
            part(
                "story",
                "admin/incidents/_story.html",
                incident=found,
                services=state.affected(found),
                whose=tenant_name(state, found.tenant_id) or state.name,
                page=state.path(Scope(state.id, found.tenant_id)),
                base=where,
            ),
            list_part("said", "admin/incidents/_said.html", _updates(state, found)),
        ),
    )


def _updates(state: State, found: IncidentFacts) -> list[Part]:
    """What was said, newest first, each with what it said of services where that differs from before."""
    said = state.inside.said if state.inside else {}
    names = {service.id: service.name for service in state.services}
    rows = []
    for place, update in enumerate(found.updates):
        told = said.get(update.id, UNTOLD)
        before = said.get(found.updates[place + 1].id, UNTOLD) if place + 1 < len(found.updates) else UNTOLD
        new = [(names[id], status) for id, status in told.services if id in names]
        old = {(names[id], status) for id, status in before.services if id in names}
        rows.append(
            part(
                f"said-{update.id}",
                "admin/incidents/_update.html",
                update=update,
                by=told.by,
                edited_at=told.edited_at,
                services=tuple(sorted(pair for pair in new if pair not in old)),
                url=f"{base(state)}/incidents/{found.id}/updates/{update.id}",
            )
        )
    return rows
