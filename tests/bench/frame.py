"""How soon the terminal UI shows its first frame, and its rotations, in a real pty."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

from app.service import Service, open_service
from app.settings import load_settings
from store import connections, projects, rotations
from store.database import Tx
from store.tables import Rotation
from tests.bench.measure import CannotMeasure, Comparison, Sample
from tests.bench.startup import KEYTURN
from tests.terminal import Terminal

ROUNDS = 20
WARM_UP = 2
ROTATIONS = 20
_QUIET = 0.25
_LEAVE = b"\x11"  # ctrl+q, in every Textual application


async def compare(environ: dict[str, str]) -> list[Comparison]:
    """The budget is about the first frame; when the rotations can be read is told beside it."""
    await _fill(environ)
    first = Comparison("first frame of the TUI", "Textual, one table", budget=2)
    filled = Comparison("... with its rotations", "Textual, one table", budget=None)
    floor = _until(["-m", "tests.bench.smallest"], environ, "row-00", "row-19")

    async def ours() -> float:
        shown, rows = _times([str(KEYTURN)], environ, ("Keyturn", "Quit"), ("rotation-00",))
        filled.ours.append(rows)
        return shown

    await first.run(floor, ours, rounds=ROUNDS, warm_up=WARM_UP)
    filled.floor = first.floor
    del filled.ours[:WARM_UP]
    return [first, filled]


def _until(arguments: list[str], environ: dict[str, str], *texts: str) -> Sample:
    async def once() -> float:
        return _times([sys.executable, *arguments], environ, texts)[0]

    return once


def _times(command: list[str], environ: dict[str, str], *wanted: tuple[str, ...]) -> list[float]:
    """Milliseconds until each group of texts can be read. The screen is only looked at once all has come."""
    with Terminal(command, environ) as terminal:
        terminal.read_past(wanted[-1][-1].encode(), at_most=30)
        terminal.read_until_quiet(_QUIET, at_most=10)
        terminal.send(_LEAVE)
        terminal.wait(20)
        found = [terminal.milliseconds_until(*texts) for texts in wanted]
        if None in found:
            raise CannotMeasure(f"{' '.join(command)} never showed {wanted}:\n" + "\n".join(terminal.display()))
    return [moment for moment in found if moment is not None]


async def _fill(environ: dict[str, str]) -> None:
    """A store as it is after weeks: nothing is due, everything has run."""
    service: Service = open_service(load_settings(environ), "bench")
    try:
        await service.store.awrite(_add_rotations)
    finally:
        await service.aclose()


def _add_rotations(tx: Tx) -> None:
    now = datetime.now(UTC)
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
    for number in range(ROTATIONS):
        rotations.add(
            tx,
            Rotation(
                id=f"rotation-{number:02}",
                folder_id=folder.id,
                connection_id=connection.id,
                type="postgres-credentials",
                name=f"rotation-{number:02}",
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
