"""What tests of the command line stand on: calls in this process, real processes, and something to rotate."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Self, TypeVar, cast
from unittest.mock import patch

from psycopg import sql

from app.cli import main
from app.service import Service, open_service
from app.settings import load_settings
from store import rotations
from store.database import Tx
from tests.conftest import Database
from tests.processes import Process

ROOT = Path(__file__).parents[2]
DEADLINE = 60.0
"""How long a process may take for anything, on a busy machine."""

T = TypeVar("T")


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def said(self) -> str:
        return self.out + self.err

    @property
    def lines(self) -> list[list[str]]:
        """The cells of a table in a pipe."""
        return [line.split("\t") for line in self.out.splitlines()]


def keyturn(*words: str, stdin: str | bytes = "") -> Ran:
    """Carry out a command line in this process."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    out, err = io.BytesIO(), io.BytesIO()
    streams = {
        "stdin": io.TextIOWrapper(io.BytesIO(data)),
        "stdout": io.TextIOWrapper(out, write_through=True),
        "stderr": io.TextIOWrapper(err, write_through=True),
    }
    with contextlib.ExitStack() as stack:
        for name, stream in streams.items():
            stack.enter_context(patch.object(sys, name, stream))
        code = main(words)
    return Ran(code, out.getvalue().decode(), err.getvalue().decode())


def done(*words: str, stdin: str | bytes = "") -> Ran:
    """The same for a command that must succeed."""
    ran = keyturn(*words, stdin=stdin)
    assert ran.code == 0, ran.said
    return ran


def command(*words: str) -> list[str]:
    """The command line of a real process."""
    return [sys.executable, "-m", "app", *words]


def process(*words: str, stdin: str | bytes = "", **environment: str) -> Ran:
    """Carry out a command line in a process of its own."""
    return finished(command(*words), stdin=stdin, begin=Process, **environment)


def finished(
    words: list[str],
    *,
    stdin: str | bytes = "",
    begin: type[subprocess.Popen[Any]] = subprocess.Popen,
    **environment: str,
) -> Ran:
    """Run any program to its end."""
    pipe = subprocess.PIPE
    with begin(words, stdin=pipe, stdout=pipe, stderr=pipe, env={**os.environ, **environment}, cwd=ROOT) as begun:
        try:
            out, err = begun.communicate(stdin.encode() if isinstance(stdin, str) else stdin, DEADLINE)
        finally:
            begun.kill()
    return Ran(begun.returncode, out.decode(), err.decode())


class Running:
    """A real process whose lines on standard error are waited for. Killed at the end of its block."""

    def __init__(self, *words: str, **environment: str) -> None:
        self.popen = Process(
            command(*words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
            cwd=ROOT,
            text=True,
        )
        self.heard: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.popen.kill()
        self.popen.communicate()

    def hear(self, *parts: str) -> str:
        """The next line on standard error that holds all of the parts."""
        stream = cast("IO[str]", self.popen.stderr)
        while line := stream.readline():
            self.heard.append(line.rstrip("\n"))
            if all(part in line for part in parts):
                return self.heard[-1]
        raise AssertionError(f"ended without saying {parts}: {self.heard}")

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def finish(self) -> Ran:
        """Wait for the end; `err` holds all that was heard before, too."""
        out, err = self.popen.communicate(timeout=DEADLINE)
        return Ran(self.popen.returncode, out, "".join(f"{line}\n" for line in self.heard) + err)


def on_terminal(*words: str, answer: bytes = b"", prompt: bytes = b"", columns: int = 80) -> tuple[int, str]:
    """Run in a real pseudo terminal, and type `answer` when `prompt` has appeared. Exit code and screen text.

    As people do, it presses ctrl+c again where nothing happens: Python looks for a signal that comes right before it
    begins to read only when it has read.
    """
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "LINES": "24", "TERM": "xterm"}
    popen = Process(
        command(*words),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
        cwd=ROOT,
        start_new_session=True,
    )
    end = os.pidfd_open(popen.pid)
    seen, deadline = b"", time.monotonic() + DEADLINE
    try:
        while time.monotonic() < deadline:
            ready, _, _ = select.select([master, end], [], [], 3)
            if master in ready:
                seen += os.read(master, 65536)
            elif end in ready:
                break  # and all it wrote is read
            elif seen.endswith(b"^C"):
                os.write(master, b"\x03")
            if answer and prompt in seen:
                os.write(master, answer)
                answer = b""
        code = popen.wait(0)
    finally:
        popen.kill()
        popen.wait()
        for descriptor in (master, slave, end):
            os.close(descriptor)
    return code, seen.decode().replace("\r\n", "\n")


