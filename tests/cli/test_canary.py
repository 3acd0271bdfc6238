"""A whole run with recognisable secrets, which are then searched for everywhere and found nowhere."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import psutil
import pytest
from psycopg import sql

from app.service import Service
from store import jobs
from tests.cli.ground import Ground, Ran, Running, keyturn, make_due, process, with_service
from tests.conftest import Database

pytestmark = pytest.mark.usefixtures("own_interpreters")

NAME = "my-pg-rotation"
ADMIN = "canary-admin 'q' \"d\" \\b $h ünïcode"
TEMPORARY = ("canary-temporary-one'1", "canary-temporary-two\\2")
WRONG = "canary-wrong-password-3"
# What the generator makes by default; so even a candidate that nobody ever learns is recognised.
GENERATED = re.compile(rb"(?<![A-Za-z0-9+/=])[A-Za-z0-9]{48}(?![A-Za-z0-9+/=])")


def forms(secret: str) -> set[bytes]:
    """How a secret could be written down."""
    texts = {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        secret.replace("'", "''"),
        secret.replace("\\", "\\\\"),
        secret.encode().hex(),
    }
    return {text.encode() for text in texts} | {base64.b64encode(secret.encode()).rstrip(b"=")}


class Watch:
    """Collects what could have been seen, and the secrets that must not be in it."""

    def __init__(self, ground: Ground, home: Path) -> None:
        self.secrets: set[str] = {ADMIN, *TEMPORARY, WRONG}
        self.ground = ground
        self.home = home
        self.seen: list[tuple[str, bytes]] = []
        key = json.loads((home / "keyturn.key").read_text())
        self.secrets |= set(key["keys"].values())

    def note(self, ran: Ran, what: str) -> Ran:
        """Nobody asked this command for a value."""
        self.seen.append((what, ran.said.encode()))
        return ran

    def call(self, *words: str, stdin: str = "") -> Ran:
        return self.note(keyturn(*words, stdin=stdin), " ".join(words))

    def asked(self, *words: str) -> Ran:
        """Values are what was asked for: they belong on standard output, and nowhere else."""
        ran = keyturn(*words)
        self.seen.append((" ".join(words), ran.err.encode()))
        return ran

    def learn(self) -> None:
        """Every password there is now, candidates that were never published included."""

        def look(service: Service) -> list[str]:
            def all_passwords(tx: Any) -> list[str]:
                from store import rotations

                found = []
                for row in rotations.list_all(tx):
                    job = jobs.load(tx, row.id)
                    parts = [*job.credentials.values()]
                    for attempt in (*job.retiring, *([job.open] if job.open else [])):
                        parts += [part for part in (attempt.candidate, attempt.issued, attempt.previous) if part]
                    found += [part.values["password"] for part in parts]
                return found

            return service.store.read(all_passwords)

        self.secrets |= set(with_service(look))

    def look_around(self) -> None:
        """Our processes and the server's as `ps` shows them, and the files while somebody has the store open."""
        for one in (this := psutil.Process(), *this.children(recursive=True)):
            for name in ("cmdline", "environ"):
                with contextlib.suppress(OSError):  # it ended meanwhile
                    self.seen.append((f"{name} of {one.pid}", Path(f"/proc/{one.pid}/{name}").read_bytes()))
        for path in self.home.rglob("*"):
            if path.is_file() and path.name != "keyturn.key":
                self.seen.append((path.name, path.read_bytes()))

    def findings(self) -> Iterator[str]:
        for secret in self.secrets:
            for form in forms(secret):
                for what, data in self.seen:
                    if form in data:
                        yield f"{form!r} in {what}"


def prepared(ready: Path, pg: Database) -> tuple[Ground, Watch]:
    users = tuple(pg.create_role(f"canary_{n}", secret) for n, secret in enumerate(TEMPORARY, 1))
    admin = pg.create_role("canary_admin", ADMIN, options="LOGIN CREATEROLE")
    for user in users:
        grant = sql.SQL("GRANT {} TO {} WITH ADMIN OPTION")
        pg.execute(grant.format(sql.Identifier(user), sql.Identifier(admin)))
    ground = Ground(pg, (users[0], users[1]), TEMPORARY)
    return ground, Watch(ground, ready)


