"""A new connection: who changes the credentials at the target. It is tried out before it is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.messages import Prune
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from app.errors import Explanation
from app.forms import FormField, Kind, nested
from screens import look
from screens.form_screen import HELP_KEY, FormScreen
from screens.keeper import ANEW, Keeper, offer
from screens.text import plain
from screens.troubles import told
from screens.widgets.controls import Choice, CopyBlock, Line, Push, text_of
from screens.widgets.field import Field
from screens.widgets.form import Form, given, made, typed

if TYPE_CHECKING:
    from app.operations.catalog import ConnectionForm
    from app.operations.connections import Added
    from app.service import Service
    from app.views import ConnectionTest, ConnectionView

Problems = list[tuple[str, str]]
CREDENTIALS = "credentials."


class ConnectionFormScreen(FormScreen[str | None]):
    """Dismissed with the name of the connection that was kept, None for none.

    The fields are those that the app declares. What is secret stays in its field: it is in no draft and on no line.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+n", "save", "Save", tooltip="Log in; keep the connection when that works"),
        Binding("ctrl+t", "test", "Test", tooltip="Log in, and keep nothing"),
        Binding("escape", "back", "Back", tooltip="Leave without saving, or stop waiting for the server"),
        HELP_KEY,
    ]

    def __init__(self, service: Service, app: str, edited: ConnectionView | None = None) -> None:
        """`edited`: the connection that is to be changed, None for a new one."""
        super().__init__(
            f"Edit {edited.name}" if edited else "New connection",
            Push("Back", "back"),
            Push("Test", "test", help="Logs in with what you entered, and keeps nothing."),
            Push("Save", "save", primary=True, help="Logs in, and keeps the connection when that works."),
        )
        self._service, self._app, self._edited = service, app, edited
        self._declared: ConnectionForm = service.catalog.connection_form(app, edited.method if edited else None)
        self._keeper = Keeper(service, f"connection:{app}", self._saved)
        self._result: list[Widget] = []
        self._judged: set[str] = set()
        self._revision = 0
        self._kept: Mapping[str, str] = {}
        """What a draft says, by field."""
        self.about = f"Admin access to {self._declared.title}, sealed in the store. It is tried out before it is kept."
        if edited is not None:
            self._kept = _texts(edited)
            self.about += " Secrets that you leave empty stay as they are."

    def on_mount(self) -> None:
        self.say_reading()
        self._start()

    async def on_prune(self, event: Prune) -> None:
        """Also when a signal ends the program; the fields are gone when `on_unmount` is called."""
        self._keep()

    async def on_unmount(self) -> None:
        await self._keeper.settle()

    @work
    async def _start(self) -> None:
        with self.telling():
            found = None if self._edited else await self._service.drafts.load(self._keeper.kind)
            if found is not None and found.data:
                what = f"a connection ({found.data.get('name') or self._declared.title})"
                question = offer(what, found.updated_at, self._service.context.clock(), "Its secrets were not kept.")
                answer = await self.app.push_screen_wait(question)
                self.say_reading()
                if not answer:
                    self.dismiss(None)
                    return
                if answer == ANEW:
                    await self._service.drafts.discard(self._keeper.kind)
                else:
                    self._kept = {str(key): str(text) for key, text in found.data.items()}
                    method = self._kept.get("method")
                    if method in self._declared.methods:
                        self._declared = self._service.catalog.connection_form(self._app, method)
        await self.replace(self._fields())
        self.note("")
        self.say(self.about)
        self.focus_first()

    def _keep(self) -> bool:
        """Everything that was changed, but nothing secret. Whether there is anything. An edit leaves no draft."""
        if self._edited is not None:
            return False
        secret = {f"{CREDENTIALS}{field.key}" for field in self._declared.fields if field.kind is Kind.SECRET}
        usual = {f"{CREDENTIALS}{field.key}": field.default for field in self._declared.fields}
        texts = {field.key: text_of(field.control) for field in self.form.fields if field.key not in secret}
        changed = {key: text for key, text in texts.items() if text != usual.get(key, "")}
        if changed:
            self._keeper.save(0, changed)
        return bool(changed)

    def _saved(self, trouble: Explanation | None) -> None:
        if trouble is not None and self.is_running:
            self.note(f"The draft is not kept: {trouble.message}", look.BAD)

    def _fields(self) -> Iterable[Widget]:
        yield Field(
            "Name",
            Line(self._kept.get("name", ""), placeholder="e.g. billing-db"),
            key="name",
            help="What you will know it by: small letters, digits and hyphens; at most 32 characters.",
        )
        description = Line(self._kept.get("description", ""), placeholder="optional")
        yield Field("Description", description, key="description", help="For those after you.")
        if len(self._declared.methods) > 1:
            methods = [(method, method) for method in self._declared.methods]
            yield Field("Method", Choice(methods, self._declared.method), key="method", help="How to log in.")
        for field in self._declared.fields:
            row = made(field, self._kept.get(f"{CREDENTIALS}{field.key}"), prefix=CREDENTIALS)
            if self._stays(field) and isinstance(row.control, Input):
                row.control.placeholder = "stays as it is"
            yield row

    def _stays(self, field: FormField) -> bool:
        """Whether an empty field leaves a secret as it is."""
        return field.kind is Kind.SECRET and self._edited is not None and self._declared.method == self._edited.method

    # What was entered ------------------------------------------------------------------------------------------------

    def _body(self) -> dict[str, Any]:
        texts = {field.key: text_of(field.control) for field in self.form.fields}
        if self._edited is not None:
            return {
                "name": texts["name"],
                "description": texts["description"].strip() or None,
                "method": self._declared.method,
                "credentials": _edited(self._declared.fields, texts),
            }
        body = {
            "name": texts["name"],
            "description": texts["description"].strip(),
            "method": self._declared.method,
            "credentials": nested(_complete(self._declared.fields, texts)),
        }
        return {key: value for key, value in body.items() if value != ""}

    async def _problems(self) -> Problems:
        connections = self._service.connections
        if self._edited is not None:
            found = await connections.edit_problems(self._edited.id, self._body())
        else:
            found = await connections.problems(self._app, self._body())
        return [(problem.field, problem.message) for problem in found]

    async def _try_out(self) -> ConnectionTest:
        connections = self._service.connections
        if self._edited is not None:
            return await connections.try_edit(self._edited.id, self._body())
        return await connections.try_out(self._app, self._body())

    async def _save(self) -> Added:
        connections = self._service.connections
        if self._edited is not None:
            return await connections.edit(self._edited.id, self._body())
        return await connections.add(self._app, self._body())

    @on(Form.Changed)
    async def _changed(self, event: Form.Changed) -> None:
        event.stop()
        self._revision += 1
        event.field.error = ""
        if event.field.key == "method" and event.text != self._declared.method:
            self._kept = {field.key: text_of(field.control) for field in self.form.fields}
            self._declared = self._service.catalog.connection_form(self._app, event.text)
            await self.replace(self._fields())
            self.focus_first()

    @on(Form.Left)
    def _left(self, event: Form.Left) -> None:
        event.stop()
        if event.field.is_attached:
            self._judged.add(event.field.key)
            self._keep()
            self._judge()

    @work(exclusive=True, group="judge")
    async def _judge(self) -> None:
        """Say what is wrong with the fields that were left, once something is in them."""
        revision = self._revision
        with self.telling():
            found = await self._problems()
            if revision == self._revision:
                filled = {f.key for f in self.form.fields if f.key in self._judged and (f.error or text_of(f.control))}
                self.form.show_errors(found, frozenset(filled))

    # Test and save ---------------------------------------------------------------------------------------------------

    @on(Form.Submitted)
    def _submitted(self) -> None:
        self.query_one("#test").focus()

    @on(Button.Pressed)
    async def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        await self.run_action(event.button.id or "")

    @work(exclusive=True, group="target")
    async def action_test(self) -> None:
        if not await self._valid():
            return
        with self.telling(), self.busy("logging in"):
            found = await self._try_out()
            if found.ok:
                await self._show(f"{look.glyphs().healthy} Logged in: {found.text}", look.GOOD)
            else:
                await self._show(f"{look.glyphs().failed} {found.text}", look.BAD, found.remedy)

    @work(exclusive=True, group="target")
    async def action_save(self) -> None:
        if not await self._valid():
            return
        try:
            with self.busy("logging in"):
                added = await self._save()
        except Exception as error:
            found = told(error)
            await self._show(f"{look.glyphs().failed} Not saved. {found.message}", look.BAD, found.remedy)
        else:
            if self._edited is None:
                with self.telling():
                    await self._keeper.discard()
            self.app.notify(f"Connection {added.connection.name} is kept. {added.tested}", markup=False)
            self.dismiss(added.connection.name)

    async def _valid(self) -> bool:
        await self._show("", look.MUTED)
        with self.telling():
            found = await self._problems()
            self.complain(found)
            return not found
        return False

    async def _show(self, text: str, tone: str, remedy: str = "") -> None:
        """The outcome, above the fields, in place of the last one."""
        before, self._result = self._result, []
        if text:
            self._result.append(Static(plain(text, look.STYLES[tone]), classes="lead"))
        if remedy:
            self._result.append(CopyBlock(remedy))
        with self.app.batch_update():
            for widget in before:
                await widget.remove()
            await self.form.mount_all(self._result, before=0)
            if self._result:
                self.form.scroll_home(animate=False)

    def action_back(self) -> None:
        waiting = [worker for worker in self.workers if worker.group == "target" and worker.node is self]
        running = [worker for worker in waiting if worker.is_running]
        for worker in running:
            worker.cancel()
        if running:
            self.say("Stopped waiting for the server.", look.WARN)
        else:
            if self._keep():
                self.app.notify("What you entered is kept as a draft, without the secrets.", markup=False)
            self.dismiss(None)


def _complete(fields: Iterable[FormField], texts: dict[str, str]) -> dict[str, object]:
    """As `given`, and switches always: a body says plainly whether TLS is on."""
    fields = list(fields)
    switches = {f.key: texts[f"{CREDENTIALS}{f.key}"] == "true" for f in fields if f.kind is Kind.SWITCH}
    return {**given(fields, texts, prefix=CREDENTIALS), **switches}


def _edited(fields: Iterable[FormField], texts: dict[str, str]) -> dict[str, object]:
    """Every field as it now stands; an empty optional one is removed, an empty secret left alone."""
    found: dict[str, object] = {}
    for field in fields:
        text = texts[f"{CREDENTIALS}{field.key}"]
        if text != "":
            found[field.key] = typed(field, text)
        elif field.kind is not Kind.SECRET:
            found[field.key] = "" if field.required else None
    return found


def _texts(view: ConnectionView) -> dict[str, str]:
    """What the fields hold at first."""
    words = {True: "true", False: "false"}
    settings = {key: words[value] if isinstance(value, bool) else str(value) for key, value in view.settings.items()}
    credentials = {f"{CREDENTIALS}{key}": text for key, text in settings.items()}
    return {"name": view.name, "description": view.description, "method": view.method, **credentials}
