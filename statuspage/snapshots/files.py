"""Files: what a page's snapshots are called. A proxy finds them by the path that was asked for.

    /acme, /acme/north       acme.html, acme/north.html; so …/history and …/incidents/ID
    /acme/history?month=M    acme/history/M.html
    /acme/history.atom       the same name; so badge.svg
    /acme/logo               acme/logo.png, or whatever kind it is of
    /embed/acme              embed/acme.html, with ?view=full embed/acme.full.html
    /A, /A/B, /embed/A       by ids too: A.html, A/B.html, embed/A.html; so history, its feed and the badge
    /api/status?organizationId=A&tenantId=B    api/status/A/B.json, without a tenant api/status/A.json;
                             so services and incidents
    /api/incidents?organizationId=A&tenantId=B&status=open    api/incidents/A/B.open.json, as above;
                             so resolved
    /api/services/ID, /api/incidents/ID        api/services/ID.json, api/incidents/ID.json
    /api/incidents/ID/updates                  api/incidents/ID/updates.json
    /                        index.html

Of a tenant, a month or an incident without a file is answered by its organization's, which shows the same.

No slug and no id has a dot in it, and none is called index: no page takes another one's name.
"""

from hashlib import sha256
from typing import Any

from ..models.snapshot import Place

LOGOS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/svg+xml": "svg"}


def json_name(place: Place, noun: str, which: str = "") -> str:
    """`which` of them, where it is not all."""
    words = filter(None, ("api", noun, place.organization_id, place.tenant_id))
    return "/".join(words) + (f".{which}.json" if which else ".json")


def by_id(place: Place) -> dict[str, str]:
    """The files by ids of what is asked for by ids, and which each of them is like."""
    ids = "/".join(filter(None, (place.organization_id, place.tenant_id)))
    page = ("{}.html", "{}/history.html", "{}/history.atom", "{}/badge.svg")
    forms = (*page, "embed/{}.html", "embed/{}.full.html")
    return {form.format(ids): form.format(place.path[1:]) for form in forms}


def version_of(*facts: Any) -> str:
    """Another one as soon as any of these facts is another."""
    return sha256(repr(facts).encode()).hexdigest()[:16]


def is_of_incident(name: str, id: str) -> bool:
    """Whether the file is the incident's own, on whichever page."""
    return f"/incidents/{id}." in name or name.startswith(f"api/incidents/{id}/")
