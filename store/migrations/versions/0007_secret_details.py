"""What people tell about a plain secret: a comment, reminders, metadata."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("secret", sa.Column("sealed_details", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("secret", "sealed_details")
