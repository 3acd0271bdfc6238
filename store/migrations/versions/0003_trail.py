"""The history becomes a chain: each event gets a hash over its content and the hash before it."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_COLUMNS = ("actor", "action", "result", "rotation_id", "subject", "message")
_EVENT = sa.table(
    "event",
    sa.column("id", sa.Integer()),
    sa.column("at", sa.DateTime(timezone=True)),
    *(sa.column(name, sa.String()) for name in _COLUMNS),
    sa.column("hash", sa.LargeBinary()),
)


def upgrade() -> None:
    trail = op.create_table(
        "trail",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_trail"),
    )
    op.add_column("event", sa.Column("hash", sa.LargeBinary(), nullable=True))
    connection = op.get_bind()
    count, newest = 0, bytes(32)
    fill = sa.update(_EVENT).where(_EVENT.c.id == sa.bindparam("event")).values(hash=sa.bindparam("newest"))
    hashes = []
    for row in connection.execute(sa.select(_EVENT).order_by(_EVENT.c.id)).mappings():
        count, newest = count + 1, _linked(newest, count + 1, row)
        hashes.append({"event": row["id"], "newest": newest})
    if hashes:
        connection.execute(fill, hashes)
    connection.execute(sa.insert(trail).values(id=1, count=count, hash=newest))
    with op.batch_alter_table("event") as event:
        event.alter_column("hash", existing_type=sa.LargeBinary(), nullable=False)


def _linked(former: bytes, number: int, row: sa.RowMapping) -> bytes:
    at = row["at"] if row["at"].tzinfo else row["at"].replace(tzinfo=UTC)
    content = [
        number,
        at.astimezone(UTC).isoformat(timespec="microseconds"),
        *(row[name] for name in _COLUMNS),
    ]
    return hashlib.sha256(former + json.dumps(content, separators=(",", ":")).encode()).digest()


def downgrade() -> None:
    with op.batch_alter_table("event") as event:
        event.drop_column("hash")
    op.drop_table("trail")
