"""Commands: `flask token create …`, and so on. What was made stands alone on the last line."""

from flask import Flask

from . import membership, organization, service, tenant, token, user


def register(app: Flask) -> None:
    for module in (organization, tenant, user, membership, token, service):
        app.cli.add_command(module.noun)
