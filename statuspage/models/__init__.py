"""What is true: tables, rules, and the record of what changed. Importing this knows all tables."""

from . import access, event, idempotency, incident, name, organization, service, session, token, user  # noqa: F401
