"""Keys that arrive in one burst take effect in their order.

Textual gives a letter to the widget with the focus at once, but lets backspace, enter and the like travel up to the
application first. In what is auto-typed, or comes late over a slow line, they would act after the letters that follow
them; a password could end up beside its username, readable.

The application takes tab before any widget does, FormScreen takes enter and the arrow keys, and the controls their
own editing keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events

if TYPE_CHECKING:
    from textual.widget import Widget

    _Base = Widget
else:
    # Textual takes styles and keys from the first base that is a widget: that has to be the control's own.
    _Base = object


class InOrder(_Base):
    """Mixed into a control, before its Textual class."""

    keeps: ClassVar[frozenset[str]] = frozenset()
    """Which of enter, up and down the control has a use for; the others lead from field to field."""

    @property
    def taking_keys(self) -> bool:
        """False while the keys are meant for something inside the control."""
        return True

    async def on_key(self, event: events.Key) -> None:
        bindings = self._bindings.key_to_bindings.get(event.key)
        if bindings and self.taking_keys:
            event.stop()
            event.prevent_default()
            await self.run_action(bindings[0].action)
