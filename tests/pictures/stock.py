"""A store for pictures: rotations in every state, written down as they would be after weeks, at one fixed moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from store import connections, events, projects, rotations, secrets
from store.database import Tx
from store.tables import Attempt, Rotation

NOW = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)
REFUSED = (
    "127.0.0.1 port 1 refuses connections. Is PostgreSQL running there, and does a firewall let this machine through?"
)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Kind:
    """How a type's connection, parameters and credentials look."""

    app: str
    method: str
    settings: dict[str, Any]
    secrets: dict[str, str]
    type: str
    parameters: dict[str, Any]
    fields: tuple[str, str]


POSTGRES = Kind(
    "postgres",
    "username-and-password",
    # Nobody listens there: what asks this target fails at once, and always with the same words.
    {"host": "127.0.0.1", "port": 1, "database": "app", "username": "keyturn", "sslEnabled": False},
    {"password": "unused"},
    "postgres-credentials",
    {"username1": "app_user_1", "username2": "app_user_2"},
    ("username", "password"),
)
AWS = Kind(
    "aws",
    "access-key",
    {"accessKeyId": "AKIAKEYTURN000000000", "region": "eu-central-1"},
    {"secretAccessKey": "unused"},
    "aws-iam-user-secret",
    {"userName": "deploy-bot", "region": "eu-central-1"},
    ("accessKeyId", "secretAccessKey"),
)
AZURE = Kind(
    "azure-client-secrets",
    "client-secret",
    {"tenantId": "7b1f3d2c-0000-4000-8000-0000000000aa", "clientId": "7b1f3d2c-0000-4000-8000-0000000000bb"},
    {"clientSecret": "unused"},
    "azure-client-secret",
    {
        "objectId": "7b1f3d2c-0000-4000-8000-0000000000cc",
        "appName": "Single sign-on",
        "clientId": "7b1f3d2c-0000-4000-8000-0000000000dd",
    },
    ("clientId", "clientSecret"),
)


@dataclass(frozen=True)
class Item:
    """One rotation; days are counted from NOW, negative ones before it."""

    name: str
    kind: Kind
    connection: str
    environment: str = "prod"
    path: str = "/"
    last: float = -5
    next: float | None = 25
    failure: str = ""
    expires: float | None = None
    description: str | None = None
    guard: str = "warn"


ITEMS = (
    Item("billing", POSTGRES, "billing-db", description="The invoices' own users"),
    Item("checkout", POSTGRES, "billing-db", path="/shop", last=-29.4, next=0.6),
    Item("deploy-bot", AWS, "production", last=-12, next=18),
    Item("ledger", POSTGRES, "ledger-db", last=-30.1, next=0, failure=REFUSED),
    Item("reports", POSTGRES, "billing-db", environment="staging", last=-61, next=None, guard="wait"),
    Item("single-sign-on", AZURE, "entra", last=-27, next=3, expires=2.5),
)
LONG = (
    Item(
        "the-connection-pool-of-the-invoices-and-the-reminders-of-2026-11",
        AZURE,
        "connection-with-thirty-two-signs",
        path="/a/rather/deep/folder/below/which/the/invoices/and/the/reminders/keep/what/they/need",
        failure="Application with object id 7b1f3d2c-0000-4000-8000-0000000000cc not found in the tenant. " * 4,
        description="A description of the greatest length that is allowed. " * 4,
    ),
)


def fill(tx: Tx, items: tuple[Item, ...] = ITEMS) -> None:
    """Write the items, with their connections, credentials, secrets, attempts and events."""
    ids = (f"00000000-0000-4000-8000-{number:012}" for number in count())
    project = projects.list_projects(tx)[0]
    environments = {each.slug: each.id for each in projects.list_environments(tx, project.id)}
    known = {name: _connect(tx, name, items, next(ids)) for name in dict.fromkeys(item.connection for item in items)}
    history: list[dict[str, Any]] = []
    for item in items:
        folder = projects.ensure_folder(tx, environments[item.environment], item.path, lambda: next(ids))
        _add(tx, item, folder.id, known[item.connection], ids, history)
    for event in sorted(history, key=lambda event: event["at"]):
        events.append(tx, **event)


def _connect(tx: Tx, name: str, items: tuple[Item, ...], connection_id: str) -> str:
    kind = next(item.kind for item in items if item.connection == name)
    connections.add(
        tx,
        id=connection_id,
        name=name,
        app=kind.app,
        method=kind.method,
        description=None,
        settings=kind.settings,
        secrets=kind.secrets,
        now=NOW - 90 * _DAY,
    )
    return connection_id


