"""Questions that need a person at a terminal."""

from __future__ import annotations

import sys

from app.cli.output import clean, note
from app.errors import UsageError
from app.views import RotationDetail


def confirm_deletion(detail: RotationDetail, *, revoke: bool, delete_secrets: bool) -> bool:
    """Tell what a deletion does, and whether the rotation's name was typed. Raises UsageError without a terminal."""
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stderr)):
        raise UsageError(
            f"Deleting {detail.row.name} asks for its name to be typed, and this is no terminal.",
            remedy="Nothing was deleted. Add --yes to delete without the question.",
        )
    users = " and ".join(slot.identity for slot in detail.slots if slot.known)
    names = ", ".join(secret.name for secret in detail.secrets)
    note(clean(f"This deletes the rotation {detail.row.name} ({detail.row.environment} {detail.row.path})."))
    if users:
        note(clean(f"  {users}: {'made useless at the target' if revoke else 'left as they are at the target'}"))
    if names:
        note(clean(f"  {names}: {'deleted' if delete_secrets else 'kept as plain secrets that nobody rotates'}"))
    sys.stderr.write("Type its name to go on: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() == detail.row.name


def confirm_drill(where: str, users: int) -> bool:
    """Tell what a drill does to a server, and whether a person agrees. Raises UsageError without a terminal."""
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stderr)):
        raise UsageError(
            f"A drill at {where} asks for a yes, and this is no terminal.",
            remedy="Nothing was done. Add --yes to begin without the question.",
        )
    note(clean(f"This makes {users} users of the drill's own, named keyturn_drill_..., at {where}."))
    note("It rotates them and logs in with them without pause while it kills Keyturn again and again, which takes some")
    note("minutes, and then removes them. Nobody else's users, rotations and secrets are touched.")
    sys.stderr.write("Type yes to begin: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() == "yes"


def _is_terminal(stream: object) -> bool:
    isatty = getattr(stream, "isatty", None)
    return bool(isatty and isatty())
