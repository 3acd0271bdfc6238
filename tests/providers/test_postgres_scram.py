"""SCRAM verifiers made without a connection are what the server makes of the same password."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg import pq, sql

from providers.postgres_scram import belongs_to, verifier
from tests.conftest import Database

PASSWORDS = [
    "plain-0123456789",
    "żółć",
    "a\u00a0no-break space",
    "soft\u00adhyphen",
    "zero\u200bwidth",
    "\u2163 roman",
    "ﷺ",
    "\u0627\u0031",
    "\u0340 forbidden, but not what it is normalised to",
    "\u2135 right to left, but not what it is normalised to",
    "\U0002f95f normalised otherwise since",
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


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8))
@example("\u0627\u2135\u0627")
def test_a_verifier_of_libpqs_belongs_to_the_password(password: str) -> None:
    unconnected = pq.PGconn.connect_start(b"host=127.0.0.1 port=1")
    made = unconnected.encrypt_password(password.encode(), b"user", b"scram-sha-256").decode()
    unconnected.finish()
    assert belongs_to(made, password)


@pytest.mark.parametrize("text", ["", "md5abc", "SCRAM-SHA-256$0:AAAA$AAAA:AAAA", "SCRAM-SHA-256$4096:A$AAAA:AAAA"])
def test_what_is_no_verifier_belongs_to_no_password(text: str) -> None:
    assert not belongs_to(text, "x")


def test_each_has_a_salt_of_its_own() -> None:
    assert verifier("x") != verifier("x")
