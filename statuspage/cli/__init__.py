"""Commands: `flask token create …`, and so on. What was made stands alone on the last line."""

from flask import Flask

from . import backup, membership, organization, service, snapshot, tenant, token, user


def register(app: Flask) -> None:
    for module in (organization, tenant, user, membership, token, service, snapshot):
        app.cli.add_command(module.noun)
    for verb in (backup.write_backup, backup.restore_backup, backup.move_database):
        app.cli.add_command(verb)
