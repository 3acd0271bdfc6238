"""The script that prepares a target for a rotation: to read, to copy, or to run through the connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widgets import Button, Static

from screens import look
from screens.dialogs import YES, confirmation
from screens.form_screen import HELP_KEY, FormScreen
from screens.text import one_line, plain
from screens.troubles import told
from screens.widgets.controls import CopyBlock, Push, copy

if TYPE_CHECKING:
    from app.service import Service
    from app.views import ConnectionView


class PreparationScreen(FormScreen[bool]):
    """Dismissed with whether the script was run. Nothing is run before it was confirmed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy", "Copy", tooltip="Send the script to your terminal's clipboard"),
        Binding("r", "run", "Run it", tooltip="Run the script through the connection, after a question"),
        Binding("escape", "back", "Back", tooltip="Back to the wizard"),
        HELP_KEY,
    ]

    def __init__(
        self, service: Service, type_name: str, parameters: Mapping[str, Any], connection: ConnectionView
    ) -> None:
        """`parameters` have to be valid."""
        super().__init__(
            "New rotation",
            Push("Back", "back"),
            Push("Copy", "copy", help="Sends the script to your terminal's clipboard."),
            Push(f"Run it through {one_line(connection.name)}", "run", help="Asks once more before it does anything."),
        )
        self._service, self._type_name = service, type_name
        self._parameters, self._connection = parameters, connection
        self._ran = False
        self._under_way = False
        script = service.creation.preparation(type_name, parameters, connection.settings)
        self._what = script.title if script else ""
        self._script = script.text if script else ""
        self.about = (
            f"Read it, then copy it for your administrator, or let Keyturn run it as {connection.summary}. "
            "What exists already is left alone."
        )

    def on_mount(self) -> None:
        self.form.mount(Static(plain(self._what, "bold"), classes="lead"), CopyBlock(self._script))
        self.say(self.about)
        self.query_one("#back").focus()

    @on(Button.Pressed)
    async def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        await self.run_action(event.button.id or "")

    def action_copy(self) -> None:
        copy(self, self._script)

    def action_back(self) -> None:
        self.dismiss(self._ran)

    @work(exclusive=True)
    async def action_run(self) -> None:
        text = f"The script runs now as {self._connection.summary}, in one transaction: all of it, or nothing."
        question = confirmation(self._what, text, "Run it", "Not now")
        if self._under_way or await self.app.push_screen_wait(question) != YES:
            return
        self._under_way = True
        try:
            with self.busy("running the script"):
                await self._service.creation.prepare(self._type_name, self._parameters, self._connection.name)
        except Exception as error:
            found = told(error)
            remedy = f"{found.remedy}\n" if found.remedy else ""
            self._show(f"{look.glyphs().failed} It did not go through. {found.message}", look.BAD, remedy.strip())
        else:
            self._ran = True
            self._show(f"{look.glyphs().healthy} Done. The review looks whether all is as it should be.", look.GOOD)
        finally:
            self._under_way = False

    def _show(self, text: str, tone: str, remedy: str = "") -> None:
        """The result above the script."""
        self.note("")
        self.form.query(".result").remove()
        result = Static(plain(text, look.STYLES[tone]), classes="result lead")
        self.form.mount(result, before=0)
        if remedy:
            block = CopyBlock(remedy)
            block.add_class("result")
            self.form.mount(block, after=result)
        self.form.scroll_home(animate=False)
