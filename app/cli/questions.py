"""Questions that need a person at a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from app.cli.output import clean, note
from app.errors import UsageError
from app.views import RotationDetail

if TYPE_CHECKING:
    from app.operations.backup import Ready
    from app.operations.former_keys import Former
    from providers.base import Preparation


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


def confirm_emergency(detail: RotationDetail) -> bool:
    """Tell what an emergency does, and whether the rotation's name was typed. Raises UsageError without a terminal."""
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stderr)):
        raise UsageError(
            f"An emergency of {detail.row.name} asks for its name to be typed, and this is no terminal.",
            remedy="Nothing was renewed. Add --yes to begin without the question.",
        )
    users = " and ".join(dict.fromkeys(slot.identity for slot in detail.slots))
    names = ", ".join(secret.name for secret in detail.secrets)
    note(clean(f"This renews both credentials of {detail.row.name} now, and ends what still uses the former ones."))
    note(clean(f"  {users}: what they have now stops working, and what a database has open is ended"))
    note(clean(f"  {names} in {detail.row.environment} {detail.row.path}: the new credential, before the old one dies"))
    note("  A program that does not read them anew is cut off.")
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


def confirm_restore(checked: Ready, file: str) -> bool:
    """Tell what a restore does, and whether a person agrees. Raises UsageError without a terminal."""
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stderr)):
        raise UsageError(
            f"Restoring {file} asks for a yes, and this is no terminal.",
            remedy="Nothing was changed. Add --yes to restore without the question.",
        )
    until = f", as they were on {checked.contents.until:%Y-%m-%d %H:%M} UTC" if checked.contents.until else ""
    note(clean(f"This puts {checked.contents.rotations} rotations from {file} into {checked.location}{until}."))
    note("What was rotated since then is not in it: the loop tries all credentials, and says which no longer log in.")
    note(clean(f"  What is there now, if anything, is kept in {checked.kept}"))
    sys.stderr.write("Type yes to go on: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() == "yes"


def confirm_dropping_keys(former: Former) -> bool:
    """Tell what nobody can open afterwards, and whether a person agrees. Raises UsageError without a terminal."""
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stderr)):
        raise UsageError(
            "Dropping former keys asks for a yes, and this is no terminal.",
            remedy="No key was dropped. Add --yes to drop them without the question.",
        )
    note(clean(f"This drops {', '.join(former.ids)} from the {former.where}. The store does not need them any more."))
    before = f"before {former.moved_at:%Y-%m-%d %H:%M} UTC" if former.moved_at else "with one of them"
    note(
        f"Backups that were made {before} can then never be restored, unless you keep a copy of the ring as it is now."
    )
    for told in former.backups:
        note(clean(f"  {told}"))
    if not former.backups:
        note("  The history knows of none.")
    sys.stderr.write("Type yes to go on: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() == "yes"


def confirm_preparation(script: Preparation, who: str) -> bool:
    """Show a script, and whether it may run. Raises UsageError without a terminal."""
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stderr)):
        raise UsageError(
            "Running the script asks for a yes, and this is no terminal.",
            remedy="Nothing was run. Add --yes to run it without the question.",
        )
    for line in script.text.splitlines():
        note(clean(line))
    note(clean(f"This runs now as {who}, in one transaction: all of it, or nothing."))
    sys.stderr.write("Type yes to go on: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() == "yes"


def confirm_secret_deletion(name: str, where: str) -> bool:
    """Whether the secret's name was typed. Raises UsageError without a terminal."""
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stderr)):
        raise UsageError(
            f"Deleting {name} asks for its name to be typed, and this is no terminal.",
            remedy="Nothing was deleted. Add --yes to delete without the question.",
        )
    note(clean(f"This deletes {name} ({where}) with all its versions; programs that read it find nothing."))
    sys.stderr.write("Type its name to go on: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() == name


def _is_terminal(stream: object) -> bool:
    isatty = getattr(stream, "isatty", None)
    return bool(isatty and isatty())
