"""The tables. Ids are UUID texts unless said otherwise; times are UTC; lengths equal the contract's.

Columns named `sealed_*` hold sealing.seal() output and nothing else in a table is secret.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, LargeBinary, MetaData, UniqueConstraint
from sqlmodel import Field, SQLModel

SQLModel.metadata.naming_convention = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
).naming_convention


class Project(SQLModel, table=True):
    id: str = Field(primary_key=True, max_length=36)
    slug: str = Field(max_length=64, unique=True)
    name: str = Field(max_length=64)
    created_at: datetime


class Environment(SQLModel, table=True):
    __table_args__ = (UniqueConstraint("project_id", "slug"),)

    id: str = Field(primary_key=True, max_length=36)
    project_id: str = Field(foreign_key="project.id", max_length=36)
    slug: str = Field(max_length=64)
    name: str = Field(max_length=64)
    position: int


class Folder(SQLModel, table=True):
    __table_args__ = (UniqueConstraint("environment_id", "path"),)

    id: str = Field(primary_key=True, max_length=36)
    environment_id: str = Field(foreign_key="environment.id", max_length=36)
    path: str = Field(max_length=512)


class Connection(SQLModel, table=True):
    """`settings` holds the public fields of the credentials, `sealed_credentials` the secret ones (JSON).

    It serves one project, or all when `project_id` is null. `credentials_hash` is random and made anew whenever the
    credentials change: it tells that they did, and nothing else. `version` counts changes, from 1.
    """

    id: str = Field(primary_key=True, max_length=36)
    name: str = Field(max_length=32, unique=True)
    app: str = Field(max_length=64)
    method: str = Field(max_length=64)
    description: str | None = Field(default=None, max_length=256)
    settings: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    sealed_credentials: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    project_id: str | None = Field(default=None, max_length=36)
    credentials_hash: str = Field(max_length=64)
    version: int = 1
    created_at: datetime
    updated_at: datetime


class Rotation(SQLModel, table=True):
    """One configuration, its schedule and its lease.

    `next_rotation_at` is the documented schedule; `due_at` is when the loop acts next, for whatever reason
    (schedule, retry, resume after a death), null when never. `lease_until` is in seconds since the epoch, by
    the database's clock.
    `rotation_status` is null until the first attempt ended, then "success" or "failed".
    `deletion` is set while a deletion is being carried out: {"revoke": bool, "delete_secrets": bool}.
    `succession` is set while an edit that changes who is rotated is being carried out: the new parameters.
    `drift` says that the published credential was found not to log in any more, `checked_at` when that was looked at.
    `guard` is "warn", "wait" or "off"; `guard_since` is when it first held the run that is due back.
    `emergency_since` is set while both credentials are being renewed at once: when that was asked for.
    """

    __table_args__ = (UniqueConstraint("folder_id", "name"), Index("ix_rotation_due_at", "due_at"))

    id: str = Field(primary_key=True, max_length=36)
    folder_id: str = Field(foreign_key="folder.id", max_length=36)
    connection_id: str = Field(foreign_key="connection.id", max_length=36, index=True)
    type: str = Field(max_length=64)
    name: str = Field(max_length=64)
    description: str | None = Field(default=None, max_length=256)
    parameters: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    secrets_mapping: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    is_auto_rotation_enabled: bool = True
    rotation_interval: int
    rotate_at_hours: int = 0
    rotate_at_minutes: int = 0

    active_index: int = 0
    rotation_status: str | None = Field(default=None, max_length=16)
    last_rotation_attempted_at: datetime | None = None
    last_rotated_at: datetime | None = None
    last_rotation_job_id: str | None = Field(default=None, max_length=36)
    last_rotation_message: str | None = Field(default=None, max_length=1024)
    is_last_rotation_manual: bool = True
    next_rotation_at: datetime | None = None

    due_at: datetime | None = None
    retry_at: datetime | None = None
    failures: int = 0
    lease_owner: str | None = Field(default=None, max_length=64)
    fence: int = 0
    lease_until: float = Field(default=0.0, sa_column=Column(Float(53), nullable=False, default=0.0))
    deletion: dict[str, bool] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=True))
    succession: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=True))
    guard: str = Field(default="warn", max_length=8)
    guard_wait_hours: int = 24
    guard_since: datetime | None = None
    checked_at: datetime | None = None
    drift: str | None = Field(default=None, max_length=1024)
    emergency_since: datetime | None = None

    created_at: datetime
    updated_at: datetime


class Credential(SQLModel, table=True):
    """What a slot holds. `public` are its fields that may be shown, `sealed_values` all of them (JSON)."""

    __table_args__ = (UniqueConstraint("rotation_id", "slot"),)

    id: str = Field(primary_key=True, max_length=36)
    rotation_id: str = Field(sa_column=Column(ForeignKey("rotation.id", ondelete="CASCADE"), nullable=False))
    slot: int
    public: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    sealed_values: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    issued_at: datetime
    expires_at: datetime | None = None
    attempt_id: str = Field(max_length=36)


class Attempt(SQLModel, table=True):
    """The journal. `step` is the one to be carried out next, all before it are done (app/rotation/engine.py).

    `trigger`: "create", "schedule", "manual", "edit", "heal" or "emergency". `state`: "open", "retiring", "done" or
    "failed". `scheduled_for`: when it was due; of an emergency, when that was asked for.
    `steps`: [{"step", "started_at", "ms", "tries"}] of what is done, in order.
    `parameters` are those it works with. `sealed_previous` is what the slot held before publication, kept until it is
    retired, not before `retire_after`; `previous_parameters` are given when that belonged to somebody else.
    """

    __table_args__ = (
        Index("ix_attempt_rotation_id_started_at", "rotation_id", "started_at"),
        # What a watcher asks for every second stays cheap, however long the history is. Said in SQLAlchemy's words,
        # the condition would import the dialects of both databases at every start.
        Index("ix_attempt_unfinished", "updated_at", info={"where": "finished_at IS NULL"}),
    )

    id: str = Field(primary_key=True, max_length=36)
    rotation_id: str = Field(sa_column=Column(ForeignKey("rotation.id", ondelete="CASCADE"), nullable=False))
    slot: int
    trigger: str = Field(max_length=16)
    actor: str = Field(max_length=64)
    state: str = Field(default="open", max_length=16)
    step: str = Field(max_length=16)
    tries: int = 0
    scheduled_for: datetime | None = None
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None
    sealed_candidate: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sealed_issued: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    sealed_previous: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    parameters: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    previous_parameters: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSON(none_as_null=True), nullable=True)
    )
    retire_after: datetime | None = None
    steps: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    error: str | None = Field(default=None, max_length=16)
    message: str | None = Field(default=None, max_length=1024)


class Secret(SQLModel, table=True):
    """A name at a place. `version` 0 means reserved by a rotation that has not published yet.

    `field` is the credential field that a mapped secret carries; it and `rotation_id` are null if plain.
    `sealed_details` is the JSON of what people tell about a plain one (a comment may hold anything); null: nothing.
    """

    __table_args__ = (UniqueConstraint("folder_id", "name"),)

    id: str = Field(primary_key=True, max_length=36)
    folder_id: str = Field(foreign_key="folder.id", max_length=36)
    name: str = Field(max_length=256)
    rotation_id: str | None = Field(default=None, foreign_key="rotation.id", max_length=36, index=True)
    field: str | None = Field(default=None, max_length=64)
    version: int = 0
    created_at: datetime
    updated_at: datetime
    sealed_details: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))


class SecretVersion(SQLModel, table=True):
    __tablename__ = "secret_version"
    __table_args__ = (UniqueConstraint("secret_id", "version"),)

    id: str = Field(primary_key=True, max_length=36)
    secret_id: str = Field(sa_column=Column(ForeignKey("secret.id", ondelete="CASCADE"), nullable=False))
    version: int
    sealed_value: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    attempt_id: str | None = Field(default=None, max_length=36)
    created_at: datetime


class Event(SQLModel, table=True):
    """One line of history. It outlives what it speaks of: ids are no foreign keys. Never a secret value.

    `hash` is over its content and the hash of the one before it (store/trail.py).
    """

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(index=True)
    actor: str = Field(max_length=64)
    action: str = Field(max_length=64)
    result: str = Field(max_length=16)
    rotation_id: str | None = Field(default=None, max_length=36, index=True)
    subject: str = Field(max_length=128)
    message: str = Field(default="", max_length=1024)
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Trail(SQLModel, table=True):
    """One row: how many events were ever written, and the newest one's hash. Who adds one holds it for so long."""

    id: int = Field(primary_key=True)
    count: int
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class TargetFile(SQLModel, table=True):
    """A file that is kept up with what is published: of one rotation, or of all secrets in a folder.

    Neither id is a foreign key: a file whose rotation was deleted stays, and its state says so. `host` names the
    machine that it is on. `state` is "new", "written" or "failed", `message` why. `reload_due` is set before the file
    is changed and cleared once its program has been told, so that a death in between is made up for.
    `sealed_definition` is all that says what is written where, and what is run: who can write to the database, and has
    no key, must not be able to make a loop do that.
    """

    __tablename__ = "target_file"

    id: str = Field(primary_key=True, max_length=36)
    name: str = Field(max_length=64, unique=True)
    kind: str = Field(max_length=32)
    rotation_id: str | None = Field(default=None, max_length=36)
    folder_id: str | None = Field(default=None, max_length=36)
    host: str = Field(max_length=64)
    file: str = Field(max_length=1024)
    mode: int
    owner: str | None = Field(default=None, max_length=128)
    options: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    reload: str | None = Field(default=None, max_length=1024)
    signal: str | None = Field(default=None, max_length=1024)
    state: str = Field(default="new", max_length=16)
    message: str = Field(default="", max_length=1024)
    written_at: datetime | None = None
    reload_due: bool = False
    created_at: datetime
    sealed_definition: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Hook(SQLModel, table=True):
    """Whom to tell of what. `kind` is "command", "webhook" or "apprise"; `shown` says where to, without secret parts.

    `events` are names of store/outbox.py. It is told of one rotation (`rotation_id`), of a place (`project_id`,
    `environment_id`, `path`, each as far as given), or of everything. `sealed_action` is the JSON of what is carried
    out: {"command"} or {"url", "signing_key"}. `time_out` is in seconds. Ids are no foreign keys: what a hook was for
    may be deleted.
    """

    id: str = Field(primary_key=True, max_length=36)
    name: str = Field(max_length=64, unique=True)
    kind: str = Field(max_length=16)
    events: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    rotation_id: str | None = Field(default=None, max_length=36)
    project_id: str | None = Field(default=None, max_length=36)
    environment_id: str | None = Field(default=None, max_length=36)
    path: str | None = Field(default=None, max_length=512)
    shown: str = Field(max_length=1024)
    sealed_action: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    time_out: int = 30
    paused: bool = False
    created_at: datetime


