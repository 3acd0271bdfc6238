"""The script that prepares a database for two users who take turns: shown to people, or run by Keyturn."""

from __future__ import annotations

import os

from providers.postgres_errors import admin_grant, identifier, literal

_HEAD = """\
-- Two users who take turns in the database {comment}, and one role that owns whatever either of them creates:
-- what belonged to one of them alone, the other could not change. What exists already is left alone.
-- Run this in that database, as a superuser or as its owner with CREATEROLE. The users get no password here:
-- the first rotation sets theirs.
DO {tag}
DECLARE
  found record;
BEGIN
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true);

  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {shared_text}) THEN
    CREATE ROLE {shared} NOLOGIN;
  ELSIF EXISTS (SELECT FROM pg_roles WHERE rolname = {shared_text} AND (rolcanlogin OR rolsuper)) THEN
    RAISE EXCEPTION USING MESSAGE = {taken_text}, HINT = 'Rename that role, or set the users up by hand.';
  END IF;
"""

_USER = """
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {user_text}) THEN
    CREATE ROLE {user} LOGIN IN ROLE {shared};
  ELSIF NOT pg_has_role({user_text}, {shared_text}, 'MEMBER') THEN
    GRANT {shared} TO {user};
  END IF;
  IF NOT EXISTS (
    SELECT FROM pg_db_role_setting JOIN pg_roles ON pg_roles.oid = setrole, unnest(setconfig) AS setting
    WHERE rolname = {user_text} AND setting LIKE 'role=%'
  ) THEN
    ALTER ROLE {user} SET role TO {shared_text};
  END IF;
  -- Since PostgreSQL 16 CREATEROLE reaches only the roles that one created oneself or has ADMIN on.
  IF current_setting('server_version_num')::int >= 160000
    AND EXISTS (SELECT FROM pg_roles WHERE rolname = {admin_text})
    AND NOT pg_has_role({admin_text}, {user_text}, 'USAGE WITH ADMIN OPTION')
  THEN
    EXECUTE {grant_text};
  END IF;
"""

_PRIVILEGES = """
  GRANT CONNECT ON DATABASE {database} TO {shared};
  GRANT USAGE, CREATE ON SCHEMA public TO {shared};
  ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {shared};
  ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {shared};
  FOR found IN
    SELECT oid::regclass AS name, relkind FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      AND pg_has_role(relowner, 'USAGE')  -- somebody else's are not ours to give
  LOOP
    IF found.relkind = 'S' THEN
      EXECUTE format('GRANT USAGE, SELECT, UPDATE ON SEQUENCE %s TO %I', found.name, {shared_text});
    ELSE
      EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE %s TO %I', found.name, {shared_text});
    END IF;
  END LOOP;
END
{tag};
"""


def script(users: tuple[str, str], *, admin: str, database: str) -> str:
    """Return the script. `admin` is the role that is to change the users' passwords."""
    shared = shared_role(users, admin, database)
    names = {
        "database": identifier(database),
        "comment": " ".join(database.split()),
        "shared": identifier(shared),
        "shared_text": literal(shared),
        "taken_text": literal(f'The role "{shared}" exists already, but it may log in or is a superuser.'),
        "admin_text": literal(admin),
    }
    # No name can end the block early: the tag grows until it is in none of them.
    names["tag"] = tag = "$keyturn$"
    while any(tag in name for name in (*names.values(), *users) if name != tag):
        names["tag"] = tag = f"{tag[:-1]}_$"
    blocks = [_HEAD]
    for user in users:
        grant = admin_grant(user, admin).rstrip(";")
        values = {"user": identifier(user), "user_text": literal(user), "grant_text": literal(grant)}
        blocks.append(_USER.format(**values, **names))
    return "".join([_HEAD.format(**names), *blocks[1:], _PRIVILEGES.format(**names)])


def shared_role(users: tuple[str, str], admin: str, database: str) -> str:
    """Return the name of the role that the two users share, always the same for the same names."""
    common = os.path.commonprefix(users).rstrip("0123456789_-. ")  # noqa: RUF071 - no paths
    stem = common if len(common) > 2 else database
    if stem.startswith("pg_"):
        stem = f"keyturn_{stem}"  # PostgreSQL keeps the names that begin so for itself
    name = ""
    for suffix in ("_shared", "_owner", "_group", "_common"):
        room = stem.encode()[: 63 - len(suffix)]
        name = room.decode(errors="ignore") + suffix
        if name not in {*users, admin}:
            break
    return name
