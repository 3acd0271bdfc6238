"""What can be typed about identities."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from app.cli.parsers.words import as_json, command, named, whole

if TYPE_CHECKING:
    from app.cli.parsers.words import Subparsers

_RIGHTS_HELP = """\
rights:
  read              rotations, connections, and secrets with their values
  read-credentials  the generated credentials of both slots, and their check
  rotate            rotate now
  manage            create, change, move and delete

None of them brings another one along. In a path * stands for one name, and
/** at its end for the folder and all below it. The client id and the client
secret are what a program logs in with; the secret is printed this once."""
_CREATE_EXAMPLE = """\
identities create billing --project default --environments prod \\
    --paths '/,/db/**' --allow read"""
_REVOKE_HELP = """\
The secret still logs in. To end that as well: new-secret, or remove."""


def add(verbs: Subparsers) -> None:
    new = _verb(verbs, "create", "let a program use the HTTP API", _CREATE_EXAMPLE, epilog=_RIGHTS_HELP)
    new.add_argument("name", metavar="NAME", help="what the identity is to be called")
    new.add_argument("--project", metavar="P", required=True, help="its project (id or slug); no other is there for it")
    new.add_argument("--environments", metavar="LIST", help="slugs with commas between them (all)")
    new.add_argument("--paths", metavar="LIST", default="/**", help="secret paths with commas between them (/**)")
    new.add_argument("--allow", metavar="LIST", default="read", help="rights with commas between them (read)")
    new.add_argument(
        "--token-minutes", metavar="N", type=_minutes, default=60, help="how long an access token lasts (60)"
    )
    _verb(verbs, "list", "all identities", "identities list")
    for name, about, epilog in (
        ("show", "one identity, without its secret", ""),
        ("new-secret", "print another client secret; the former one and all tokens end", ""),
        ("revoke", "end all its access tokens", _REVOKE_HELP),
        ("remove", "end its tokens and its secret, for good", ""),
    ):
        named(_verb(verbs, name, about, f"identities {name} billing", epilog=epilog))


def _verb(verbs: Subparsers, name: str, about: str, example: str, epilog: str = "") -> argparse.ArgumentParser:
    handler = f"identities:{'show_all' if name == 'list' else name.replace('-', '_')}"
    parser = command(verbs, name, about, handler=handler, example=example, epilog=epilog)
    as_json(parser)
    return parser


def _minutes(text: str) -> int:
    return whole(text, 30 * 24 * 60)
