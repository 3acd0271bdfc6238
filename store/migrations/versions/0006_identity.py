"""Who may use the HTTP API, and what it tells of connections."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_CONNECTION = sa.table(
    "connection",
    sa.column("id", sa.String()),
    sa.column("credentials_hash", sa.String()),
    sa.column("version", sa.Integer()),
)


def upgrade() -> None:
    op.create_table(
        "identity",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("project_id", sa.String(36), nullable=False),
        sa.Column("environments", sa.JSON(), nullable=False),
        sa.Column("paths", sa.JSON(), nullable=False),
        sa.Column("allowed", sa.JSON(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("token_seconds", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_identity"),
        sa.UniqueConstraint("name", name="uq_identity_name"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_identity_project_id"),
    )
    op.create_table(
        "access_token",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("identity_id", sa.String(36), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("renewable_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_access_token"),
        sa.UniqueConstraint("hash", name="uq_access_token_hash"),
        sa.ForeignKeyConstraint(
            ["identity_id"], ["identity.id"], name="fk_access_token_identity_id", ondelete="CASCADE"
        ),
    )
    op.add_column("connection", sa.Column("project_id", sa.String(36), nullable=True))
    op.add_column("connection", sa.Column("credentials_hash", sa.String(64), nullable=True))
    op.add_column("connection", sa.Column("version", sa.Integer(), nullable=True))
    link = op.get_bind()
    for (found,) in link.execute(sa.select(_CONNECTION.c.id)).all():
        fill = sa.update(_CONNECTION).where(_CONNECTION.c.id == found)
        link.execute(fill.values(credentials_hash=secrets.token_hex(16), version=1))
    with op.batch_alter_table("connection") as connection:
        connection.alter_column("credentials_hash", existing_type=sa.String(64), nullable=False)
        connection.alter_column("version", existing_type=sa.Integer(), nullable=False)


def downgrade() -> None:
    op.drop_table("access_token")
    op.drop_table("identity")
    with op.batch_alter_table("connection") as connection:
        for name in ("project_id", "credentials_hash", "version"):
            connection.drop_column(name)
