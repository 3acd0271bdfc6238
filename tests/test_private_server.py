"""The private PostgreSQL of the other tests: it starts anywhere, lets nobody else in, leaves nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from app.demo import server as server_module
from app.demo import supervisor
from app.demo.server import BinariesMissing, PrivateServer, ServerError, find_binaries
from tests.conftest import Database
from tests.variants import few

ROOT = Path(__file__).parents[1]
# An SSLRequest of the wire protocol: a server that lives answers it with one byte.
SSL_REQUEST = bytes.fromhex("00000008 04d2162f")

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up being root")


@pytest.fixture
def server() -> Iterator[PrivateServer]:
    with PrivateServer() as running:
        yield running


def eventually(condition: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def alive(process: int) -> bool:
    """Return whether a process runs; one that waits to be collected does not."""
    try:
        return supervisor.process_state(process)[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def postmaster(server: PrivateServer) -> int:
    return int((server.directory / "data" / "postmaster.pid").read_text().splitlines()[0])


@pytest.mark.pg_versions
def test_starts_refuses_a_wrong_password_and_leaves_nothing(pg_version: str) -> None:
    with PrivateServer(pg_version, settings={"log_statement": "all"}) as server:
        directory, process = server.directory, postmaster(server)
        with server.connect() as connection:
            method = "SELECT DISTINCT auth_method FROM pg_hba_file_rules"
            assert connection.execute(method).fetchall() == [("scram-sha-256",)]
            assert connection.execute("SHOW log_statement").fetchone() == ("all",)
        assert server.version.split(".")[0] in {pg_version, Path(pg_version).parent.name}
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            server.connect(user=server.superuser, password="wrong")
        assert "ready to accept connections" in server.log()
        assert directory.stat().st_mode & 0o077 == 0
    assert not directory.exists()
    assert not alive(process)


def test_the_password_is_in_no_argument_environment_or_file(server: PrivateServer) -> None:
    secret = server.password.encode()
    group = [
        process
        for process in Path("/proc").glob("[0-9]*")
        if str(server.directory).encode() in read(process / "cmdline")
        or supervisor.__file__.encode() in read(process / "cmdline")
    ]
    assert len(group) >= 2
    for process in group:
        assert secret not in read(process / "cmdline")
        assert secret not in read(process / "environ")
    files = [path for path in server.directory.rglob("*") if path.is_file()]
    assert not [path for path in files if secret in read(path)]
    assert server.password not in repr(server)


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended meanwhile, or belongs to somebody else
        return b""


@pytest.mark.parametrize("mode", few(["immediate", "fast"]))
def test_restart_keeps_port_and_data(server: PrivateServer, mode: server_module.Mode) -> None:
    port = server.port
    with server.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        server.restart(mode)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert server.port == port
    with server.connect() as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_a_halted_server_refuses_connections_until_it_starts(server: PrivateServer) -> None:
    server.halt()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        server.connect()
    with pytest.raises(ServerError, match="does not run"):
        server.halt()
    server.start()
    server.connect().close()
    with pytest.raises(ServerError, match="runs already"):
        server.start()


@pytest.mark.soak
def test_stopping_a_halted_server_leaves_nothing() -> None:
    server = PrivateServer()
    server.start()
    directory = server.directory
    server.halt()
    server.stop()
    server.stop()
    assert not directory.exists()


def test_a_paused_server_accepts_and_never_answers(server: PrivateServer) -> None:
    with server.connect() as connection:
        server.pause()
        with socket.create_connection((server.host, server.port), timeout=0.3) as client:
            client.sendall(SSL_REQUEST)
            with pytest.raises(TimeoutError):
                client.recv(1)
            server.resume()
            client.settimeout(30)
            assert client.recv(1) == b"N"
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.soak
def test_a_paused_server_stops(server: PrivateServer) -> None:
    directory, process = server.directory, postmaster(server)
    server.pause()
    server.stop()
    assert not directory.exists()
    assert not alive(process)


@pytest.mark.soak
def test_another_port_is_taken_when_the_first_is_in_use(server: PrivateServer, monkeypatch: pytest.MonkeyPatch) -> None:
    free = server_module._free_port
    offers = iter([server.port])
    monkeypatch.setattr(server_module, "_free_port", lambda: next(offers, None) or free())
    with PrivateServer() as second:
        assert second.port != server.port
        second.connect().close()


@pytest.mark.soak
def test_a_restart_waits_for_its_own_port(server: PrivateServer) -> None:
    server.halt()
    with socket.create_server((server.host, server.port)) as intruder:
        threading.Timer(0.5, intruder.close).start()
        server.start()
    server.connect().close()


def test_a_server_that_cannot_start_shows_its_log() -> None:
    server = PrivateServer(settings={"shared_buffers": "nonsense"})
    with pytest.raises(ServerError, match=r"(?s)did not start.*nonsense"):
        server.start()
    with pytest.raises(ServerError, match="no directory"):
        _ = server.directory


@pytest.mark.soak
def test_a_server_that_dies_is_tidied_up(server: PrivateServer) -> None:
    directory, process = server.directory, postmaster(server)
    os.kill(process, signal.SIGKILL)
    assert eventually(lambda: not alive(process))
    server.stop()
    assert not directory.exists()


def test_missing_binaries_name_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BinariesMissing, match=r"initdb.*pip install keyturn"):
        find_binaries(str(tmp_path))
    monkeypatch.setattr(server_module, "system_binaries", list)
    with pytest.raises(BinariesMissing, match="pip install keyturn"):
        find_binaries("system")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(BinariesMissing, match=r"pip install keyturn\[demo\]"):
        find_binaries("18")


@as_root
@pytest.mark.parametrize("identity", few(["namespace", "nobody-copy", "nobody"]))
def test_root_gives_up_being_root(identity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way works by itself: where user namespaces are forbidden, and where files are private."""
    ways = [identity] if identity != "nobody" else ["nobody", "nobody-copy"]
    monkeypatch.setattr(supervisor, "identities", lambda: ways)
    with PrivateServer() as server:
        assert f"identity {ways[-1]!r}:" not in server.log()
        server.restart()
        server.connect().close()
        directory = server.directory
    assert not directory.exists()


