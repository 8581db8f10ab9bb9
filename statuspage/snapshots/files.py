"""Files: what a page's snapshots are called. A proxy finds them by the path that was asked for.

    /acme, /acme/north       acme.html, acme/north.html; so …/history and …/incidents/ID
    /acme/history.atom       the same name; so badge.svg
    /acme/logo               acme/logo.png, or whatever kind it is of
    /embed/acme              embed/acme.html, with ?view=full embed/acme.full.html
    /api/status?organizationId=A&tenantId=B    api/status/A/B.json, without a tenant api/status/A.json;
                             so services and incidents
    /                        index.html

No slug and no id has a dot in it, so no page takes another one's name.
"""

from ..models.snapshot import Place
from .store import Store

NOUNS = ("status", "services", "incidents")
LOGOS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/svg+xml": "svg"}


def incidents_of(place: Place) -> str:
    """What the names of a page's incidents begin with."""
    return f"{place.path[1:]}/incidents/"


def json_name(place: Place, noun: str) -> str:
    return "/".join(filter(None, ("api", noun, place.organization_id, place.tenant_id))) + ".json"


def names_of(store: Store, place: Place) -> list[str]:
    """Every file that the page may have."""
    path = place.path[1:]
    if not path:
        return ["index.html"]
    return [
        f"{path}.html",
        f"{path}/history.html",
        f"{path}/history.atom",
        f"{path}/badge.svg",
        f"embed/{path}.html",
        f"embed/{path}.full.html",
        *(f"{path}/logo.{kind}" for kind in LOGOS.values()),
        *(json_name(place, noun) for noun in NOUNS),
        *store.names(incidents_of(place)),
    ]
