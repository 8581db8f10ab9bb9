"""Who was connected, and what is counted: figures, reach, and the use of the API."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "connection",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String()),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("view", sa.String(), nullable=False),
        sa.Column("transport", sa.String(), nullable=False),
        sa.Column("user_id", sa.String()),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("visitor", sa.String()),
        sa.Column("node", sa.String(), nullable=False),
        sa.Column("until", MOMENT),
        sa.Column("ended", sa.String()),
        sa.PrimaryKeyConstraint("id", "since", name="pk_connection"),
    )
    op.create_index("ix_connection_organization_id_until", "connection", ["organization_id", "until"])
    op.create_index("ix_connection_until_node", "connection", ["until", "node"])
    op.create_table(
        "figure",
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("span", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("peak", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "span", "at", "tenant_id", "name", name="pk_figure"),
    )
    op.create_index("ix_figure_span_at", "figure", ["span", "at"])
    op.create_table(
        "mark",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_mark"),
    )
    op.create_table(
        "reach",
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String()),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("within_1", sa.Integer(), nullable=False),
        sa.Column("within_10", sa.Integer(), nullable=False),
        sa.Column("within_60", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "seq", name="pk_reach"),
    )
    op.create_index("ix_reach_at", "reach", ["at"])
    op.create_index("ix_reach_organization_id_at", "reach", ["organization_id", "at"])
    op.create_table(
        "api_usage",
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("token_id", sa.String(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "at", "token_id", "endpoint", name="pk_api_usage"),
    )
    op.create_index("ix_api_usage_at", "api_usage", ["at"])


def downgrade() -> None:
    for table in ("api_usage", "reach", "mark", "figure", "connection"):
        op.drop_table(table)
