"""Browser sessions, the looks of an organization, and who changed what.

Columns come and go one by one: making a table anew on SQLite would cascade to all that refers to it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

COLUMNS = {
    "event": (sa.Column("user_id", sa.String(), nullable=True),),
    "incident_update": (sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),),
    "organization": (
        sa.Column("accent", sa.String(), nullable=True),
        sa.Column("logo", sa.LargeBinary(), nullable=True),
        sa.Column("logo_type", sa.String(), nullable=True),
        sa.Column("logo_hash", sa.String(), nullable=True),
        sa.Column("embed_origins", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("indexed", sa.Boolean(), nullable=False, server_default=sa.true()),
    ),
    "service": (
        sa.Column("previous_status", sa.String(), nullable=True),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("set_by", sa.String(), nullable=True),
    ),
}


def upgrade() -> None:
    op.create_table(
        "user_session",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("previous_hash", sa.String(), nullable=True),
        sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user_account.id"], name="fk_user_session_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_user_session"),
        sa.UniqueConstraint("hash", name="uq_user_session_hash"),
        sa.UniqueConstraint("previous_hash", name="uq_user_session_previous_hash"),
    )
    op.create_index("ix_user_session_user_id", "user_session", ["user_id"])
    op.create_table(
        "message_edit",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("update_id", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=True),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["update_id"], ["incident_update.id"], name="fk_message_edit_update_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_message_edit"),
    )
    op.create_index("ix_message_edit_update_id", "message_edit", ["update_id"])
    for table, columns in COLUMNS.items():
        for column in columns:
            op.add_column(table, column._copy())


def downgrade() -> None:
    for table, columns in COLUMNS.items():
        for column in columns:
            op.drop_column(table, column.name)
    op.drop_table("message_edit")
    op.drop_table("user_session")
