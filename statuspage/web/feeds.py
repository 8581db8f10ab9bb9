"""`/history.atom`: what happened, for feed readers (RFC 4287)."""

from datetime import datetime
from xml.etree import ElementTree

from flask import Blueprint, Response, render_template
from sqlalchemy import select

from ..clock import iso
from ..database import snapshot
from ..live import loading
from ..live.facts import IncidentFacts
from ..live.state import State
from ..models.event import Event
from ..models.incident import Incident
from ..models.scope import Scope
from . import document
from .templating import moment
from .tenancy import scope_of_path

blueprint = Blueprint("feeds", __name__)

ENTRIES = 50
ATOM = "http://www.w3.org/2005/Atom"


@blueprint.get("/<org>/history.atom")
@blueprint.get("/<org>/<tenant>/history.atom")
def atom(org: str, tenant: str | None = None) -> Response:
    """The incidents of a page that changed last, each an entry with all its updates."""
    scope = scope_of_path(org, tenant)
    state = document.current_state(scope)
    with snapshot() as session:
        modified = session.scalar(
            select(Event.created_at).where(
                Event.organization_id == state.id, Event.seq == state.shown_position(scope)
            )
        )
        response = document.conditional(
            scope, state, f"atom-{state.shown_cursor(scope)}", modified or state.created_at
        )
        if response.status_code == 304:
            return response
        ids = session.scalars(
            select(Incident.id)
            .where(Incident.organization_id == state.id, scope.where(Incident.tenant_id))
            .order_by(Incident.updated_at.desc(), Incident.id)
            .limit(ENTRIES)
        ).all()
        incidents = list(loading.read_incidents(session, ids).values())
    response.content_type = "application/atom+xml; charset=utf-8"
    return document.fill(response, _feed(state, scope, incidents, document.origin()))


def _feed(state: State, scope: Scope, incidents: list[IncidentFacts], base: str) -> str:
    """The document. Its id and those of its entries stay what they are wherever the feed moves."""
    path = state.path(scope)
    feed = ElementTree.Element("feed", {"xmlns": ATOM, "xml:lang": "en", "xml:base": f"{base}{path}"})
    _add(feed, "id", _tag(state, "/".join(["history", *filter(None, [scope.tenant_id])])))
    _add(feed, "title", f"{state.title(scope)}: incidents")
    if as_of := document.as_of():
        _add(feed, "subtitle", f"As of {moment(as_of)}. The live server cannot be reached.")
    _add(feed, "updated", iso(max([state.created_at, *(i.updated_at for i in incidents)])))
    _add(feed, "link", rel="self", type="application/atom+xml", href=f"{base}{path}/history.atom")
    _add(feed, "link", rel="alternate", type="text/html", href=f"{base}{path}")
    if state.logo:
        _add(feed, "logo", f"{base}/{state.slug}/logo?v={state.logo}")
    _add(_add(feed, "author"), "name", state.title(scope))
    _add(feed, "generator", "statuspage")
    for incident in incidents:
        _add_entry(feed, state, incident, f"{base}{path}/incidents/{incident.id}")
    return "<?xml version='1.0' encoding='utf-8'?>\n" + ElementTree.tostring(feed, encoding="unicode") + "\n"


def _add_entry(feed: ElementTree.Element, state: State, incident: IncidentFacts, address: str) -> None:
    entry = _add(feed, "entry")
    _add(entry, "id", _tag(state, f"incidents/{incident.id}"))
    _add(entry, "title", incident.title)
    _add(entry, "published", iso(incident.started_at))
    _add(entry, "updated", iso(incident.updated_at))
    _add(entry, "link", rel="alternate", type="text/html", href=address)
    _add(entry, "category", term=incident.status.value, label=incident.status.word)
    content = render_template(
        "incidents/_entry.html", incident=incident, services=state.affected(incident)
    ).strip()
    _add(entry, "content", content, type="html")


def _add(
    parent: ElementTree.Element, name: str, text: str | None = None, **attributes: str
) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, name, attributes)
    element.text = document.NO_XML.sub("", text or "")
    return element


def _tag(state: State, specific: str) -> str:
    """A tag URI (RFC 4151) of the organization's id, which never changes as hosts and slugs do."""
    return f"tag:{state.id},{_day(state.created_at)}:{specific}"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
