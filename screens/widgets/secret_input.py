"""An input for passwords and keys."""

from __future__ import annotations

from textual.widgets import Input

from screens.widgets.in_order import InOrder


class SecretInput(InOrder, Input):
    """Shows bullets and gives nothing away: Textual's own would copy the secret to the terminal's clipboard on ctrl+c.

    The text is taken as it is typed or pasted: never trimmed.
    """

    def __init__(self, value: str | None = None, *, placeholder: str = "", id: str | None = None) -> None:  # noqa: A002
        super().__init__(value, placeholder=placeholder, password=True, compact=True, id=id, select_on_focus=False)
        self.cursor_blink = False

    def action_copy(self) -> None:
        self._refuse("copied")

    def action_cut(self) -> None:
        self._refuse("cut")

    def _refuse(self, what: str) -> None:
        self.app.notify(f"A secret is not {what} to the clipboard.", markup=False)
