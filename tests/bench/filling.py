"""A store as it is after weeks: nothing is due, everything has run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from app.service import Service, open_service
from app.settings import load_settings
from store import connections, projects, rotations
from store.database import Tx
from store.tables import Rotation


def name(number: int) -> str:
    return f"rotation-{number:05}"


async def fill(environ: dict[str, str], count: int) -> None:
    """Create the store that `environ` leads to, with so many rotations."""
    service: Service = open_service(load_settings(environ), "bench")
    try:
        await service.store.awrite(partial(add_rotations, count=count, now=datetime.now(UTC)))
    finally:
        await service.aclose()


def add_rotations(tx: Tx, count: int, now: datetime) -> None:
    """Healthy ones, as they are at `now`."""
    project = projects.list_projects(tx)[0]
    environment = projects.list_environments(tx, project.id)[0]
    folder = projects.ensure_folder(tx, environment.id, "/", lambda: "folder")
    settings = {"host": "db.example", "port": 5432, "database": "app", "username": "admin", "sslEnabled": True}
    connection = connections.add(
        tx,
        id="connection",
        name="db",
        app="postgres",
        method="username-and-password",
        description=None,
        settings=settings,
        secrets={"password": "unused"},
        now=now,
    )
    for number in range(count):
        rotations.add(
            tx,
            Rotation(
                id=name(number),
                folder_id=folder.id,
                connection_id=connection.id,
                type="postgres-credentials",
                name=name(number),
                parameters={"username1": f"app_{number}_a", "username2": f"app_{number}_b"},
                secrets_mapping={"username": f"DB_USER_{number}", "password": f"DB_PASSWORD_{number}"},
                rotation_interval=30,
                rotation_status="success",
                last_rotated_at=now - timedelta(days=5),
                next_rotation_at=now + timedelta(days=25),
                due_at=now + timedelta(days=25),
                created_at=now - timedelta(days=40),
                updated_at=now - timedelta(days=5),
            ),
        )