@pytest.mark.soak
@as_root
def test_binaries_in_a_private_folder_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = find_binaries("18").parents[1]
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, tmp_path / folder.name, symlinks=True)
    tmp_path.chmod(0o700)
    monkeypatch.setattr(supervisor, "identities", lambda: ["nobody", "nobody-copy"])
    with PrivateServer(str(tmp_path / package.name / "pginstall18" / "bin")) as server:
        assert "does not run with identity 'nobody':" in server.log()
        server.connect().close()


# Starts a server from a thread that ends at once, as a Textual worker would; a parent-death signal would be
# bound to that thread.
PROGRAM = """
import sys, threading, time
from app.demo.server import PrivateServer
server = PrivateServer()
thread = threading.Thread(target=server.start)
thread.start()
thread.join()
time.sleep(0.2)
server.connect().close()
process = (server.directory / "data" / "postmaster.pid").read_text().split()[0]
print(process, server.directory, flush=True)
if sys.argv[1] == "pause":
    server.pause()
    print("paused", flush=True)
time.sleep(0 if sys.argv[1] == "exit" else 600)
"""


def as_ordinary_user() -> tuple[list[str], int | None]:
    """Return what makes a command somebody else's than root's: a prefix, and a user and group number."""
    if os.geteuid() != 0:
        return [], None
    probe = [sys.executable, "-c", "import psycopg, app.demo.server"]
    # Nobody may be unable to reach this Python; in a user namespace the files stay one's own.
    namespace = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"]
    ways: list[tuple[list[str], int | None]] = [([], 65534), (namespace, None)]
    for prefix, user in ways:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([*prefix, *probe], cwd=ROOT, check=True, user=user, group=user)
            return prefix, user
    pytest.skip("neither another user nor a user namespace can run this Python here")


@pytest.mark.parametrize("who", few(["same", "ordinary"]))
@pytest.mark.parametrize("end", few(["kill", "exit", "pause"]))
def test_the_server_ends_with_its_program(end: str, who: str) -> None:
    prefix, user = as_ordinary_user() if who == "ordinary" else ([], None)
    command = [*prefix, sys.executable, "-c", PROGRAM, end]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, user=user, group=user) as program:
        assert program.stdout is not None
        process, directory = program.stdout.readline().split()
        if end == "pause":
            assert program.stdout.readline() == "paused\n"
        if end != "exit":
            assert alive(int(process))
            program.kill()
    assert eventually(lambda: not alive(int(process)))
    assert eventually(lambda: not Path(directory).exists())


def test_the_server_ends_with_its_supervisor(server: PrivateServer) -> None:
    process = postmaster(server)
    assert server._supervisor is not None
    server._supervisor.kill()
    assert eventually(lambda: not alive(process))
    assert "received fast shutdown request" in server.log()


@pytest.mark.pg_versions
def test_a_test_gets_a_database_and_roles_of_its_own(pg: Database) -> None:
    role = pg.create_role("app", "first password")
    assert role.startswith("app_")
    assert pg.login(role, "first password")
    assert not pg.login(role, "another")
    assert not pg.login(pg.create_role("locked", "secret", options="NOLOGIN"), "secret")
    assert pg.execute("SELECT current_database(), %s::int", 7) == [(pg.database, 7)]
    session = pg.connect(role, "first password")
    pg.execute(f"CREATE SCHEMA own AUTHORIZATION {role}")
    pg.drop()
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    session.close()
    with pg.server.connect() as connection:
        count = "SELECT count(*) FROM pg_roles WHERE rolname LIKE %s"
        assert connection.execute(count, (f"%{pg.suffix}",)).fetchone() == (0,)


def test_home_is_nobodys(home: Path) -> None:
    assert os.environ["KEYTURN_HOME"] == str(home)
    assert not list(Path.home().iterdir())


CHANGES: dict[str, LiteralString] = {
    "a schema": "CREATE SCHEMA left_behind",
    "a function": "CREATE FUNCTION left_behind() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "default privileges": "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_database_that_was_changed_is_not_used_again(pg: Database, what: str) -> None:
    pg.execute(CHANGES[what])
    assert not pg.tidied()


def test_one_that_only_had_roles_and_tables_is_used_again_without_them(pg: Database) -> None:
    pg.execute("CREATE TABLE parent (id serial PRIMARY KEY)")
    pg.execute("CREATE TABLE child (id int REFERENCES parent)")
    owner, heir = pg.create_role("owner", "a password"), pg.create_role("heir")
    pg.execute(sql.SQL("GRANT {} TO {}").format(*map(sql.Identifier, (owner, heir))))
    pg.execute(sql.SQL("CREATE SCHEMA its_own AUTHORIZATION {}").format(sql.Identifier(owner)))
    session = pg.connect(owner, "a password")
    assert pg.tidied()
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    session.close()
    assert pg.execute("SELECT count(*) FROM pg_roles WHERE rolname LIKE %s", f"%{pg.suffix}") == [(0,)]