class Delivery(SQLModel, table=True):
    """The outbox: one hook is to be told of one thing. Written in the transaction of what it tells of.

    `state` is "waiting", "done", "given up" or "dropped". `event_id` is the same for all hooks that are told of it.
    `facts` is what is told, nothing secret. `since` is when trying begins, and a day later it is given up. A
    process that delivers holds a lease: `lease_until` as for a rotation, `attempts` is its fence.
    `occurrence` keeps what lasts from being told twice; null for what happens.
    """

    __table_args__ = (
        UniqueConstraint("hook_id", "occurrence"),
        Index("ix_delivery_state_due_at", "state", "due_at"),
        Index("ix_delivery_hook_id_rotation_id", "hook_id", "rotation_id"),
        Index("ix_delivery_finished_at", "finished_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    hook_id: str = Field(sa_column=Column(ForeignKey("hook.id", ondelete="CASCADE"), nullable=False))
    rotation_id: str = Field(max_length=36)
    event: str = Field(max_length=16)
    event_id: str = Field(max_length=36)
    at: datetime
    occurrence: str | None = Field(default=None, max_length=128)
    facts: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    state: str = Field(default="waiting", max_length=16)
    attempts: int = 0
    since: datetime
    due_at: datetime
    lease_owner: str | None = Field(default=None, max_length=64)
    lease_until: float = Field(default=0.0, sa_column=Column(Float(53), nullable=False, default=0.0))
    answer: str = Field(default="", max_length=1024)
    finished_at: datetime | None = None


class Identity(SQLModel, table=True):
    """A program that may use the HTTP API; its id is its client id.

    It sees one project, there the `environments` (none given: all) and the secret paths that match `paths`.
    `allowed` are its rights (app/operations/identities.py). `secret_hash` is SHA-256 of its client secret.
    """

    id: str = Field(primary_key=True, max_length=36)
    name: str = Field(max_length=64, unique=True)
    project_id: str = Field(foreign_key="project.id", max_length=36)
    environments: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    paths: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    allowed: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    secret_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    token_seconds: int
    created_at: datetime
    last_login_at: datetime | None = None


class AccessToken(SQLModel, table=True):
    """What an identity got for its client secret. `hash` is SHA-256 of the token, which is kept nowhere."""

    __tablename__ = "access_token"

    id: str = Field(primary_key=True, max_length=36)
    identity_id: str = Field(sa_column=Column(ForeignKey("identity.id", ondelete="CASCADE"), nullable=False))
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False, unique=True))
    created_at: datetime
    expires_at: datetime
    renewable_until: datetime


class Draft(SQLModel, table=True):
    """An unfinished wizard: what was entered (no secrets) and where the person was. One of a kind."""

    id: str = Field(primary_key=True, max_length=36)
    kind: str = Field(max_length=64, unique=True)
    step: int
    data: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    updated_at: datetime


class Canary(SQLModel, table=True):
    """A known text sealed with each key that was ever primary; tells a wrong key at start."""

    key_id: str = Field(primary_key=True, max_length=32)
    sealed_text: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
