"""rotationStatement: whatever a value holds, the server reads back that value, and nothing else."""

from __future__ import annotations

import string

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg import sql

from providers.postgres_statement import (
    DEFAULT_STATEMENT,
    TemplateError,
    parse,
    problem,
    render,
    uses_plaintext,
)
from tests.conftest import Database

VERIFIER = "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy"
NASTY = "a'b\"c\\d;e%f{{g}}h{{username}}i$$j--k/*l*/m&<>\u00e4\u20ac\U0001f511"


def rendered(template: str, **values: str) -> str:
    given_ = {"username": "u", "password": "p", "database": "d", "verifier": VERIFIER, **values}
    return render(template, **given_)


@pytest.mark.parametrize(
    ("template", "result"),
    [
        (DEFAULT_STATEMENT, f"ALTER USER \"a\"\"b\" WITH PASSWORD '{VERIFIER}'"),
        ("ALTER ROLE {{username}} PASSWORD {{password}}", f"ALTER ROLE \"a\"\"b\" PASSWORD '{VERIFIER}'"),
        ("alter user {{ username }} encrypted password '{{\tpassword }}'",
         f"alter user \"a\"\"b\" encrypted password '{VERIFIER}'"),
        ("ALTER ROLE {{username}} PASSWORD /* new */ E'{{password}}'",
         f"ALTER ROLE \"a\"\"b\" PASSWORD /* new */ E'{VERIFIER}'"),
        ("ALTER ROLE {{username}} PASSWORD $x${{password}}$x$", f"ALTER ROLE \"a\"\"b\" PASSWORD $x${VERIFIER}$x$"),
        ("SELECT f('{{username}}', '{{password}}')", "SELECT f('a\"b', 'c''d\\e')"),
        ("SELECT f(E'{{username}}', E'x{{password}}')", "SELECT f(E'a\"b', E'xc''d\\\\e')"),
        ("SELECT f({{password}}) FROM {{database}}.{{username}}", "SELECT f('c''d\\e') FROM \"x y\".\"a\"\"b\""),
        ("SELECT '{{password}}' AS \"{{username}}!\"", "SELECT 'c''d\\e' AS \"a\"\"b!\""),
        ("SELECT $q${{password}}$q$, {{username}}", "SELECT $q$c'd\\e$q$, \"a\"\"b\""),
        ("DO $$BEGIN ALTER ROLE {{username}} PASSWORD '{{password}}'; END$$",
         f"DO $$BEGIN ALTER ROLE \"a\"\"b\" PASSWORD '{VERIFIER}'; END$$"),
        ("DO $a$BEGIN EXECUTE $b$ALTER ROLE {{username}} PASSWORD {{password}}$b$; END$a$",
         f"DO $a$BEGIN EXECUTE $b$ALTER ROLE \"a\"\"b\" PASSWORD '{VERIFIER}'$b$; END$a$"),
    ],
)  # fmt: skip
def test_a_value_is_written_the_way_its_place_asks_for(template: str, result: str) -> None:
    assert rendered(template, username='a"b', password="c'd\\e", database="x y") == result


