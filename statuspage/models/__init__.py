"""What is true: tables, rules, and the record of what changed. Importing this knows all tables."""

from . import (  # noqa: F401
    access,
    connection,
    consumer,
    event,
    figure,
    idempotency,
    incident,
    job,
    name,
    node,
    organization,
    reach,
    service,
    session,
    snapshot,
    token,
    usage,
    user,
)
