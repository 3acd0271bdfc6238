"""`keyturn drill CONNECTION`: on somebody's own server, of which it leaves nothing changed."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from app.errors import EXIT_FAILED, EXIT_NOT_FOUND, EXIT_USAGE
from tests.cli.ground import Running, done, keyturn, on_terminal, until
from tests.conftest import Database
from tests.standins.iam import Aws

PASSWORD = "the-admin-s-own-Q7x"
QUICK = "move: not disturbed"


@pytest.fixture(autouse=True)
def _heed_signals() -> Iterator[None]:
    """A test run in the background of a shell would pass on to its processes that signals are ignored."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@dataclass(frozen=True)
class Own:
    """Somebody's server and store, with the connection `own` by a role that is no superuser."""

    pg: Database
    home: Path

    def roles(self) -> list[tuple[object, ...]]:
        query = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'keyturn_drill_%%' AND pg_has_role(%s, oid, 'MEMBER')"
        return list(self.pg.execute(query, self.pg.role_name("own")))


@pytest.fixture
def own(home: Path, pg: Database) -> Own:
    admin = pg.create_role("own", PASSWORD, options="LOGIN CREATEROLE")
    place = {"host": pg.host, "port": pg.port, "database": pg.database, "sslEnabled": False}
    body = {
        "name": "own",
        "method": "username-and-password",
        "credentials": {**place, "username": admin, "password": PASSWORD},
    }
    done("connections", "add", "postgres", "--file", "-", stdin=json.dumps(body))
    return Own(pg, home)


def test_it_says_what_it_found_and_leaves_nothing_behind(own: Own) -> None:
    ran = done("drill", "own", "--yes", "--only", QUICK, "--at-once", "1")
    (cells, summary) = ran.lines
    assert cells[:3] == ["move", "not disturbed", ""]
    assert int(cells[3]) > 0
    assert cells[5:] == ["ok", "postgres-credentials"]
    assert summary[0].startswith("1 points, 0 failed.")
    assert PASSWORD not in ran.said
    assert own.roles() == []
    assert done("rotations", "list", "--json").json == {"secretRotations": []}


@pytest.mark.soak
def test_json_is_one_document(own: Own) -> None:
    ran = done("drill", "own", "--yes", "--only", QUICK, "--at-once", "1", "--json")
    assert ran.json["failed"] == 0
    assert [point["whatHappens"] for point in ran.json["points"]] == ["not disturbed"]


ENDS = (
    signal.SIGINT,
    pytest.param(signal.SIGTERM, marks=pytest.mark.soak),
    pytest.param(signal.SIGHUP, marks=pytest.mark.soak),
)


@pytest.mark.parametrize("end", ENDS)
def test_broken_off_it_removes_its_users_and_processes(own: Own, end: signal.Signals) -> None:
    with Running("drill", "own", "--yes", "--at-once", "1") as drill:
        until(lambda: psutil.Process(drill.popen.pid).children() != [])
        children = psutil.Process(drill.popen.pid).children()
        assert own.roles() != []
        drill.signal(end)
        ran = drill.finish()
    assert not any(child.is_running() for child in children)
    assert ran.code == 128 + (signal.SIGINT if end == signal.SIGINT else signal.SIGTERM)
    assert "is removed" in ran.err
    assert own.roles() == []


def test_what_cannot_be_removed_is_named_with_the_statement_that_does_it(own: Own) -> None:
    with Running("drill", "own", "--yes", "--at-once", "1") as drill:
        until(lambda: own.roles() != [])
        made = own.roles()
        own.pg.execute(f"ALTER ROLE {own.pg.role_name('own')} NOLOGIN NOCREATEROLE")
        try:
            drill.signal(signal.SIGINT)
            ran = drill.finish()
        finally:
            for (name,) in made:
                own.pg.execute(f'DROP ROLE IF EXISTS "{name}"')
    assert "could not be removed" in ran.err
    assert all(f'"{name}"' in ran.err for (name,) in made)
    assert "DROP ROLE" in ran.err


def test_a_connection_to_a_cloud_is_refused(home: Path, aws: Aws) -> None:
    done("connections", "add", "aws", "--file", "-", stdin=json.dumps(aws.connection_body))
    aws.account.calls()
    ran = keyturn("drill", "my-aws-connection", "--yes")
    assert ran.code == EXIT_USAGE
    assert "The drill at a target of your own is for PostgreSQL." in ran.err
    assert aws.account.calls() == []


def test_it_asks_first(own: Own) -> None:
    code, said = on_terminal("drill", "own", answer=b"no\n", prompt=b"Type yes to begin")
    assert code == EXIT_FAILED
    assert "keyturn_drill_" in said
    assert "Nothing was done." in said


def test_without_a_terminal_nobody_can_be_asked(own: Own) -> None:
    ran = keyturn("drill", "own")
    assert ran.code == EXIT_USAGE
    assert "--yes" in ran.err
    assert keyturn("drill", "nobody", "--yes").code == EXIT_NOT_FOUND
    assert own.roles() == []
