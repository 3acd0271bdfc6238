"""The whole story in a real terminal, with keys alone: set up, rotate, look, a failing target, recovery, quit."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from tests.conftest import Database
from tests.tui.ground import open_here
from tests.tui.terminal import Tty

pytestmark = pytest.mark.usefixtures("home", "own_interpreters")
_CLEAR = "\x05\x15"  # to the end of the line, and everything before it away


@pytest.fixture
def users(pg: Database) -> tuple[str, str]:
    """Two users, and somebody who may change their passwords and nothing else."""
    admin = pg.create_role("admin", "admin-password", options="LOGIN CREATEROLE")
    first, second = (pg.create_role(f"story_{number}", "temporary") for number in (1, 2))
    grant = sql.SQL("GRANT {}, {} TO {} WITH ADMIN TRUE")
    pg.execute(grant.format(*map(sql.Identifier, (first, second, admin))))
    return first, second


def let_in(pg: Database, name: str, may: bool) -> None:
    """Whether the server lets that user in from now on; who is in already is put out."""
    word = sql.SQL("LOGIN" if may else "NOLOGIN")
    pg.execute(sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(name), word))
    pg.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", name)


def logs_in(pg: Database, user: str, password: str) -> bool:
    try:
        pg.connect(user, password).close()
    except psycopg.OperationalError:
        return False
    return True


def set_up_a_connection(tty: Tty, pg: Database) -> None:
    tty.sees("New connection", "Name")
    for text in ("ops", "", pg.host, f"{_CLEAR}{pg.port}", pg.database, pg.role_name("admin"), "admin-password"):
        tty.press(*text, "enter")
    tty.press(" ")  # no TLS on this server
    tty.press(_NEXT)


_NEXT = "\x0e"  # ctrl+n


async def test_from_nothing_to_a_rotation_that_survives_a_failing_target(pg: Database, users: tuple[str, str]) -> None:
    first, second = users
    with Tty() as tty:
        tty.sees("No rotations yet")
        tty.press("n")
        tty.sees("What do you want to rotate?")
        tty.press("enter")
        tty.sees("none yet: set up a new one")
        tty.press("enter")
        set_up_a_connection(tty, pg)
        tty.sees(f"{pg.role_name('admin')}@")
        tty.press(_NEXT)
        tty.sees("First username")
        tty.press(*first, "enter", *second)
        tty.sees(second)
        tty.press(_NEXT)
        tty.sees("● 3 Mapping")
        tty.press(_NEXT)
        tty.sees("● 4 Details")
        tty.press(*f"{_CLEAR}billing")
        tty.sees("billing")
        tty.press(_NEXT)
        tty.sees("checks passed")
        tty.press(_NEXT)
        tty.sees("billing is set up")
        tty.press("enter")
        tty.sees("Credentials", "active", first)

        tty.press("r")
        tty.sees("Rotate billing now?")
        tty.press("enter")
        tty.sees("Done: the new credential")
        tty.press("enter")
        tty.sees_not("Done: the new credential")
        async with open_here() as service:
            held = (await service.rotations.credentials("billing")).generated_credentials
        active = next(each for each in held if each["username"] == second)
        assert logs_in(pg, second, active["password"])
        assert not tty.shows(active["password"])
        tty.press("v")
        tty.sees(active["password"])
        tty.press("v")
        tty.sees_not(active["password"])

        let_in(pg, pg.role_name("admin"), may=False)
        tty.press("r")
        tty.sees("Rotate billing now?")
        tty.press("enter")
        tty.sees("may not log in", "still works")
        tty.press("escape")
        tty.sees("failing", f"{second} stays published")
        assert logs_in(pg, second, active["password"])

        let_in(pg, pg.role_name("admin"), may=True)
        tty.press("r")
        tty.sees("Rotate billing now?")
        tty.press("enter")
        tty.sees("Done: the new credential")
        tty.press("enter")
        tty.sees("healthy")
        tty.press("escape")
        tty.sees("Status", "✓ healthy", "billing")
        tty.press("q")
        assert tty.ends() == 0
        assert tty.restored
