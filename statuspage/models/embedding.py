"""Which sites may frame an organization's embed: a list of origins (RFC 6454), or any site."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from .errors import Invalid
from .organization import Organization

ANY = "*"
MOST = 50
FIELD = "embed_origins"
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\]")
_USUAL_PORTS = {"https": 443, "http": 80}


def allow_embedding(organization: Organization, origins: Iterable[str]) -> None:
    """Let the pages of these origins frame the embed, and no others; `*` is any site, nothing none.

    Invalid (field `embed_origins`) for what is no origin.
    """
    listed = list(dict.fromkeys(_origin(text.strip()) for text in origins))
    if len(listed) > MOST:
        raise Invalid(f"These are {len(listed)} sites; {MOST} are the most. “*” allows any site.", FIELD)
    organization.embed_origins = [ANY] if ANY in listed else listed
    organization.record("settings", "updated", organization.id)


def _origin(text: str) -> str:
    """As browsers write it: lower case, an international name in its ASCII form, no usual port, no path."""
    if text == ANY:
        return ANY
    try:
        parts = urlsplit(text)
        port = parts.port
        host = _ascii(parts.hostname or "")
    except ValueError as error:
        raise _invalid(text) from error
    if parts.scheme not in _USUAL_PORTS:
        raise Invalid(f"“{text}” does not begin with https:// or http://.", FIELD)
    if "*" in host:
        raise Invalid(f"“{text}”: name each site; only “*” alone stands for many.", FIELD)
    if not _HOST.fullmatch(host) or "@" in parts.netloc or port == 0:
        raise _invalid(text)
    if parts.path not in ("", "/") or "?" in text or "#" in text:
        raise Invalid(f"“{text}” names a page. Leave away what comes after the host and port.", FIELD)
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != _USUAL_PORTS[parts.scheme] else "")


def _ascii(host: str) -> str:
    """The name in the form that the DNS knows (RFC 5891); an IPv6 address in its brackets."""
    if ":" in host:
        return f"[{host}]"
    return host if host.isascii() else host.encode("idna").decode()


def _invalid(text: str) -> Invalid:
    return Invalid(f"“{text}” is no site. Write it like https://www.example.org.", FIELD)
