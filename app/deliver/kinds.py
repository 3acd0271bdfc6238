"""The kinds of files, and the one table that says how each is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.deliver import aws_files, formats, postgres_files, template
from app.deliver.source import Source

POSTGRES, AWS = "postgres-credentials", "aws-iam-user-secret"

Options = Mapping[str, Any]
Render = Callable[[Source, Options, str], str]
"""From the source, the target's options, and the text that stands in the file now (empty for none).
Raises KeyturnError for what the kind cannot hold."""


@dataclass(frozen=True)
class Kind:
    """`type`: the rotation type that it is for; empty: any rotation, and any folder.

    `shared`: other entries of the file are left as they are. `options`: names of those that it knows. `ahead`: it is
    read together with a name from elsewhere, so a new credential stands in it before that is published.
    """

    render: Render
    type: str = ""
    shared: bool = False
    options: tuple[str, ...] = ()
    ahead: bool = False


def _format(name: str) -> Render:
    return lambda source, options, before: formats.rendered(source.values, name)


KINDS: Mapping[str, Kind] = {
    "dotenv": Kind(_format("dotenv")),
    "json": Kind(_format("json")),
    "yaml": Kind(_format("yaml")),
    "shell": Kind(_format("shell")),
    "pgpass": Kind(postgres_files.pgpass, POSTGRES, ahead=True),
    "pg-service": Kind(postgres_files.service, POSTGRES, shared=True, options=("service",)),
    "pgbouncer-userlist": Kind(postgres_files.userlist, POSTGRES, options=("plain",), ahead=True),
    "aws-credentials": Kind(aws_files.credentials, AWS, shared=True, options=("profile",)),
    "template": Kind(template.rendered, options=("template",)),
}
