"""Consumers, whose position in the log is kept for them, and where in the log an epoch began."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "consumer",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String()),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("consumer_id", sa.String(), nullable=False),
        sa.Column("epoch", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_consumer"),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name="fk_consumer_organization_id_organization",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name="fk_consumer_tenant_id_tenant", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name="fk_consumer_user_id_user_account", ondelete="CASCADE"
        ),
        sa.UniqueConstraint(
            "organization_id",
            "user_id",
            "consumer_id",
            name="uq_consumer_organization_id_user_id_consumer_id",
        ),
    )
    op.create_index("ix_consumer_tenant_id", "consumer", ["tenant_id"])
    op.create_index("ix_consumer_user_id", "consumer", ["user_id"])
    op.add_column("organization", sa.Column("epoch_birth", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("organization", "epoch_birth")
    op.drop_table("consumer")
