"""The first tables. Plain types only: what a model's types become later must not change this file."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "canary",
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("sealed_text", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name="pk_canary"),
    )
    op.create_table(
        "connection",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("app", sa.String(64), nullable=False),
        sa.Column("method", sa.String(64), nullable=False),
        sa.Column("description", sa.String(256), nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("sealed_credentials", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_connection"),
        sa.UniqueConstraint("name", name="uq_connection_name"),
    )
    op.create_table(
        "draft",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_draft"),
        sa.UniqueConstraint("kind", name="uq_draft_kind"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("result", sa.String(16), nullable=False),
        sa.Column("rotation_id", sa.String(36), nullable=True),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("message", sa.String(1024), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    op.create_index("ix_event_at", "event", ["at"])
    op.create_index("ix_event_rotation_id", "event", ["rotation_id"])
    op.create_table(
        "project",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("slug", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_project"),
        sa.UniqueConstraint("slug", name="uq_project_slug"),
    )
    op.create_table(
        "environment",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(36), nullable=False),
        sa.Column("slug", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_environment_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_environment"),
        sa.UniqueConstraint("project_id", "slug", name="uq_environment_project_id_slug"),
    )
    op.create_table(
        "folder",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("environment_id", sa.String(36), nullable=False),
        sa.Column("path", sa.String(512), nullable=False),
        sa.ForeignKeyConstraint(["environment_id"], ["environment.id"], name="fk_folder_environment_id"),
        sa.PrimaryKeyConstraint("id", name="pk_folder"),
        sa.UniqueConstraint("environment_id", "path", name="uq_folder_environment_id_path"),
    )
    op.create_table(
        "rotation",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("folder_id", sa.String(36), nullable=False),
        sa.Column("connection_id", sa.String(36), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("description", sa.String(256), nullable=True),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("secrets_mapping", sa.JSON(), nullable=False),
        sa.Column("is_auto_rotation_enabled", sa.Boolean(), nullable=False),
        sa.Column("rotation_interval", sa.Integer(), nullable=False),
        sa.Column("rotate_at_hours", sa.Integer(), nullable=False),
        sa.Column("rotate_at_minutes", sa.Integer(), nullable=False),
        sa.Column("active_index", sa.Integer(), nullable=False),
        sa.Column("rotation_status", sa.String(16), nullable=True),
        sa.Column("last_rotation_attempted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_rotated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_rotation_job_id", sa.String(36), nullable=True),
        sa.Column("last_rotation_message", sa.String(1024), nullable=True),
        sa.Column("is_last_rotation_manual", sa.Boolean(), nullable=False),
        sa.Column("next_rotation_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(64), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.Float(precision=53), nullable=False),
        sa.Column("deletion", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("succession", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("guard", sa.String(8), nullable=False),
        sa.Column("guard_wait_hours", sa.Integer(), nullable=False),
        sa.Column("guard_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("drift", sa.String(1024), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["connection_id"], ["connection.id"], name="fk_rotation_connection_id"),
        sa.ForeignKeyConstraint(["folder_id"], ["folder.id"], name="fk_rotation_folder_id"),
        sa.PrimaryKeyConstraint("id", name="pk_rotation"),
        sa.UniqueConstraint("folder_id", "name", name="uq_rotation_folder_id_name"),
    )
    op.create_index("ix_rotation_connection_id", "rotation", ["connection_id"])
    op.create_index("ix_rotation_due_at", "rotation", ["due_at"])
    op.create_table(
        "attempt",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("rotation_id", sa.String(36), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("trigger", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("scheduled_for", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sealed_candidate", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_issued", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_previous", sa.LargeBinary(), nullable=True),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("previous_parameters", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("retire_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("error", sa.String(16), nullable=True),
        sa.Column("message", sa.String(1024), nullable=True),
        sa.ForeignKeyConstraint(["rotation_id"], ["rotation.id"], name="fk_attempt_rotation_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_attempt"),
    )
    op.create_index("ix_attempt_rotation_id_started_at", "attempt", ["rotation_id", "started_at"])
    op.create_index(
        "ix_attempt_unfinished",
        "attempt",
        ["updated_at"],
        unique=False,
        sqlite_where=sa.text("finished_at IS NULL"),
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "credential",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("rotation_id", sa.String(36), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("public", sa.JSON(), nullable=False),
        sa.Column("sealed_values", sa.LargeBinary(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempt_id", sa.String(36), nullable=False),
        sa.ForeignKeyConstraint(["rotation_id"], ["rotation.id"], name="fk_credential_rotation_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_credential"),
        sa.UniqueConstraint("rotation_id", "slot", name="uq_credential_rotation_id_slot"),
    )
    op.create_table(
        "secret",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("folder_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("rotation_id", sa.String(36), nullable=True),
        sa.Column("field", sa.String(64), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["folder_id"], ["folder.id"], name="fk_secret_folder_id"),
        sa.ForeignKeyConstraint(["rotation_id"], ["rotation.id"], name="fk_secret_rotation_id"),
        sa.PrimaryKeyConstraint("id", name="pk_secret"),
        sa.UniqueConstraint("folder_id", "name", name="uq_secret_folder_id_name"),
    )
    op.create_index("ix_secret_rotation_id", "secret", ["rotation_id"])
    op.create_table(
        "secret_version",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("secret_id", sa.String(36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed_value", sa.LargeBinary(), nullable=False),
        sa.Column("attempt_id", sa.String(36), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["secret_id"], ["secret.id"], name="fk_secret_version_secret_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_secret_version"),
        sa.UniqueConstraint("secret_id", "version", name="uq_secret_version_secret_id_version"),
    )


def downgrade() -> None:
    op.drop_table("secret_version")
    op.drop_table("secret")
    op.drop_table("credential")
    op.drop_table("attempt")
    op.drop_table("rotation")
    op.drop_table("folder")
    op.drop_table("environment")
    op.drop_table("project")
    op.drop_table("event")
    op.drop_table("draft")
    op.drop_table("connection")
    op.drop_table("canary")
