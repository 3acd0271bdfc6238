"""Small windows: a question, a message, the deletion of a rotation."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.widgets import Static

from app.errors import Explanation
from app.views import RotationDetail
from screens.by_name import ByName
from screens.text import plain
from screens.widgets.controls import Toggle
from screens.widgets.field import Field
from screens.widgets.question import Question

YES = "yes"


def confirmation(title: str, text: str, yes: str, no: str = "Cancel") -> Question:
    """Dismissed with YES, or anything else."""
    return Question(title, text, [(YES, yes), ("no", no)])


def error_dialog(title: str, error: Explanation) -> Question:
    """What happened, and below it what to do."""
    return Question(title, "\n\n".join(part for part in (error.message, error.remedy) if part), [("close", "Close")])


class DeleteDialog(ByName[tuple[bool, bool]]):
    """The answer is what to revoke and delete with it."""

    def __init__(self, detail: RotationDetail) -> None:
        super().__init__(detail.row.name, f"Delete {detail.row.name}", yes="Delete", no="Keep it")
        self._detail = detail
        self._revoke = Toggle(False, yes="yes", no="no, they keep working")
        self._secrets = Toggle(False, yes="yes", no="no, they stay")
        self._effect = Static(classes="dialog--text")

    def about(self) -> ComposeResult:
        self._show_effect()
        yield self._effect
        yield Field("Revoke credentials", self._revoke)
        yield Field("Delete secrets", self._secrets)

    def answer(self) -> tuple[bool, bool]:
        return self._revoke.on, self._secrets.on

    @on(Toggle.Changed)
    def _show_effect(self) -> None:
        self._effect.update(plain("\n".join(effects(self._detail, *self.answer()))))


def effects(detail: RotationDetail, revoke: bool, delete_secrets: bool) -> list[str]:
    """What deleting a rotation will and will not do, in sentences."""
    who = " and ".join(slot.identity for slot in detail.slots if slot.known) or "its users"
    names = ", ".join(secret.name for secret in detail.secrets)
    lines = ["The schedule ends and the rotation is removed; its history stays."]
    if revoke:
        lines.append(f"{who} can no longer log in: whatever uses them stops working.")
    else:
        lines.append(f"{who} keep working with the credentials they have, which nobody rotates any more.")
    if names and delete_secrets:
        lines.append(f"The secrets {names} are removed, with all their versions.")
    elif names:
        lines.append(f"The secrets {names} stay, as plain secrets.")
    return lines
