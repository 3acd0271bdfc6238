"""`keyturn rotations emergency` on a real server: sessions that are open end, processes die, and all is finished."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from store import leases
from tests.cli.ground import Ground, done, keyturn, on_terminal, process, until, with_service, without_secrets

NAME = "my-pg-rotation"


def passwords() -> list[str]:
    found = done("rotations", "credentials", NAME, "--json").json["generatedCredentials"]
    return [each["password"] for each in found]


@contextlib.contextmanager
def session(ground: Ground, slot: int, password: str, application: str) -> Iterator[psycopg.Connection[object]]:
    """A program that stays connected."""
    with ground.pg.connect(ground.users[slot], password) as connection:
        connection.execute(sql.SQL("SET application_name = {}").format(sql.Literal(application)))
        yield connection


def lives(connection: psycopg.Connection[object]) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def test_both_passwords_are_dead_and_the_sessions_they_opened_are_ended(connected: Ground) -> None:
    connected.create()
    former = passwords()
    with (
        session(connected, 0, former[0], "billing-api") as active,
        session(connected, 1, former[1], "batch") as inactive,
        session(connected, 1, former[1], "batch"),
    ):
        ran = done("rotations", "emergency", NAME, "--yes", "--json")
        assert not lives(active)
        assert not lives(inactive)
    report = ran.json["emergency"]
    after = passwords()
    assert not any(connected.pg.login(*pair) for pair in zip(connected.users, former, strict=True))
    assert all(connected.pg.login(*pair) for pair in zip(connected.users, after, strict=True))
    assert connected.published()["POSTGRES_DB_USERNAME"] == connected.users[1]
    assert {(use["who"], use["where"], use["count"]) for use in report["ended"]} == {
        ("billing-api", "127.0.0.1", 1),
        ("batch", "127.0.0.1", 2),
    }
    assert report["left"] == []
    assert [dead["identity"] for dead in report["dead"]] == [connected.users[1], connected.users[0]]
    assert [step["step"] for step in report["steps"]].count("sessions") == 2
    assert all(step["ms"] >= 0 for step in report["steps"])
    assert report["ms"] > 0
    assert without_secrets(ran.said, [*former, *after, *connected.secrets])
    assert "ended: batch from 127.0.0.1 (2 sessions)" in done("rotations", "history", NAME, "--json").out


def test_whoever_logged_in_with_the_new_one_stays(connected: Ground) -> None:
    """A program that read the new value before the former one's sessions were ended."""
    connected.create()
    with contextlib.ExitStack() as stack:
        dead = process("rotations", "emergency", NAME, "--yes", KEYTURN_FAILPOINT="publish.recorded#2", **SHORT)
        assert dead.code == -signal.SIGKILL
        values = connected.published()
        early = stack.enter_context(session(connected, 1, values["POSTGRES_DB_PASSWORD"], "billing-api"))
        finish()
        assert lives(early)


SHORT = {"KEYTURN_LEASE_SECONDS": "2"}


def finish() -> None:
    """The loop does, as soon as the dead one's lease has run out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEYTURN_LEASE_SECONDS", SHORT["KEYTURN_LEASE_SECONDS"])

        def finished() -> bool:
            assert keyturn("--run-scheduler", "--once").code == 0
            return bool(done("events", "--json").out.count("Both credentials were renewed."))

        until(finished)


@pytest.mark.parametrize(
    "point",
    [
        "issue.called#2",
        "sessions.called",
        *(
            pytest.param(p, marks=pytest.mark.soak)
            for p in ("emergency.asked", "publish.uncommitted", "plan.recorded#2")
        ),
    ],
)
def test_killed_in_the_middle_it_is_finished_by_the_loop(connected: Ground, point: str) -> None:
    connected.create(isAutoRotationEnabled=False)
    former = passwords()
    with session(connected, 0, former[0], "billing-api") as active:
        dead = process("rotations", "emergency", NAME, "--yes", KEYTURN_FAILPOINT=point, **SHORT)
        assert dead.code == -signal.SIGKILL
        assert connected.published_logs_in()
        finish()
        assert not lives(active)
    assert not any(connected.pg.login(*pair) for pair in zip(connected.users, former, strict=True))
    assert all(connected.pg.login(*pair) for pair in zip(connected.users, passwords(), strict=True))
    assert connected.published_logs_in()


def test_without_the_right_to_end_sessions_it_says_what_to_grant(ground: Ground) -> None:
    pg, (first, second) = ground.pg, ground.users
    admin = pg.create_role("rotator", "rotator-password-5Tz", options="LOGIN CREATEROLE")
    names = {"admin": sql.Identifier(admin), "first": sql.Identifier(first), "second": sql.Identifier(second)}
    pg.execute(sql.SQL("GRANT {first}, {second} TO {admin} WITH ADMIN TRUE, INHERIT FALSE").format(**names))
    body = ground.connection_body
    body["credentials"] |= {"username": admin, "password": "rotator-password-5Tz"}
    done("connections", "add", "postgres", "--file", "-", stdin=json.dumps(body))
    ground.create()
    grant = f'GRANT pg_signal_backend, pg_read_all_stats TO "{admin}";'
    checks = done("rotations", "plan", NAME, "--json").json["plan"]["checks"]
    assert [check["remedy"] for check in checks if "In an emergency" in check["title"]] == [grant] * 2
    former = passwords()
    with session(ground, 0, former[0], "billing-api") as active:
        ran = keyturn("rotations", "emergency", NAME, "--yes")
        assert lives(active)
        assert ran.code == 1
        assert "STILL OPEN: billing-api" in ran.out
        assert grant in ran.out
        assert not any(pg.login(*pair) for pair in zip(ground.users, former, strict=True))
        assert ground.published_logs_in()
        pg.execute(sql.SQL(grant))
        assert "ended: billing-api from 127.0.0.1" in done("rotations", "emergency", NAME, "--yes").out
        assert not lives(active)
    pg.execute(sql.SQL("REVOKE pg_signal_backend, pg_read_all_stats FROM {admin}").format(**names))


def test_it_asks_for_the_name_and_is_an_error_without_a_terminal(connected: Ground) -> None:
    connected.create()
    before = connected.verifiers()
    asked = keyturn("rotations", "emergency", NAME)
    assert asked.code == 2
    assert "--yes" in asked.err
    code, screen = on_terminal("rotations", "emergency", NAME, answer=b"something\n", prompt=b"go on: ")
    assert code == 1
    assert "Nothing was renewed." in screen
    assert connected.verifiers() == before
    code, screen = on_terminal("rotations", "emergency", NAME, answer=f"{NAME}\n".encode(), prompt=b"go on: ")
    assert code == 0
    assert "What to do now" in screen
    assert not set(before.values()) & set(connected.verifiers().values())


def test_one_that_is_worked_on_is_busy(connected: Ground) -> None:
    rotation_id = connected.create()["id"]
    before = connected.verifiers()
    with_service(lambda service: service.store.write(lambda tx: leases.claim(tx, rotation_id, "another", 60)))
    assert keyturn("rotations", "emergency", NAME, "--yes").code == 4
    assert connected.verifiers() == before
    assert keyturn("rotations", "emergency", "nobody", "--yes").code == 3