def with_service(work: Callable[[Service], T]) -> T:
    """Look at the store that the commands use, or change it."""
    service = open_service(load_settings(os.environ), "test")
    try:
        return work(service)
    finally:
        asyncio.run(service.aclose())


def make_due(rotation_id: str) -> None:
    """As if the scheduled time had come an hour ago."""
    past = datetime.now(UTC) - timedelta(hours=1)

    def change(tx: Tx) -> None:
        now = datetime.now(UTC)  # the change is seen by those who watch the store
        rotations.update_fields(tx, rotation_id, next_rotation_at=past, due_at=past, updated_at=now)

    with_service(lambda service: service.store.write(change))


@dataclass
class Ground:
    """A database with two users, and the bodies that set their rotation up."""

    pg: Database = field(repr=False)
    users: tuple[str, str]
    temporary: tuple[str, str] = field(repr=False)

    @property
    def connection_body(self) -> dict[str, Any]:
        return {
            "name": "my-pg-connection",
            "method": "username-and-password",
            "credentials": {
                "host": self.pg.host,
                "port": self.pg.port,
                "database": self.pg.database,
                "username": self.pg.admin_user,
                "password": self.pg.admin_password,
                "sslEnabled": False,
                "sslRejectUnauthorized": False,
            },
        }

    @property
    def rotation_body(self) -> dict[str, Any]:
        return {
            "name": "my-pg-rotation",
            "projectId": "default",
            "connectionId": "my-pg-connection",
            "environment": "dev",
            "secretPath": "/",
            "rotationInterval": 30,
            "parameters": {"username1": self.users[0], "username2": self.users[1]},
            "secretsMapping": {"username": "POSTGRES_DB_USERNAME", "password": "POSTGRES_DB_PASSWORD"},
        }

    @property
    def secrets(self) -> list[str]:
        """What may never be seen."""
        return [self.pg.admin_password, *self.temporary]

    def connect(self) -> None:
        done("connections", "add", "postgres", "--file", "-", stdin=json.dumps(self.connection_body))

    def create(self, **changes: Any) -> dict[str, Any]:
        """Create the rotation and return its document."""
        body = json.dumps({**self.rotation_body, **changes})
        ran = done("rotations", "create", "postgres-credentials", "--file", "-", "--json", stdin=body)
        document: dict[str, Any] = ran.json["secretRotation"]
        return document

    def verifiers(self) -> dict[str, str]:
        """What the server holds as the users' passwords."""
        return dict(
            cast(
                "list[tuple[str, str]]",
                self.pg.execute("SELECT rolname, rolpassword FROM pg_authid WHERE rolname = ANY(%s)", list(self.users)),
            )
        )

    def published(self) -> dict[str, str]:
        values: dict[str, str] = done("secrets", "export", "--format", "json").json
        return values

    def published_logs_in(self) -> bool:
        values = self.published()
        return self.pg.login(values["POSTGRES_DB_USERNAME"], values["POSTGRES_DB_PASSWORD"])

    @contextlib.contextmanager
    def locked(self, user: str) -> Iterator[Callable[[], None]]:
        """Keep anybody from changing a user's password until the block ends or the yielded function is called."""
        with self.pg.connect() as connection:
            connection.execute("BEGIN")
            connection.execute(sql.SQL("ALTER ROLE {} VALID UNTIL 'infinity'").format(sql.Identifier(user)))
            yield lambda: (connection.execute("ROLLBACK"), None)[1]


def make_ground(pg: Database) -> Ground:
    temporary = ("temporary-one-7Qx", "temporary-two-8Ry")
    first, second = (pg.create_role(f"app_user_{n}", secret) for n, secret in enumerate(temporary, 1))
    return Ground(pg, (first, second), temporary)


def modules_after(*words: str) -> tuple[int, set[str]]:
    """The exit code of a command line in a fresh interpreter, and all that it has imported."""
    script = (
        "import sys\nfrom app.cli import main\ncode = main(sys.argv[1:])\n"
        "print('\\n' + ' '.join(sys.modules), file=sys.stderr)\nsys.exit(code)"
    )
    ran = finished([sys.executable, "-c", script, *words])
    return ran.code, set(ran.err.splitlines()[-1].split())


def until(holds: Callable[[], bool]) -> None:
    """Wait for what another process does, and leave it most of the processor."""
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def without_secrets(text: str, secrets: Mapping[str, str] | list[str]) -> bool:
    values = list(secrets.values()) if isinstance(secrets, Mapping) else secrets
    return not any(value in text for value in values)
