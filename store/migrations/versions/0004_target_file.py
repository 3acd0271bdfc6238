"""Files that are kept up with what is published."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "target_file",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("rotation_id", sa.String(36), nullable=True),
        sa.Column("folder_id", sa.String(36), nullable=True),
        sa.Column("host", sa.String(64), nullable=False),
        sa.Column("file", sa.String(1024), nullable=False),
        sa.Column("mode", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(128), nullable=True),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("reload", sa.String(1024), nullable=True),
        sa.Column("signal", sa.String(1024), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("message", sa.String(1024), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reload_due", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed_definition", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_target_file"),
        sa.UniqueConstraint("name", name="uq_target_file_name"),
    )


def downgrade() -> None:
    op.drop_table("target_file")
