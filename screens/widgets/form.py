"""A scrolling form: fields made from their declarations, errors under them, arrow keys and enter between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from textual import events, on
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Collapsible, Input, Select, TextArea

from app.forms import FormField, Kind
from screens.troubles import sentence
from screens.widgets.controls import Line, TextBlock, Toggle, text_of
from screens.widgets.field import Field
from screens.widgets.secret_input import SecretInput


class Form(VerticalScroll, can_focus=False):
    """The body of a screen that asks for something. Its owner gives it widgets; Fields may be anywhere among them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Previous field", show=False),
        Binding("down", "move(1)", "Next field", show=False),
        Binding("enter", "submit", "Next field", show=False),
    ]

    @dataclass
    class Changed(Message):
        """Somebody changed a field."""

        field: Field

        @property
        def text(self) -> str:
            return text_of(self.field.control)

    @dataclass
    class Left(Message):
        """The focus left a field."""

        field: Field

    class Entered(Message):
        """The focus is on something in the form."""

    class Submitted(Message):
        """Enter was pressed in the last field."""

    @property
    def fields(self) -> list[Field]:
        return list(self.query(Field))

    def field(self, key: str) -> Field | None:
        """The field of that documented name, or the first one below it."""
        below = f"{key}."
        found = [field for field in self.fields if field.key == key or field.key.startswith(below)]
        return found[0] if found else None

    def show_errors(self, problems: Iterable[tuple[str, str]], only: frozenset[str] | None = None) -> list[Field]:
        """Put each problem (documented name, complaint) under its field; the fields in their order.

        `only`: leave all other fields alone.
        """
        texts: dict[str, list[str]] = {}
        for name, complaint in problems:
            if (field := self.field(name)) is not None:
                texts.setdefault(field.key, []).append(sentence(complaint))
        for field in self.fields:
            if only is None or field.key in only:
                field.error = " ".join(dict.fromkeys(texts.get(field.key, [])))
        return [field for field in self.fields if field.key in texts]

    def focus_field(self, field: Field) -> None:
        """Also when it is folded away."""
        folded = [node for node in field.ancestors if isinstance(node, Collapsible) and node.collapsed]
        for node in folded:
            node.collapsed = False
        if folded:
            self.call_after_refresh(field.control.focus)
        else:
            self.screen.set_focus(field.control)

    def action_move(self, by: int) -> None:
        if not self.fields:
            self.scroll_relative(y=by, animate=False)
        elif by > 0:
            self.screen.focus_next()
        else:
            self.screen.focus_previous()

    def action_submit(self) -> None:
        """On to the next field; from the last one, the form's owner decides."""
        if (following := self.following()) is not None:
            self.screen.set_focus(following)
        elif self.screen.focused in [field.control for field in self.fields]:
            self.post_message(self.Submitted())

    def following(self) -> Widget | None:
        """The control of the next field in view, None in the last field and outside of all."""
        chain = self.screen.focus_chain
        controls = [field.control for field in self.fields if field.control in chain]
        if self.screen.focused not in controls:
            return None
        return next(iter(controls[controls.index(self.screen.focused) + 1 :]), None)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_submit()

    @on(Input.Changed)
    @on(TextArea.Changed)
    @on(Select.Changed)
    @on(Toggle.Changed)
    def _changed(self, event: Message) -> None:
        event.stop()
        assert event.control is not None
        if isinstance(event.control, Widget) and (field := field_of(event.control)) is not None:
            self.post_message(self.Changed(field))

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        field = field_of(event.widget)
        if field is not None:
            if field is next(iter(self.fields)):
                self.scroll_home(animate=False)
            else:
                field.scroll_visible(animate=False)
        self.post_message(self.Entered())

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        if (field := field_of(event.widget)) is not None:
            self.post_message(self.Left(field))


def made(field: FormField, text: str | None = None, *, prefix: str = "") -> Field:
    """The row for a declared field. `text`: what it holds, the default when None."""
    text = field.default if text is None else text
    return Field(field.title, _control(field, text), key=f"{prefix}{field.key}", help=field.help)


def _control(field: FormField, text: str) -> Widget:
    hint = f"e.g. {field.placeholder}" if field.placeholder else ("" if field.required or field.default else "optional")
    match field.kind:
        case Kind.SWITCH:
            return Toggle(text == "true")
        case Kind.SECRET:
            return SecretInput(text)
        case Kind.MULTILINE:
            return TextBlock(text, placeholder=hint)
        case Kind.NUMBER:
            control = Line(text, placeholder=hint)
            control.add_class("-number")
            return control
        case Kind.TEXT:
            return Line(text, placeholder=hint)


def typed(field: FormField, text: str) -> object:
    """The value for a request body; what does not fit its kind stays text, for the service to complain about."""
    if field.kind is Kind.SWITCH:
        return text == "true"
    stripped = text.strip()
    if field.kind is Kind.NUMBER and stripped.isascii() and stripped.isdigit() and len(stripped) <= 12:
        return int(stripped)
    return text


def given(fields: Iterable[FormField], texts: Mapping[str, str], *, prefix: str = "") -> dict[str, object]:
    """By dotted key, what was entered and is not what would be there anyway."""
    entered: dict[str, object] = {}
    for field in fields:
        text = texts.get(f"{prefix}{field.key}")
        if text is not None and text != field.default:
            entered[field.key] = typed(field, text)
    return entered


def field_of(widget: Widget) -> Field | None:
    """The row that a control belongs to."""
    for node in (widget, *widget.ancestors):
        if isinstance(node, Field):
            return node
        if isinstance(node, Form):
            return None
    return None