@pytest.mark.parametrize(
    ("template", "plaintext"),
    [
        (DEFAULT_STATEMENT, False),
        ("ALTER ROLE {{username}} WITH LOGIN PASSWORD '{{password}}' VALID UNTIL 'infinity'", False),
        ("CREATE USER {{username}} PASSWORD {{password}}", False),
        ("ALTER ROLE {{username}} PASSWORD '{{password}}'; SELECT note('{{password}}')", True),
        ("SELECT set_password('{{username}}', '{{password}}')", True),
        # These want the password itself, although the word stands right before it.
        ("ALTER USER MAPPING FOR {{username}} SERVER s OPTIONS (SET password '{{password}}')", True),
        ("CREATE USER MAPPING FOR {{username}} SERVER s OPTIONS (user 'x', password '{{password}}')", True),
        ("CREATE SERVER {{username}} FOREIGN DATA WRAPPER w OPTIONS (password '{{password}}')", True),
        ("UPDATE users SET password = '{{password}}' WHERE name = '{{username}}'", True),
        ("INSERT INTO users (name, password) VALUES ('{{username}}', '{{password}}')", True),
        ("SELECT password '{{password}}', '{{username}}'", True),
        ("ALTER ROLE x; SELECT password '{{password}}', '{{username}}'", True),
        ("DO $$BEGIN EXECUTE format('ALTER ROLE %I PASSWORD %L', '{{username}}', '{{password}}'); END$$", True),
    ],
)
def test_the_password_itself_is_sent_only_where_it_has_to_be(template: str, plaintext: bool) -> None:
    assert uses_plaintext(template) is plaintext
    assert ("pa55word" in rendered(template, password="pa55word")) is plaintext


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("", "must contain {{username}}"),
        ("ALTER ROLE x PASSWORD '{{password}}'", "must contain {{username}}"),
        ("ALTER ROLE {{username}} NOLOGIN", "must contain {{password}}"),
        ("ALTER ROLE {{user}} PASSWORD '{{password}}'", "{{user}} is no placeholder; there are {{username}}, "),
        ("ALTER ROLE {{username} PASSWORD '{{password}}'", "is no placeholder"),
        ("ALTER ROLE {{username}} PASSWORD '{{{password}}}'", "is no placeholder"),
        ("ALTER ROLE {{#if}}{{username}} PASSWORD '{{password}}'", "is no placeholder"),
        ("ALTER ROLE {{username}} PASSWORD '{{password}}", "an odd number of single quotes"),
        ("ALTER ROLE {{username}} PASSWORD E'{{password}}\\'", "an odd number of single quotes"),
        ('ALTER ROLE "{{username}} NOLOGIN', "an odd number of double quotes"),
        ("DO $x$ ALTER ROLE {{username}} PASSWORD '{{password}}' $y$", "a $x$ without its partner"),
        ("DO $x$ ALTER ROLE {{username}} PASSWORD '{{password}} $x$", "an odd number of single quotes"),
        ("ALTER ROLE {{username}} /* PASSWORD '{{password}}'", "a /* without its */"),
        ("ALTER ROLE {{username}} /* /* */ PASSWORD '{{password}}'", "a /* without its */"),
        ("ALTER ROLE {{username}} PASSWORD '{{password}}' -- for {{username}}", "a placeholder in a comment"),
        ("/* {{username}} */ ALTER ROLE {{username}} PASSWORD '{{password}}'", "a placeholder in a comment"),
        ("SELECT '{{username}}' -- {{password}}\n'', '{{password}}'", "a placeholder in a comment"),
        ('ALTER ROLE {{username}} PASSWORD "{{password}}"', "double quotes, which are for names"),
        ("ALTER ROLE {{username}} PASSWORD '{{password}}x'", "alone between the quotes after PASSWORD"),
        ("ALTER ROLE {{username}} PASSWORD 'x'\n'{{password}}'", "alone between the quotes after PASSWORD"),
        ("ALTER ROLE {{username}} PASSWORD $$ {{password}} $$", "alone between the quotes after PASSWORD"),
        ("ALTER ROLE {{username}}{{database}} PASSWORD '{{password}}'", "{{username}} touches"),
        ("ALTER ROLE x_{{username}} PASSWORD '{{password}}'", "{{username}} touches"),
        ("ALTER ROLE {{username}}_x PASSWORD '{{password}}'", "{{username}} touches"),
        ("ALTER ROLE {{username}} PASSWORD E{{password}}", "{{password}} touches"),
        ("SELECT 'x'{{password}}, {{username}}", "{{password}} touches"),
        ("SELECT E'x'\n{{password}}, {{username}}", "{{password}} touches"),
        ("SELECT {{password}}'x', {{username}}", "{{password}} touches"),
        ("SELECT U&{{username}}, '{{password}}'", "{{username}} touches"),
        ("SELECT U&'{{password}}', {{username}}", "begins with B, X or U&"),
        ("SELECT B'{{password}}', {{username}}", "begins with B, X or U&"),
        ("SELECT U&\"{{username}}\", '{{password}}'", "a name that begins with U&"),
        ("BEGIN; ALTER ROLE {{username}} PASSWORD '{{password}}'; COMMIT", "Leave BEGIN out"),
        ("ALTER ROLE {{username}} PASSWORD '{{password}}'; commit;", "Leave COMMIT out"),
        ("start transaction; ALTER ROLE {{username}} PASSWORD '{{password}}'", "Leave START out"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_statement_is_said(template: str, message: str) -> None:
    assert message in problem(template)
    with pytest.raises(TemplateError):
        parse(template)


@pytest.mark.parametrize(
    "template",
    [
        DEFAULT_STATEMENT,
        "  ALTER ROLE {{username}} PASSWORD '{{password}}' ;\n",
        "SELECT 1 -- it's\n, {{username}}, {{password}}",
        "SELECT 1 /* it's /* nested */ \" */, {{username}}, {{password}}",
        "SELECT $$it's$$, $x$ $$ ' $x$, {{username}}, {{password}}",
        "SELECT a$b$c, {{username}}, {{password}}",
        "SELECT x.y[1], 1e5, $1, '{{username}}'::text || '{{password}}'",
        "SELECT 'it''s', E'it\\'s', \"it's\", {{username}}, {{password}}",
        "SELECT é'x', {{username}}, {{password}}",
        "SELECT 'a' -- b\n'{{password}}', {{username}}",
    ],
)
def test_ordinary_sql_is_not_complained_about(template: str) -> None:
    assert problem(template) == ""


def test_what_is_not_a_placeholder_is_left_alone() -> None:
    around = "SELECT 'it''s -- no comment', \"it's\", $$ 'odd $$, E'\\\\', 1 /* ' */ -- \"\n, "
    assert rendered(f"{around}{{{{username}}}}, {{{{password}}}}") == f"{around}\"u\", 'p'"


def test_a_value_is_never_taken_for_a_placeholder() -> None:
    template = "SELECT '{{username}}', '{{password}}'"
    assert rendered(template, username="{{password}}", password="{{username}}") == (
        "SELECT '{{password}}', '{{username}}'"
    )


@pytest.mark.parametrize("value", ["x$$y", "$$", "x$"])
def test_a_value_that_would_end_its_block_is_refused(value: str) -> None:
    with pytest.raises(TemplateError, match="ends the block"):
        rendered("DO $$SELECT {{username}}, note($x${{password}}$x$), '{{password}}'$$", password=value * 2)
    assert rendered("DO $q$SELECT {{username}}, '{{password}}'$q$", password=value)


def test_a_value_at_the_edge_of_its_block_is_refused() -> None:
    with pytest.raises(TemplateError, match="ends the block"):
        rendered("SELECT $${{password}}$$, {{username}}", password="x$")


@pytest.mark.parametrize("value", ["it's", 'say "hi"', "back\\slash", "dollar$"])
def test_a_value_that_would_be_read_twice_must_be_harmless(value: str) -> None:
    template = "DO $q$BEGIN EXECUTE 'ALTER ROLE \"{{username}}\" PASSWORD ''{{password}}'''; END$q$"
    assert "PASSWORD ''harmless-1'''" in rendered(template, password="harmless-1")
    with pytest.raises(TemplateError, match=r"quotes within a string.*%L") as caught:
        rendered(template, password=value)
    assert value not in str(caught.value)


# -- the server as the judge -------------------------------------------------------------------------------------

SLOW = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
values = st.text(
    st.one_of(
        st.sampled_from("'\"\\$;%{}-/*&<>=` \n\tEeUu"),
        st.sampled_from(string.ascii_letters + string.digits),
        st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"),
    ),
    min_size=1,
    max_size=30,
)


@SLOW
@given(value=values)
@example(NASTY)
@example("'; DROP ROLE x; --")
@example("\\'; SELECT 1; --")
@example("\\")
def test_a_password_arrives_as_it_is(pg: Database, value: str) -> None:
    template = """
        SELECT '{{password}}', E'{{password}}', {{password}}, 'a{{password}}b', E'\\\\{{password}}\\'',
            'a' -- a comment
            '{{password}}', e'a'
            '{{password}}', N'{{password}}', 'x'::text||{{password}}, '{{username}}', '{{database}}'
    """
    statement = rendered(template, username="some 'one", password=value, database="d")
    with pg.connect() as connection:
        [row] = connection.execute(statement.encode()).fetchall()
    alone, continued = [value] * 3, [f"a{value}"] * 2
    around = [f"a{value}b", f"\\{value}'"]
    assert list(row) == [*alone, *around, *continued, value, f"x{value}", "some 'one", "d"]


@SLOW
@given(value=values)
@example(NASTY)
def test_a_password_arrives_through_a_block(pg: Database, value: str) -> None:
    template = """
        DO $keyturn$ BEGIN
            -- it's in a block
            PERFORM set_config('keyturn.a', {{password}}, false), set_config('keyturn.b', E'-{{password}}', false),
                set_config('keyturn.c', $c$'{{username}}'$c$, false);
        END $keyturn$
    """
    statement = rendered(template, password=value)
    with pg.connect() as connection:
        connection.execute(statement.encode())
        row = connection.execute("SELECT current_setting('keyturn.a'), current_setting('keyturn.b')").fetchone()
    assert row == (value, f"-{value}")


@SLOW
@given(value=values.filter(lambda value: len(value.encode()) < 60))
@example('"; DROP TABLE x; --')
def test_a_name_arrives_as_it_is(pg: Database, value: str) -> None:
    template = 'SELECT 1 AS {{username}}, 2 AS "{{username}}", 3 AS "a{{username}}b", 4 AS {{database}}, {{password}}'
    statement = rendered(template, username=value, database=value)
    with pg.connect() as connection:
        description = connection.execute(statement.encode()).description
    assert description is not None
    assert [column.name for column in description][:4] == [value, value, f"a{value}b", value]


TEMPLATES = [
    DEFAULT_STATEMENT,
    "ALTER ROLE {{username}} PASSWORD {{password}}",
    "ALTER ROLE \"{{username}}\" ENCRYPTED PASSWORD E'{{password}}' VALID UNTIL 'infinity';",
    "DO $k$BEGIN ALTER ROLE {{username}} PASSWORD '{{password}}'; END$k$",
    "DO $k$BEGIN EXECUTE format('ALTER ROLE %I PASSWORD %L', '{{username}}', '{{password}}'); END$k$",
    "SELECT 'a;b'; ALTER USER {{username}} WITH PASSWORD $k${{password}}$k$; SELECT '{{database}}'",
]
# What would end the templates' own blocks is refused, and tested above; "pg_" is PostgreSQL's own beginning of names.
stems = values.filter(lambda value: len(value.encode()) < 40 and "$k" not in value and f"{value}_"[:3] != "pg_")
passwords = st.text(string.digits + string.ascii_letters + string.punctuation, min_size=1, max_size=60).filter(
    lambda value: "$k" not in value
)


@settings(SLOW, max_examples=40)
@given(template=st.sampled_from(TEMPLATES), stem=stems, password=passwords)
@example(TEMPLATES[0], 'Ä "quoted"\' $$ name', "'; \\ % {{ $$ &amp;")
@example(TEMPLATES[4], "Two  Words", "'\\';--")
def test_what_was_rendered_logs_in(pg: Database, template: str, stem: str, password: str) -> None:
    user = pg.role_name(stem)
    with pg.connect() as connection:
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {0}; CREATE ROLE {0} LOGIN").format(sql.Identifier(user)))
        verifier = connection.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256").decode()
        statement = rendered(template, username=user, password=password, verifier=verifier)
        connection.execute("BEGIN")
        connection.execute(statement.encode())
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        connection.execute("COMMIT")
    assert pg.login(user, password)
