"""Small windows: a question, a message, the deletion of a rotation."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from app.errors import Explanation
from app.views import RotationDetail
from screens.leaving import LeftOnce
from screens.text import one_line, plain
from screens.widgets.controls import Line, Push, Toggle
from screens.widgets.field import Field
from screens.widgets.question import Question

YES = "yes"


def confirmation(title: str, text: str, yes: str, no: str = "Cancel") -> Question:
    """Dismissed with YES, or anything else."""
    return Question(title, text, [(YES, yes), ("no", no)])


def error_dialog(title: str, error: Explanation) -> Question:
    """What happened, and below it what to do."""
    return Question(title, "\n\n".join(part for part in (error.message, error.remedy) if part), [("close", "Close")])


class DeleteDialog(ModalScreen[tuple[bool, bool] | None], LeftOnce[tuple[bool, bool] | None]):
    """Asks for the rotation's name; the answer is what to revoke and delete with it, None for nothing at all."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Keep it", show=False),
        # Before any widget: a letter that follows in the same burst must not reach the field that was left.
        Binding("up", "app.focus_previous", "Previous", show=False, priority=True),
        Binding("down", "app.focus_next", "Next", show=False, priority=True),
    ]

    def __init__(self, detail: RotationDetail) -> None:
        super().__init__()
        self._detail = detail
        self._typed_name = Line()
        self._field = Field("Type its name to confirm", self._typed_name)
        self._revoke = Toggle(False, yes="yes", no="no, they keep working")
        self._secrets = Toggle(False, yes="yes", no="no, they stay")
        self._effect = Static(classes="dialog--text")

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", can_focus=False) as box:
            box.border_title = Content(f"Delete {one_line(self._detail.row.name)}")
            yield self._effect
            yield Field("Revoke credentials", self._revoke)
            yield Field("Delete secrets", self._secrets)
            yield self._field
            with Horizontal(classes="dialog--buttons"):
                yield Push("Delete", "delete")
                yield Push("Keep it", "keep")

    def on_mount(self) -> None:
        self._show_effect()
        self._typed_name.focus()

    @on(Toggle.Changed)
    def _show_effect(self) -> None:
        self._effect.update(plain("\n".join(effects(self._detail, self._revoke.on, self._secrets.on))))

    @on(Input.Changed)
    def _typed(self) -> None:
        self._field.error = ""

    @on(Input.Submitted)
    @on(Button.Pressed, "#delete")
    def _confirmed(self) -> None:
        if self._typed_name.value.strip() != self._detail.row.name:
            self._field.error = f"type exactly: {self._detail.row.name}"
            self._typed_name.focus()
            return
        self.dismiss((self._revoke.on, self._secrets.on))

    @on(Button.Pressed, "#keep")
    def action_cancel(self) -> None:
        self.dismiss(None)


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