def test_no_secret_is_anywhere_it_was_not_asked_for(ready: Path, pg: Database) -> None:
    ground, watch = prepared(ready, pg)
    logged_before = len(pg.server.log())
    body = ground.connection_body
    body["credentials"] |= {"username": pg.role_name("canary_admin"), "password": WRONG}
    add = ("connections", "add", "postgres", "--file", "-")
    assert watch.call(*add, stdin=json.dumps(body)).code == 1
    body["credentials"]["password"] = ADMIN
    body["unknown"] = ADMIN
    body["credentials"]["alsoUnknown"] = TEMPORARY[0]
    assert watch.call(*add, stdin=json.dumps(body)).code == 0
    assert watch.call(*add, stdin=json.dumps(body)[:-9]).code == 2
    for words in (["list"], ["list", "--json"], ["show", "my-pg-connection"], ["test", "my-pg-connection"]):
        assert watch.call("connections", *words).code == 0

    create = ("rotations", "create", "postgres-credentials", "--file", "-")
    raising = "DO $x$ BEGIN RAISE EXCEPTION '% gets %', '{{username}}', '{{password}}'; END $x$"
    refused = {**ground.rotation_body["parameters"], "rotationStatement": raising}
    quiet = pg.server.log()[logged_before:]
    failing = watch.call(*create, stdin=json.dumps({**ground.rotation_body, "parameters": refused}))
    assert failing.code == 1
    logged_before = len(pg.server.log())  # a statement that says its password is logged by the server as written
    assert watch.call(*create, stdin=json.dumps(ground.rotation_body)).code == 0
    watch.learn()

    for _ in range(3):
        with ground.locked(next_user(ground)) as unlock, Running("rotations", "rotate", NAME) as rotating:
            rotating.hear("guard")
            watch.look_around()
            unlock()
            assert watch.note(rotating.finish(), "rotate").code == 0
        watch.learn()
        assert ground.published_logs_in()

    for words in (["list"], ["show", NAME], ["show", NAME, "--json"], ["history", NAME, "--json"], ["check", NAME]):
        assert watch.call("rotations", *words).code == 0
    exported = watch.asked("secrets", "export", "--format", "json").json
    assert exported["POSTGRES_DB_PASSWORD"] in watch.secrets
    for words in (["secrets", "get", "POSTGRES_DB_PASSWORD"], ["rotations", "credentials", NAME]):
        assert exported["POSTGRES_DB_PASSWORD"] in watch.asked(*words).out

    user = next_user(ground)
    pg.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(user)))
    assert watch.call("rotations", "rotate", NAME).code == 1
    watch.learn()
    make_due(rotation_id(ground))
    assert watch.note(process("--run-scheduler", "--once"), "scheduler").code == 1
    assert watch.call("rotations", "check", NAME, "--json").code == 1
    watch.learn()
    pg.execute(sql.SQL("ALTER ROLE {} LOGIN").format(sql.Identifier(user)))
    assert watch.call("rotations", "rotate", NAME, "--json").code == 0
    watch.learn()
    with Running("--run-scheduler") as loop:
        loop.hear("event=started")
        watch.look_around()
        loop.signal(signal.SIGTERM)
        assert watch.note(loop.finish(), "scheduler").code == 0

    revoke = sql.SQL("REVOKE ADMIN OPTION FOR {} FROM {}")
    admin = sql.Identifier(pg.role_name("canary_admin"))
    pg.execute(revoke.format(sql.Identifier(ground.users[0]), admin))
    assert watch.call("rotations", "delete", NAME, "--revoke", "--yes").code == 1
    pg.execute(sql.SQL("GRANT {} TO {} WITH ADMIN OPTION").format(sql.Identifier(ground.users[0]), admin))
    assert watch.call("rotations", "delete", NAME, "--revoke", "--yes").code == 0
    assert not ground.published_logs_in()
    assert watch.call("events", "--json").code == 0
    assert watch.call("connections", "remove", "my-pg-connection").code == 0

    watch.look_around()
    assert len(watch.secrets) >= 11
    own_log = quiet + pg.server.log()[logged_before:]
    assert "ALTER ROLE" in own_log  # it logs all statements indeed
    watch.seen.append(("server log", own_log.encode()))
    assert list(watch.findings()) == []
    for what, data in watch.seen:
        assert what == "server log" or what.startswith("environ ") or not GENERATED.search(data), what
    assert os.environ["KEYTURN_HOME"] == str(ready)


def next_user(ground: Ground) -> str:
    active = ground.published()["POSTGRES_DB_USERNAME"]
    return ground.users[1 - ground.users.index(active)]


def rotation_id(ground: Ground) -> str:
    found: str = keyturn("rotations", "show", NAME, "--json").json["secretRotation"]["id"]
    return found


def test_the_search_would_find_what_it_looks_for(ready: Path, pg: Database) -> None:
    """The same search with a leak in each kind of place."""
    ground, watch = prepared(ready, pg)
    for number, secret in enumerate(sorted(watch.secrets)):
        for form in forms(secret):
            watch.seen = [("a place", b"before" + form + b"after")]
            assert list(watch.findings()), (number, form)
    assert GENERATED.search(b"a message with " + b"aB3" * 16 + b".")
    with Running("rotations", "history", TEMPORARY[0], CANARY_IN_ENVIRONMENT=TEMPORARY[1]) as leaking:
        watch.seen = []
        os.kill(leaking.popen.pid, signal.SIGSTOP)
        watch.look_around()
    found = "\n".join(watch.findings())
    assert f"cmdline of {leaking.popen.pid}" in found
    assert f"environ of {leaking.popen.pid}" in found
    assert ground.users
