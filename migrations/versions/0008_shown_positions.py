"""Where what pages show stands: broadcasts move the log, but no page."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

POSITIONS = (
    ("organization", "shown_seq", "seq"),
    ("organization", "own_shown_seq", "own_seq"),
    ("tenant", "shown_seq", "seq"),
)


def upgrade() -> None:
    for table, name, at_most in POSITIONS:
        op.add_column(table, sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
        op.execute(sa.update(sa.table(table, sa.column(name))).values({name: sa.column(at_most)}))


def downgrade() -> None:
    for table, name, _ in POSITIONS:
        op.drop_column(table, name)
