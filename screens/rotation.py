"""One rotation: its two credentials, its secrets, its schedule and what happened so far."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.timer import Timer
from textual.widgets import Static

from app.errors import NotFound, explain
from app.views import Place, RotationDetail, SecretView
from screens import actions, look
from screens.dialogs import YES, confirmation
from screens.leaving import LeftOnce
from screens.rereading import Rereading
from screens.revealing import REVEALED_FOR, mask, masked_soon
from screens.rotation_page import parts
from screens.text import one_line, plain
from screens.waiting import AT_ONCE
from screens.widgets import scrolling
from screens.widgets.bars import KeyBar, TitleBar, rule

if TYPE_CHECKING:
    from app.views import SlotCheck
    from screens.desk import Desk

_MUTED = look.STYLES[look.MUTED]


class RotationScreen(LeftOnce[None]):
    """Follows the store: what other processes do shows up here too."""

    CSS_PATH = "rotation.tcss"
    HELP = "One rotation. Values are masked until you ask; who looked is recorded, and the mask returns after 30 s."

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "Back", tooltip="Back to all rotations"),
        Binding("r", "rotate", "Rotate", tooltip="Rotate now"),
        Binding("c", "check", "Check", tooltip="Log in with both credentials"),
        Binding("h", "heal", "Heal", tooltip="Set drifted passwords back to what is stored"),
        Binding("v", "reveal", "Reveal", tooltip="Show the secrets for 30 s, or hide them"),
        Binding("p", "pause", "Pause", tooltip="Switch auto-rotation off"),
        Binding("p", "resume", "Resume", tooltip="Switch auto-rotation on"),
        Binding("X", "emergency", "Emergency", tooltip="Renew both credentials now, and end what uses the old ones"),
        Binding("d", "delete", "Delete", tooltip="Delete it; asks for its name first"),
        Binding("question_mark,f1", "app.help", "Help", tooltip="The keys of this screen"),
        Binding("e", "edit", "Edit", tooltip="Change it: the wizard's steps, filled in"),
        Binding("l", "plan", "Plan", tooltip="What the next rotation would do, and whether it may"),
        Binding("m", "move", "Move", tooltip="To another environment or folder, with its secrets"),
        Binding("enter", "history", "History", tooltip="Every attempt: how its steps went, and what went wrong"),
        Binding("g", "guard", "Guard", tooltip="What a run does when the old credential is still in use", show=False),
        *scrolling.KEYS,
    ]

    detail: reactive[RotationDetail | None] = reactive(None, init=False)

    def __init__(self, desk: Desk, rotation_id: str) -> None:
        super().__init__()
        self._desk, self._rotation_id = desk, rotation_id
        self._title = TitleBar()
        self._body = VerticalScroll(can_focus=False)
        self._parts = [Static(classes="part", markup=False) for _ in range(4)]
        self._shown = [Content()] * 4
        self._public: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self._checks: dict[int, SlotCheck] = {}
        self._checked_at: datetime | None = None
        self._checking = False
        self._reading = Rereading(self, self._load)
        self._mask_timer: Timer | None = None
        self._masked_at: datetime | None = None

    def compose(self) -> ComposeResult:
        yield self._title
        with self._body:
            yield from self._parts
        yield rule()
        yield KeyBar()

    def on_mount(self) -> None:
        self._desk.changed.subscribe(self, lambda desk: self._reading.renew())
        self.set_interval(1.0, self._show)
        self.set_timer(AT_ONCE, self._say_reading)

    def on_screen_resume(self) -> None:
        self._reading.renew()

    def _say_reading(self) -> None:
        if self.detail is None:
            self._title.show("Rotation", f"{look.glyphs().busy} reading{look.glyphs().ellipsis}")

    def on_screen_suspend(self) -> None:
        self._mask()

    def on_unmount(self) -> None:
        self._mask()

    async def _load(self) -> None:
        service = self._desk.service
        try:
            detail = await service.rotations.detail(self._rotation_id)
            place = Place(detail.row.project, detail.row.environment, detail.row.path)
            public = {s.name: await service.secrets.value(place, s.name) for s in detail.secrets if not s.secret}
            self._public, self.detail = public, detail
        except NotFound:
            self._leave()
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            self._title.show(right=f"{look.glyphs().warning} {known.message}")

    def watch_detail(self, before: RotationDetail | None, detail: RotationDetail | None) -> None:
        if before is not None and detail is not None and before.secrets != detail.secrets:
            self._mask()  # what is shown has been replaced
        if detail is not None and self._replaced_since_check(detail):
            self._checks.clear()
        self._show()
        self.refresh_bindings()

    def _replaced_since_check(self, detail: RotationDetail) -> bool:
        """A change that is heard of only now may be older than the check: setting a password back ends with one."""
        checked_at = self._checked_at
        return checked_at is not None and any(s.issued_at and s.issued_at > checked_at for s in detail.slots)

    def _show(self) -> None:
        detail = self.detail
        if detail is None:
            return
        now = self._desk.now()
        self._title.show(detail.row.name, look.exact(now))
        drawn = [
            Content("\n").join(parts.summary(detail, now)),
            Content("\n").join(parts.slots(detail, now, self._checks, self._checking)),
            Content("\n").join(self._secrets(detail, now)),
            Content("\n").join(parts.history(detail, now)),
        ]
        for index, (part, shown) in enumerate(zip(drawn, self._shown, strict=True)):
            if part != shown:
                same_height = parts.line_lengths(part) == parts.line_lengths(shown)
                self._parts[index].update(part, layout=not same_height)
        self._shown = drawn

    def _secrets(self, detail: RotationDetail, now: datetime) -> list[Content]:
        place = f"{detail.row.project} {detail.row.environment} {detail.row.path}"
        head = Content.assemble(("Secrets", "bold"), (one_line(f"  in {place}"), _MUTED))
        if self._values and self._masked_at is not None:
            head = Content.assemble(head, (masked_soon(self._masked_at, now, "v"), look.STYLES[look.WARN]))
        names = max((len(one_line(s.name)) for s in detail.secrets), default=0)
        shown = {s.name: self._value(s) for s in detail.secrets}
        width = max((v.cell_length for name, v in shown.items() if name not in self._values), default=0)
        lines = []
        for secret in detail.secrets:
            value = shown[secret.name]
            line = Content.assemble(f"  {one_line(secret.name):<{names}}  ", value)
            if secret.name not in self._values:  # a value takes all the room there is
                age = f"version {secret.version}, {look.relative(secret.updated_at, now)}"
                line = Content.assemble(line.pad_right(width - value.cell_length), (f"  {age}", _MUTED))
            lines.append(line)
        return [head, *(lines or [plain("  nothing published yet", _MUTED)])]

    def _value(self, secret: SecretView) -> Content:
        if secret.name in self._public:
            return plain(self._public[secret.name])
        if secret.name in self._values:
            return plain(self._values[secret.name], "bold")
        return Content.styled(mask(), _MUTED)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("pause", "resume"):
            return self.detail is not None and self.detail.auto_rotation == (action == "pause")
        if action == "heal":
            drifted = any(check.ok is False for check in self._checks.values())
            return drifted and self.detail is not None and self.detail.restorable
        if action in ("rotate", "check", "reveal", "delete", "guard", "plan", "emergency", "edit", "move", "history"):
            return self.detail is not None
        return True

    def action_back(self) -> None:
        self._leave()

    def _leave(self) -> None:
        """Unless a window is open above, or it was left already."""
        if self.is_active:
            self.dismiss(None)

    def action_scroll(self, how: str) -> None:
        getattr(self._body, how)(animate=False)

    @work
    async def action_rotate(self) -> None:
        if self.detail is not None:
            await actions.rotate(self.app, self._desk, self.detail.row)

    @work
    async def action_emergency(self) -> None:
        if self.detail is not None:
            await actions.emergency(self.app, self._desk, self.detail.row)

    @work
    async def action_move(self) -> None:
        if self.detail is not None:
            await actions.move(self.app, self._desk, self.detail.row)

    def action_edit(self) -> None:
        from screens.wizard.edit import EditScreen

        if self.detail is not None:
            self.app.push_screen(EditScreen(self._desk, self.detail))

    def action_plan(self) -> None:
        from screens.rotation_page.plan import plan_screen

        if self.detail is not None:
            self.app.push_screen(plan_screen(self._desk, self.detail.row))

    def action_history(self) -> None:
        from screens.rotation_page.history import HistoryScreen

        if self.detail is not None:
            self.app.push_screen(HistoryScreen(self._desk, self.detail.row))

    @work
    async def action_pause(self) -> None:
        if self.detail is not None:
            await actions.pause_or_resume(self.app, self._desk, self.detail.row)

    def action_resume(self) -> None:
        self.action_pause()

    @work
    async def action_delete(self) -> None:
        if self.detail is not None and await actions.delete(self.app, self._desk, self.detail.row):
            self._leave()

    @work
    async def action_guard(self) -> None:
        if self.detail is not None:
            await actions.change_guard(self.app, self._desk, self.detail.row)

    @work(exclusive=True, group="check")
    async def action_check(self) -> None:
        await self._check(self._desk.service.rotations.check(self._rotation_id), "Not checked")

    @work(exclusive=True, group="check")
    async def action_heal(self) -> None:
        drifted = " and ".join(check.identity for check in self._checks.values() if check.ok is False)
        text = (
            f"{drifted} cannot log in with what is stored here. The password at the target is set back to that: "
            "whoever uses the published secrets can log in again, whoever uses another password cannot."
        )
        if await self.app.push_screen_wait(confirmation("Set the passwords back?", text, "Set back")) == YES:
            await self._check(self._desk.service.rotations.heal(self._rotation_id), "Not healed")

    async def _check(self, call: Awaitable[list[SlotCheck]], failed: str) -> None:
        self._checking = True
        self._checks.clear()
        self._show()
        try:
            self._checks = {check.slot: check for check in await call}
            self._checked_at = self._desk.now()
        except Exception as error:
            await actions.show_error(self.app, failed, error)
        finally:
            self._checking = False
            self._show()
            self.refresh_bindings()

    @work(exclusive=True, group="reveal")
    async def action_reveal(self) -> None:
        if self._values:
            self._mask()
            return
        if self.detail is None:
            return
        try:
            reveal = self._desk.service.secrets.reveal
            values = {s.name: await reveal(self._rotation_id, s.name) for s in self.detail.secrets if s.secret}
        except Exception as error:
            await actions.show_error(self.app, "Not revealed", error)
            return
        if not self.is_active:
            return
        self._values = values
        self._masked_at = self._desk.now() + REVEALED_FOR
        self._mask_timer = self.set_timer(REVEALED_FOR.total_seconds(), self._mask)
        self._show()

    def _mask(self) -> None:
        if self._mask_timer is not None:
            self._mask_timer.stop()
            self._mask_timer = None
        if self._values:
            self._values = {}
            if self.is_attached:
                self._show()
