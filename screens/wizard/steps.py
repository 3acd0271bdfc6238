"""The steps that ask: each a plain object that makes the widgets of its body and owns some of the documented fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Protocol

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Collapsible, OptionList, Static
from textual.widgets.option_list import Option

from app.forms import FormField
from screens import guarding
from screens.look import MUTED, STYLES, glyphs
from screens.text import one_line, plain
from screens.widgets.controls import Choice, Line, Push, Toggle
from screens.widgets.field import Field
from screens.widgets.form import Form, made
from screens.wizard import clock
from screens.wizard.draft import GUARD, GUARD_HOURS, ROTATE_AT, Draft
from screens.wizard.facts import Facts

NEW_CONNECTION, PICK, PREPARE, TYPES = "new-connection", "pick", "prepare", "types"


class Step(Protocol):
    title: ClassVar[str]
    owns: ClassVar[tuple[str, ...]]
    """The documented fields that are asked for here, each with what is below it."""
    help: ClassVar[str]

    def widgets(self, facts: Facts, draft: Draft) -> Iterable[Widget]: ...

    def changed(self, form: Form, facts: Facts, draft: Draft, key: str) -> None:
        """The draft has a new text for a field: bring along what depends on it."""


class TypeStep:
    title: ClassVar[str] = "Type"
    owns: ClassVar[tuple[str, ...]] = ("type",)
    help: ClassVar[str] = "What is to be rotated. Enter takes the highlighted one."

    def widgets(self, facts: Facts, draft: Draft) -> Iterable[Widget]:
        yield _lead("What do you want to rotate?")
        if not facts.types:
            yield _lead("No rotation type is installed here.")
            return
        options = []
        for kind in facts.types:
            asked = ", ".join(_in_a_sentence(f.title) for f in kind.parameters if f.required)
            through = f"through a connection to {kind.app_title}" + (f"; asks for {asked}" if asked else "")
            text = Content.assemble((one_line(kind.title), "bold"), "\n", plain(one_line(through), STYLES[MUTED]))
            options.append(Option(text, id=kind.type))
        listed = OptionList(*options, id=TYPES, compact=True, markup=False)
        chosen = [kind.type for kind in facts.types]
        listed.highlighted = chosen.index(draft.type) if draft.type in chosen else 0
        yield listed

    def changed(self, form: Form, facts: Facts, draft: Draft, key: str) -> None:
        pass


class ConnectionStep:
    title: ClassVar[str] = "Connection"
    owns: ClassVar[tuple[str, ...]] = (
        "connectionId",
        "rotationInterval",
        ROTATE_AT,
        "rotateAtUtc",
        "isAutoRotationEnabled",
        "guard",
    )
    help: ClassVar[str] = "Who carries the rotation out, and when."

    def widgets(self, facts: Facts, draft: Draft) -> Iterable[Widget]:
        usable = facts.usable(draft)
        options = [(f"{view.name}  {view.summary}", view.name) for view in usable]
        prompt = "choose one" if usable else "none yet: set up a new one"
        connection = Field(
            "Connection",
            Choice(options, draft.text("connectionId"), prompt=prompt),
            key="connectionId",
            help="Admin access that changes the credentials. Enter shows the list.",
        )
        connection.add_class("-joined")
        yield connection
        new = Push("New connection", NEW_CONNECTION, help="Set up access to a target, and come back with it selected.")
        new.add_class("below-field")
        yield new
        interval = Line(draft.text("rotationInterval"))
        interval.add_class("-number")
        yield Field(
            "Rotation interval",
            interval,
            key="rotationInterval",
            unit="days",
            help="So many days after a rotation the next one is due. A credential lives for two intervals.",
        )
        at = Line(draft.text(ROTATE_AT))
        at.add_class("-number")
        yield Field(
            "Rotate at",
            at,
            key=ROTATE_AT,
            unit=clock.beside(draft.text(ROTATE_AT), facts.now),
            help="Time of day on your clock. It is kept in UTC, and stays there when your clocks change.",
        )
        yield Field(
            "Auto-rotation",
            Toggle(
                draft.text("isAutoRotationEnabled") == "true",
                yes="On: rotates by itself once the interval has passed",
                no="Off: rotates only when you say so; can be switched on",
            ),
            key="isAutoRotationEnabled",
            help="Space switches.",
        )
        yield Field(
            "If still in use",
            Choice(guarding.choices(), draft.text(GUARD), prompt="choose one"),
            key=GUARD,
            help="What a run does when programs still use the credential that it is about to replace.",
        )
        hours = Line(draft.text(GUARD_HOURS))
        hours.add_class("-number")
        waiting = Field(
            "Wait at most",
            hours,
            key=GUARD_HOURS,
            unit="hours",
            help="Then the run warns and goes on. Both credentials work while it waits.",
        )
        waiting.display = draft.text(GUARD) == guarding.WAIT
        yield waiting

    def changed(self, form: Form, facts: Facts, draft: Draft, key: str) -> None:
        if key == GUARD and (field := form.field(GUARD_HOURS)) is not None:
            field.display = draft.text(GUARD) == guarding.WAIT
        if key == ROTATE_AT and (field := form.field(ROTATE_AT)) is not None:
            beside = clock.beside(draft.text(ROTATE_AT), facts.now)
            field.query_one(".field--unit", Static).update(plain(beside))


class ParametersStep:
    title: ClassVar[str] = "Parameters"
    owns: ClassVar[tuple[str, ...]] = ("parameters",)
    help: ClassVar[str] = "Whose credentials are rotated, and how."

    def widgets(self, facts: Facts, draft: Draft) -> Iterable[Widget]:
        kind = facts.kind(draft)
        assert kind is not None
        texts = {field.key: draft.text(f"parameters.{field.key}") for field in kind.parameters}
        shown = [(field, made(field, texts[field.key], prefix="parameters.")) for field in kind.parameters]
        if kind.choosable:
            yield _lead("Choose from what the connection can see, or type it.")
            button = Push(f"Choose from a list{glyphs().ellipsis}", PICK)
            button.help = "Asks the target what there is; nothing is changed."
            yield button
        yield from (row for field, row in shown if not field.advanced)
        if kind.preparable:
            note = _lead("Keyturn sets their passwords from now on: nothing else may change them, or use them yet.")
            note.add_class("-joined")
            yield note
            button = Push(f"SQL that creates them{glyphs().ellipsis}", PREPARE)
            button.help = "Both users with one owner role in common: to copy, or to run through the connection."
            yield button
        if advanced := [(field, row) for field, row in shown if field.advanced]:
            opened = any(texts[field.key] != field.default for field, _ in advanced)
            yield Collapsible(*_grouped(advanced), title="Advanced: may be left as it is", collapsed=not opened)

    def changed(self, form: Form, facts: Facts, draft: Draft, key: str) -> None:
        pass


class MappingStep:
    title: ClassVar[str] = "Mapping"
    owns: ClassVar[tuple[str, ...]] = ("projectId", "environment", "secretPath", "secretsMapping")
    help: ClassVar[str] = "Where programs find the active credential, and under which names."

    def widgets(self, facts: Facts, draft: Draft) -> Iterable[Widget]:
        kind = facts.kind(draft)
        assert kind is not None
        yield Field(
            "Project",
            Choice(_named(facts.projects), draft.text("projectId"), prompt="choose one"),
            key="projectId",
            help="The project whose programs use the credential.",
        )
        yield Field(
            "Environment",
            Choice(_named(facts.environments.get(draft.text("projectId"), ())), draft.text("environment")),
            key="environment",
            help="The secrets are published in this environment alone.",
        )
        yield Field(
            "Path",
            Line(draft.text("secretPath"), suggestions=facts.paths(draft)),
            key="secretPath",
            help="Folder of the secrets, such as / or /billing; made when there is none.",
        )
        yield _lead("Names of the secrets that hold the active credential:")
        for field in kind.mapping:
            yield made(field, draft.text(f"secretsMapping.{field.key}"), prefix="secretsMapping.")

    def changed(self, form: Form, facts: Facts, draft: Draft, key: str) -> None:
        if key != "projectId" or (field := form.field("environment")) is None:
            return
        choice = field.control
        assert isinstance(choice, Choice)
        environments = facts.environments.get(draft.text("projectId"), ())
        slugs = [slug for slug, _ in environments]
        kept = draft.text("environment") if draft.text("environment") in slugs else ""
        choice.offer(_named(environments), kept or next(iter(slugs), ""))


class DetailsStep:
    title: ClassVar[str] = "Details"
    owns: ClassVar[tuple[str, ...]] = ("name", "description")
    help: ClassVar[str] = "What you will know it by."

    def widgets(self, facts: Facts, draft: Draft) -> Iterable[Widget]:
        kind = facts.kind(draft)
        assert kind is not None
        yield Field(
            "Name",
            Line(draft.text("name"), placeholder="e.g. billing-db"),
            key="name",
            help=f"Small letters, digits and hyphens; at most {kind.name_max_length} characters.",
        )
        yield Field(
            "Description",
            Line(draft.text("description"), placeholder="optional"),
            key="description",
            help="For those who come after you; at most 256 characters.",
        )

    def changed(self, form: Form, facts: Facts, draft: Draft, key: str) -> None:
        pass


def _named(options: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """ "dev  Development" for (slug, name)."""
    return [(slug if slug == name.lower() else f"{slug}  {name}", slug) for slug, name in options]


def _in_a_sentence(title: str) -> str:
    """ "First username" begins small there, "IAM user" does not."""
    return title if title[1:2].isupper() else f"{title[:1].lower()}{title[1:]}"


def _lead(text: str) -> Static:
    return Static(plain(text), classes="lead")


def _grouped(rows: Iterable[tuple[FormField, Field]]) -> Iterable[Widget]:
    """What belongs to one object of the documented parameters gets its name as a heading."""
    group = ""
    for field, row in rows:
        parent = field.key.partition(".")[0] if "." in field.key else ""
        if parent != group and parent:
            yield _lead("".join(f" {c.lower()}" if c.isupper() else c for c in parent).capitalize())
        group = parent
        yield row