def _add(tx: Tx, item: Item, folder: str, connection: str, ids: Iterator[str], history: list[dict[str, Any]]) -> None:
    last = NOW + item.last * _DAY
    following = NOW + item.next * _DAY if item.next is not None else None
    retry = NOW + timedelta(minutes=4) if item.failure else None
    prefix = item.name.upper().replace("-", "_")[:40]
    rotation = rotations.add(
        tx,
        Rotation(
            id=next(ids),
            folder_id=folder,
            connection_id=connection,
            type=item.kind.type,
            name=item.name,
            description=item.description,
            parameters=item.kind.parameters,
            secrets_mapping={field: f"{prefix}_{field.upper()}" for field in item.kind.fields},
            is_auto_rotation_enabled=following is not None,
            rotation_interval=30,
            rotate_at_hours=2,
            rotate_at_minutes=30,
            active_index=1,
            rotation_status="failed" if item.failure else "success",
            last_rotation_message=item.failure[:1024] or None,
            last_rotated_at=last,
            is_last_rotation_manual=False,
            next_rotation_at=following,
            due_at=retry or following,
            retry_at=retry,
            failures=3 if item.failure else 0,
            guard=item.guard,
            created_at=NOW - 65 * _DAY,
            updated_at=last,
        ),
    )
    secrets.reserve(
        tx, folder, rotation.id, rotation.secrets_mapping, new_id=lambda: next(ids), now=rotation.created_at
    )
    for slot, at in ((0, last - 30 * _DAY), (1, last)):
        _rotated(tx, item, rotation, slot, at, ids)
        history.append(_event(rotation, at, f"slot {slot} published"))
    if item.failure:
        at = NOW - timedelta(minutes=6)
        add_attempt(tx, rotation, 0, at, next(ids), failure=item.failure)
        history.append(_event(rotation, at, item.failure[:1024], result="failed"))


def _event(rotation: Rotation, at: datetime, message: str, result: str = "success") -> dict[str, Any]:
    return {
        "at": at,
        "actor": "scheduler",
        "action": "secret-rotation-rotate-secrets",
        "result": result,
        "subject": rotation.name,
        "rotation_id": rotation.id,
        "message": message,
    }


def _rotated(tx: Tx, item: Item, rotation: Rotation, slot: int, at: datetime, ids: Iterator[str]) -> None:
    public, secret = item.kind.fields
    names = {"username": f"app_user_{slot + 1}", "accessKeyId": f"AKIA{slot}KEYTURNEXAMPLE"}
    values = {public: names.get(public, "7b1f3d2c-0000-4000-8000-0000000000dd"), secret: f"example-{slot}-" * 6}
    attempt = add_attempt(tx, rotation, slot, at, next(ids))
    rotations.put_credential(
        tx,
        id=next(ids),
        rotation_id=rotation.id,
        slot=slot,
        public={public: values[public]},
        values=values,
        issued_at=at,
        expires_at=NOW + item.expires * _DAY if item.expires is not None else None,
        attempt_id=attempt,
    )
    secrets.put_values(tx, rotation.id, values, attempt, at, new_id=lambda: next(ids))


def add_attempt(tx: Tx, rotation: Rotation, slot: int, at: datetime, attempt_id: str, failure: str = "") -> str:
    """One that is done, or with a failure, one that is tried again; its id."""
    times = {"plan": 2.14, "guard": 3.4} if failure else {"plan": 2.14, "issue": 6.02, "verify": 4.71, "publish": 1.88}
    tx.session.add(
        Attempt(
            id=attempt_id,
            rotation_id=rotation.id,
            slot=slot,
            trigger="schedule",
            actor="scheduler",
            state="open" if failure else "done",
            step="issue" if failure else "done",
            tries=3 if failure else 0,
            scheduled_for=at,
            started_at=at,
            updated_at=at,
            finished_at=None if failure else at + timedelta(milliseconds=15),
            sealed_candidate=tx.seal('{"values": {}, "expires_at": null}', "attempt", attempt_id, "sealed_candidate"),
            parameters=dict(rotation.parameters),
            steps=[{"step": step, "started_at": at.isoformat(), "ms": ms, "tries": 1} for step, ms in times.items()],
            error="transient" if failure else None,
            message=failure[:1024] or None,
        )
    )
    tx.session.flush()
    return attempt_id
