"""What the transport says in the log: names and sizes, never contents, never a session id.

A session id is a bearer secret (who has it can read and write the session), so a line shows a short hash
of it: enough to follow one client, useless to take its place.
"""

import hashlib
import logging
import re
from collections import Counter

log = logging.getLogger("statuspage.live.transport")

cut: Counter[str] = Counter()
"""Connections that were cut, by why: "too slow", "it reads nothing"."""

# python-socketio and python-engineio log payloads and session ids when asked; they are never asked.
libraries = logging.getLogger("statuspage.live.transport.libraries")
libraries.setLevel(logging.ERROR)

_EVENT = re.compile(r'2(?:/[^,]*,)?\d*\["((?:[^"\\]|\\.){0,60})')


def alias(sid: str) -> str:
    """Eight characters that stand for this session id in the log."""
    return hashlib.blake2s(sid.encode("utf-8", "replace"), digest_size=4).hexdigest()


def received(sid: str, text: str) -> None:
    """Log the name and the size, in characters, of an event that came in, if this text is one."""
    _line("<-", sid, text)


def sent(sid: str, text: object) -> None:
    """Log the name and the size, in characters, of an event on its way out, if this text is one."""
    _line("->", sid, text)


def _line(direction, sid, text):
    event = _EVENT.match(text) if isinstance(text, str) else None
    if event:
        log.debug("%s %s %r, %d characters", alias(sid), direction, event[1], len(text))
