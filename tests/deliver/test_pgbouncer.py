"""A real PgBouncer between clients and the server: nobody who logs in through it notices a rotation."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.cli.ground import Ground, Running, done, until
from tests.deliver.ground import published
from tests.deliver.test_targets import add, state

BINARY = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(BINARY is None, reason="pgbouncer is not installed")
PORT = 6432
"""In the name of its socket, which is in a folder of its own."""


@dataclass
class Pooler:
    """`folder` holds its socket, its files and its log."""

    folder: Path
    owner: str
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def userlist(self) -> Path:
        return self.folder / "userlist.txt"

    def start(self, ground: Ground, *settings: str) -> None:
        lines = [
            "[databases]",
            f"* = host={ground.pg.host} port={ground.pg.port} dbname={ground.pg.database}",
            "[pgbouncer]",
            f"listen_port = {PORT}",
            f"unix_socket_dir = {self.folder}",
            f"pidfile = {self.folder}/pid",
            f"auth_file = {self.userlist}",
            "auth_type = scram-sha-256",
            "server_lifetime = 0",  # each session is a login of its own to the server, too
            *([f"user = {self.owner}"] if self.owner else []),
            *settings,
        ]
        file = self.folder / "pgbouncer.ini"
        file.write_text("\n".join(lines) + "\n")
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen([str(BINARY), str(file)], stdout=log, stderr=log)
        until(self.answers)

    def answers(self) -> bool:
        """The socket is there a moment before anybody listens."""
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.folder / f".s.PGSQL.{PORT}")) == 0

    def login(self, user: str, password: str) -> str:
        """What the server answers to somebody who comes this way; what refused him is raised."""
        with psycopg.connect(host=str(self.folder), port=PORT, dbname="any", user=user, password=password) as session:
            answer: tuple[str] | None = session.execute("SELECT current_user").fetchone()
        assert answer is not None
        return answer[0]


@pytest.fixture
def pooler() -> Iterator[Pooler]:
    """It refuses to run as root, so root lends it a user, and a folder that he can reach."""
    with tempfile.TemporaryDirectory(prefix="keyturn-pgbouncer-") as folder:
        owner = "nobody" if os.geteuid() == 0 else ""
        if owner:
            person = pwd.getpwnam(owner)
            os.chown(folder, person.pw_uid, person.pw_gid)
        pooler = Pooler(Path(folder), owner)
        yield pooler
        if pooler.process is not None:
            pooler.process.kill()
            pooler.process.wait()


@contextlib.contextmanager
def clients(pooler: Pooler, held: tuple[str, str]) -> Iterator[None]:
    """One logs in with what is published at that moment, one with `held`, until the block ends. None may fail."""
    over, failures, counts = threading.Event(), list[BaseException](), [0, 0]

    def log_in(number: int) -> None:
        try:
            while not over.is_set():
                user, password = published() if number == 0 else held
                assert pooler.login(user, password) == user
                counts[number] += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=log_in, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: bool(failures) or min(counts) > 0)
        yield
        before = list(counts)
        until(lambda: bool(failures) or all(now > then for now, then in zip(counts, before, strict=True)))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert failures == []


def rotate_three_times(pooler: Pooler, name: str) -> None:
    former = published()
    for _ in range(3):
        with clients(pooler, former):
            done("rotations", "rotate", name)
        assert published() != former
        former = published()


@pytest.mark.parametrize("loops", [0, pytest.param(2, marks=pytest.mark.soak)])
def test_it_follows_a_rendered_list_of_users_and_no_login_fails(connected: Ground, pooler: Pooler, loops: int) -> None:
    """With loops, which keep the file up as well, and must never bring back what was there before."""
    name = connected.create()["name"]
    owner = ("--owner", pooler.owner) if pooler.owner else ()
    of = ("--rotation", name, "--plain", *owner)
    ran = add("pgbouncer-userlist", pooler.userlist, *of, "--signal", f"{pooler.folder}/pid:HUP")
    assert ran.code == 1, ran.said
    pooler.start(connected)
    with contextlib.ExitStack() as stack:
        for loop in [stack.enter_context(Running("--run-scheduler")) for _ in range(loops)]:
            loop.hear("started")
        rotate_three_times(pooler, name)
    assert state() == ("written", "")


def test_it_asks_the_server_and_no_login_fails(connected: Ground, pooler: Pooler) -> None:
    """Who logs in is known to the server alone; what PgBouncer gets from there is enough to log in to it."""
    name = connected.create()["name"]
    asker = connected.pg.create_role("asker", "asker-Qx7")
    look_up = "SELECT rolname::text, rolpassword FROM pg_authid WHERE rolname = $1 AND rolcanlogin"
    create = "CREATE FUNCTION pooler_lookup(text) RETURNS TABLE (name text, verifier text) LANGUAGE sql"
    connected.pg.execute(
        sql.SQL(f"{create} SECURITY DEFINER SET search_path = pg_catalog AS {{}}").format(sql.Literal(look_up))
    )
    connected.pg.execute("REVOKE EXECUTE ON FUNCTION pooler_lookup FROM PUBLIC")
    connected.pg.execute(sql.SQL("GRANT EXECUTE ON FUNCTION pooler_lookup TO {}").format(sql.Identifier(asker)))
    pooler.userlist.write_text(f'"{asker}" "asker-Qx7"\n')
    pooler.userlist.chmod(0o644)
    pooler.start(connected, f"auth_user = {asker}", "auth_query = SELECT name, verifier FROM pooler_lookup($1)")
    rotate_three_times(pooler, name)
