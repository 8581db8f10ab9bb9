"""What is true: tables, rules, and the record of what changed. Importing this knows all tables."""

from . import (  # noqa: F401
    access,
    consumer,
    event,
    idempotency,
    incident,
    job,
    name,
    node,
    organization,
    service,
    session,
    snapshot,
    token,
    user,
)
