"""No password shows where it is not asked for: in the server's log, in errors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.demo.server import PrivateServer
from providers.base import (
    Issue,
    Outcome,
    TargetRefused,
)
from providers.postgres import PostgresTarget
from providers.postgres_credentials import PROVIDER
from providers.postgres_errors import withhold
from providers.postgres_statement import DEFAULT_STATEMENT
from tests.conftest import Database
from tests.providers.conftest import candidate, parameters, rotate, superuser_of
from tests.variants import few

ROLES = few(["ordinary", "superuser"])


@pytest.fixture
def talkative(pg_version: str) -> Iterator[PrivateServer]:
    """A server that logs all it can."""
    settings = {
        "log_statement": "all",
        "log_min_duration_statement": "0",
        "log_min_error_statement": "debug5",
        "log_min_messages": "debug1",
        "log_parameter_max_length": "-1",
        "log_parameter_max_length_on_error": "-1",
        "log_error_verbosity": "verbose",
        "log_connections": "all" if pg_version == "18" else "on",
        "log_duration": "on",
    }
    with PrivateServer(pg_version, settings=settings) as server:
        yield server


@pytest.mark.pg_versions
@pytest.mark.parametrize("role", ROLES)
async def test_the_password_never_shows_in_the_servers_log(talkative: PrivateServer, role: str) -> None:
    with talkative.connect() as superuser:
        superuser.execute("CREATE ROLE app LOGIN")
        superuser.execute("CREATE ROLE rotator LOGIN CREATEROLE PASSWORD 'rotator-secret'")
        if superuser.info.server_version >= 160000:
            superuser.execute("GRANT app TO rotator WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    login = {"username": "rotator", "password": "rotator-secret"} if role == "ordinary" else {}
    target = PostgresTarget(superuser_of(talkative, **login))
    given = [
        parameters("app"),
        parameters("app", rotationStatement=DEFAULT_STATEMENT),
        parameters("app", rotationStatement="DO $k$BEGIN ALTER ROLE {{username}} PASSWORD {{password}}; END$k$"),
    ]
    passwords = []
    for chosen in given:
        issued = await rotate(target, chosen)
        passwords.append(issued.values["password"])
        await PROVIDER.preflight(target, chosen)
        await PROVIDER.revoke(target, chosen, issued)
    missing = candidate(parameters("missing"))
    with pytest.raises(TargetRefused):
        await PROVIDER.issue(target, parameters("missing"), Issue(0, missing))
    await target.close()
    log = talkative.log()
    assert "connection authorized" in log
    assert not [password for password in (*passwords, missing.values["password"]) if password in log]
    assert ("ALTER ROLE" in log) is (role == "ordinary")
    assert ("SCRAM-SHA-256$" in log) is (role == "ordinary")


@pytest.mark.pg_versions
@pytest.mark.parametrize("role", ROLES)
async def test_a_superuser_hides_even_a_password_that_has_to_be_sent(talkative: PrivateServer, role: str) -> None:
    """That the ordinary role's shows up proves that the log would tell."""
    with talkative.connect() as superuser:
        superuser.execute("CREATE ROLE app LOGIN")
        superuser.execute("CREATE ROLE ordinary LOGIN PASSWORD 'x'")
    login = {"username": "ordinary", "password": "x"} if role == "ordinary" else {}
    target = PostgresTarget(superuser_of(talkative, **login))
    given = parameters("app", rotationStatement="SELECT '{{username}}', '{{password}}'")
    wanted = candidate(given)
    await PROVIDER.issue(target, given, Issue(0, wanted))
    await target.close()
    assert ("SELECT 'app'," in talkative.log()) is (role == "ordinary")
    assert (wanted.values["password"] in talkative.log()) is (role == "ordinary")


async def test_a_server_that_quotes_the_password_is_not_passed_on(pg: Database, target: PostgresTarget) -> None:
    given = parameters(pg.create_role("app"), rotationStatement="SELECT '{{password}}'::int, '{{username}}'")
    wanted = candidate(given)
    with pytest.raises(TargetRefused, match="withheld") as caught:
        await PROVIDER.issue(target, given, Issue(0, wanted))
    assert wanted.values["password"] not in f"{caught.value} {caught.value.remedy}"
    assert caught.value.outcome is Outcome.UNCHANGED


def test_parts_of_a_secret_count_too() -> None:
    assert withhold('syntax error at or near "cdef"', ("abcdefgh",)).startswith("(the server's message is withheld")
    assert withhold("syntax error", ("abcdefgh", "")) == "syntax error"
    assert withhold("the x", ("x",)).startswith("(the server's")
