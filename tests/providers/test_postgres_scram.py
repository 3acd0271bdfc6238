"""SCRAM verifiers made without a connection are what the server makes of the same password."""

from __future__ import annotations

import pytest
from psycopg import sql

from providers.postgres_scram import belongs_to, verifier
from tests.conftest import Database

PASSWORDS = [
    "plain-0123456789",
    "żółć",
    "a\u00a0no-break space",
    "soft\u00adhyphen",
    "\u2163 roman",
    "ﷺ",
    "\u0627\u0031",
    "tab\there",
]


def test_the_server_takes_our_verifier_and_lets_the_password_in(pg: Database) -> None:
    user = pg.create_role("scram", "temporary")
    for password in PASSWORDS:
        with pg.connect() as connection:
            made = sql.Literal(verifier(password))
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(user), made))
        assert pg.login(user, password), password
        assert not pg.login(user, password + "x")


def test_the_servers_own_verifier_belongs_to_the_password(pg: Database) -> None:
    user = pg.create_role("scram", "temporary")
    for password in PASSWORDS:
        with pg.connect() as connection:
            statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(user), sql.Literal(password))
            connection.execute("SET password_encryption = 'scram-sha-256'")
            connection.execute(statement)
        ((made,),) = pg.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", user)
        assert belongs_to(made, password), password
        assert not belongs_to(made, password + "x")


@pytest.mark.parametrize("text", ["", "md5abc", "SCRAM-SHA-256$0:AAAA$AAAA:AAAA", "SCRAM-SHA-256$4096:A$AAAA:AAAA"])
def test_what_is_no_verifier_belongs_to_no_password(text: str) -> None:
    assert not belongs_to(text, "x")


def test_each_has_a_salt_of_its_own() -> None:
    assert verifier("x") != verifier("x")
