"""What store tests stand on: ids and times that repeat, rows with every column filled, helper processes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, cast

from store import connections, projects, rotations
from store.database import Tx
from store.tables import Attempt, Connection, Folder, Rotation
from tests.processes import Process

ROOT = Path(__file__).parents[2]
START = datetime(2026, 11, 21, 10, 30, 15, 250_000, tzinfo=UTC)


def now() -> datetime:
    return START


def later(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


class Ids:
    """Ids in ascending order, unlike those of any other instance."""

    def __init__(self) -> None:
        self._run = uuid.uuid4().hex[:12]
        self._count = 0

    def __call__(self) -> str:
        self._count += 1
        return str(uuid.UUID(f"{self._count:08x}00004000a000{self._run}"))


def root_folder(tx: Tx, environment: str = "dev") -> Folder:
    project = projects.find_project(tx, "default")
    assert project is not None
    found = projects.find_environment(tx, project.id, environment)
    assert found is not None
    folder = projects.find_folder(tx, found.id, "/")
    assert folder is not None
    return folder


def add_connection(tx: Tx, name: str = "main", secrets: Mapping[str, str] = {"password": "hunter2-äöü"}) -> Connection:
    return connections.add(
        tx,
        id=f"id-of-{name}",
        name=name,
        app="postgres",
        method="username-and-password",
        description=None,
        settings={"host": "db", "port": 5432, "username": "admin"},
        secrets=secrets,
        now=START,
    )


def new_rotation(rotation_id: str, folder_id: str, connection_id: str, name: str = "") -> Rotation:
    return Rotation(
        id=rotation_id,
        folder_id=folder_id,
        connection_id=connection_id,
        type="postgres-credentials",
        name=name or rotation_id,
        parameters={"username1": "a", "username2": "b"},
        secrets_mapping={"username": "DB_USER", "password": "DB_PASSWORD"},
        rotation_interval=30,
        created_at=START,
        updated_at=START,
    )


def add_rotation(tx: Tx, rotation_id: str = "r1", folder: Folder | None = None) -> Rotation:
    """With a connection of its own."""
    connection = add_connection(tx, f"for-{rotation_id}")
    return rotations.add(tx, new_rotation(rotation_id, (folder or root_folder(tx)).id, connection.id))


def new_attempt(tx: Tx, attempt_id: str, rotation_id: str, minutes: float, state: str = "done") -> Attempt:
    attempt = Attempt(
        id=attempt_id,
        rotation_id=rotation_id,
        slot=0,
        trigger="schedule",
        actor="scheduler",
        state=state,
        step="issue",
        started_at=later(minutes),
        updated_at=later(minutes),
        finished_at=None if state == "open" else later(minutes),
        sealed_candidate=tx.seal("{}", "attempt", attempt_id, "sealed_candidate"),
    )
    tx.session.add(attempt)
    tx.session.flush()
    return attempt


class Child:
    """Another process that runs a piece of Python; it may speak by print and wait by input()."""

    def __init__(self, script: str, *arguments: str) -> None:
        self._process = Process(
            [sys.executable, "-c", textwrap.dedent(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def hear(self) -> str:
        """The next line it prints; all it complained of when it ended instead."""
        line = cast("IO[str]", self._process.stdout).readline()
        return line.strip() if line else f"ended: {self.finish()}"

    def tell(self, line: str = "go") -> None:
        stdin = cast("IO[str]", self._process.stdin)
        stdin.write(line + "\n")
        stdin.flush()

    def finish(self) -> str:
        """What else it printed, errors included."""
        output, errors = self._process.communicate(timeout=60)
        return f"{output}{errors}".strip()

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


# Begins the script of a child that opens stores: `open_at(url, key file)`.
PRELUDE = """
import os, sys, uuid
from datetime import UTC, datetime
from pathlib import Path
import alembic.command, alembic.config, alembic.script  # before rights or limits are given up
import cryptography.hazmat.primitives.ciphers.aead
from store import projects, rotations
from store.database import open_store
from store.errors import StoreError
from store.keyring import KeyPlaces

def open_at(url, key_file, **options):
    return open_store(url, key=KeyPlaces(Path(key_file)), now=lambda: datetime.now(UTC),
                      new_id=lambda: str(uuid.uuid4()), **options)

def become_nobody():
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
"""
