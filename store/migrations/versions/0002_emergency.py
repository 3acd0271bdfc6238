"""When both credentials of a rotation were asked to be renewed at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rotation", sa.Column("emergency_since", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("rotation", "emergency_since")
