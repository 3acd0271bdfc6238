"""What libpq and PgBouncer read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from app.deliver.sections import replaced
from app.deliver.source import Source
from app.errors import KeyturnError
from providers.postgres_scram import belongs_to, verifier

_ENTRY = re.compile(r'^"((?:[^"]|"")*)" "((?:[^"]|"")*)"', re.MULTILINE)


def pgpass(source: Source, options: Mapping[str, Any], before: str) -> str:
    """Both users, so that whichever name a program has, its password is here."""
    del options, before
    server = source.server
    place = (str(server["host"]), str(server["port"]), str(server["database"]))
    lines = []
    for held in _accepted(source):
        fields = (*place, held["username"], held["password"])
        _refuse_line_ends(fields, "a password file")
        lines.append(":".join(re.sub(r"([\\:])", r"\\\1", field) for field in fields) + "\n")
    return "".join(lines)


def service(source: Source, options: Mapping[str, Any], before: str) -> str:
    """The active user as one service of pg_service.conf; other services stay."""
    active, server = source.credentials[0], source.server
    values = {
        "host": str(server["host"]),
        "port": str(server["port"]),
        "dbname": str(server["database"]),
        "user": active["username"],
        "password": active["password"],
    }
    return replaced(before, options["service"], values, "=")


def userlist(source: Source, options: Mapping[str, Any], before: str) -> str:
    """Both users of PgBouncer's auth_file: a SCRAM verifier each, or the password itself when `plain` is set.

    A verifier holds a random salt. One that stands there already and fits the password stays, so that nothing changes
    when nothing did.
    """
    known = {_bare(user): _bare(secret) for user, secret in _ENTRY.findall(before)}
    lines = []
    for held in _accepted(source):
        user, password = held["username"], held["password"]
        _refuse_line_ends((user, password), "a user list")
        secret = known.get(user, "")
        if options.get("plain"):
            secret = password
        elif not belongs_to(secret, password):
            secret = verifier(password)
        lines.append(f'"{_doubled(user)}" "{_doubled(secret)}"\n')
    return "".join(lines)


def _accepted(source: Source) -> list[Mapping[str, str]]:
    """What the server lets in, one for each user, by name, so that a publication changes nothing any more.

    Of two passwords the later one holds.
    """
    found = {held["username"]: held for held in (*source.credentials, *source.coming)}
    for held in source.former:
        found.setdefault(held["username"], held)
    return [found[user] for user in sorted(found)]


def _refuse_line_ends(fields: tuple[str, ...], where: str) -> None:
    if any(end in field for field in fields for end in "\n\r\0"):
        raise KeyturnError(f"A user or password with a line end fits in no line of {where}.")


def _doubled(text: str) -> str:
    return text.replace('"', '""')


def _bare(text: str) -> str:
    return text.replace('""', '"')
