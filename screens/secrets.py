"""Everything that is published, by place: names freely, values only when asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.timer import Timer

from app.views import PlacedSecret, RotationRow
from screens import look
from screens.clipboard import send
from screens.leaving import LeftOnce
from screens.pages import SECRETS, open_rotation
from screens.rereading import Rereading
from screens.revealing import REVEALED_FOR, mask, masked_soon
from screens.text import one_line, plain
from screens.troubles import in_words
from screens.widgets.finder import Finder
from screens.widgets.line_table import Cell, Column, LineTable
from screens.widgets.listing import Listing

if TYPE_CHECKING:
    from screens.desk import Desk

_WITH_NEXT, _WITH_VERSION = 76, 96
"""From how many columns on the next run, then the version have a column of their own."""
_MUTED = look.STYLES[look.MUTED]

EMPTY = "No secrets yet.\n\nA rotation publishes its credential as secrets: press 1, then n, to set one up."


class SecretsScreen(LeftOnce[None]):
    """Follows the store. A value is masked again after a while, and as soon as one looks elsewhere."""

    PAGE = SECRETS
    CSS_PATH: ClassVar[list[str | PurePath]] = ["widgets/listing.tcss", "secrets.tcss"]
    HELP = (
        "What your programs read, by place. A value is shown for 30 s when you ask for it, and the history says who "
        "looked. y sends it to your terminal's clipboard without showing it; whether it arrives is up to the terminal."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,v", "reveal", "Reveal", tooltip="Show the value for 30 s, or hide it; this is recorded"),
        Binding("y", "send", "Clipboard", tooltip="Send the value to your terminal's clipboard; this is recorded"),
        Binding("slash", "find", "Filter", tooltip="Only those that hold all the words that you type"),
        Binding("question_mark,f1", "app.help", "Help", tooltip="The keys of this screen"),
        Binding("escape,q", "back", "Back", tooltip="Show everything again; then leave the page"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._secrets: list[PlacedSecret] = []
        self._texts: list[str] = []
        """What each can be found by."""
        self._owners: dict[str, RotationRow] = {}
        self._several_projects = False
        self._public: dict[tuple[str, int], str] = {}
        """Values that may be seen, by key and version."""
        self._revealed: tuple[str, str] | None = None
        """Key and value."""
        self._masked_at: datetime | None = None
        self._mask_timer: Timer | None = None
        self._read_once = False
        self._reading = Rereading(self, self._read)
        self._table: LineTable[PlacedSecret] = LineTable(_columns(80), key=key_of, cells=self._cells)
        self._list = Listing("Secrets", self._table, one="secret", words="name, environment, path or rotation")

    def compose(self) -> ComposeResult:
        yield self._list

    def on_mount(self) -> None:
        self._desk.changed.subscribe(self, lambda desk: self._changed())
        self.set_interval(1.0, self._tick)

    def on_resize(self) -> None:
        self._table.set_columns(_columns(self.size.width))

    def on_screen_resume(self) -> None:
        self._reading.catch_up()

    def on_screen_suspend(self) -> None:
        self._mask()

    def on_unmount(self) -> None:
        self._mask()

    def _tick(self) -> None:
        if self.is_current:
            self._table.redraw()
            self._show_detail()
            if self._list.trouble:  # the store may be back
                self._reading.renew()

    # Reading ---------------------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        if self.is_current:
            self._reading.renew()
        else:
            self._reading.outdated = True

    async def _read(self) -> None:
        with self._list.reading():
            found = await self._desk.service.secrets.everywhere()
            snapshot = self._desk.snapshot
            self._owners = {row.id: row for row in snapshot.rows} if snapshot is not None else {}
            self._texts = await asyncio.to_thread(_texts, found, self._owners)
            self._several_projects = len({secret.place.project for secret in found}) > 1
            self._secrets, self._read_once = found, True
        self._show()

    @on(Finder.Changed)
    def _show(self) -> None:
        words = self._list.finder.text.lower().split()
        listed = zip(self._secrets, self._texts, strict=True)
        rows = [secret for secret, text in listed if all(word in text for word in words)]
        before = self._table.cursor_row
        self._list.show(rows, otherwise=EMPTY if self._read_once else "")
        found = f"{len(rows)} of {len(self._secrets)}" if words else f"{len(self._secrets)}"
        self._list.head(f"Secrets  {found}")
        if before != self._table.cursor_row:
            self._mask()
            self._read_public()
        self._show_detail()
        self.refresh_bindings()

    def _owner(self, secret: PlacedSecret) -> RotationRow | None:
        return self._owners.get(secret.rotation_id or "")

    @work(exclusive=True, group="public")
    async def _read_public(self) -> None:
        """A username is no secret: it is shown without being asked for."""
        secret = self._table.cursor_row
        if secret is None or secret.secret or (key_of(secret), secret.version) in self._public:
            return
        try:
            value = await self._desk.service.secrets.value(secret.place, secret.name)
        except Exception:
            return  # gone, or the store is away: the list says so soon
        self._public[key_of(secret), secret.version] = value
        self._show_detail()

    # Showing ---------------------------------------------------------------------------------------------------------

    def _cells(self, secret: PlacedSecret) -> tuple[Cell, ...]:
        now, owner, place = self._desk.now(), self._owner(secret), secret.place
        where = f"{place.project} {place.environment} {place.path}"
        cells = [
            (secret.name, ""),
            (where if self._several_projects else where.partition(" ")[2], ""),
            (look.relative(secret.updated_at, now), look.MUTED),
            (owner.name, "") if owner else ("none", look.MUTED),
        ]
        if self.size.width >= _WITH_NEXT:
            following = look.relative(owner.next_at, now) if owner and owner.next_at else "never"
            cells.append((following, look.MUTED))
        if self.size.width >= _WITH_VERSION:
            cells.append((f"{secret.version:>7}", look.MUTED))
        return tuple(cells)

    @on(LineTable.Highlighted)
    def _highlighted(self) -> None:
        secret = self._table.cursor_row
        if self._revealed is not None and (secret is None or key_of(secret) != self._revealed[0]):
            self._mask()
        self._read_public()
        self._show_detail()
        self.refresh_bindings()

    def _show_detail(self) -> None:
        secret = self._table.cursor_row
        self._list.tell(self._lines(secret) if secret is not None else [])

    def _lines(self, secret: PlacedSecret) -> Iterable[Content]:
        now, owner, place = self._desk.now(), self._owner(secret), secret.place
        where = f"  {place.project} {place.environment} {place.path}"
        yield Content.assemble((one_line(secret.name), "bold"), (one_line(where), _MUTED))
        yield self._value(secret, now)
        age = f"version {secret.version}, {look.when(secret.updated_at, now)}"
        yield plain(age, _MUTED)
        if owner is None:
            yield plain("a plain secret: no rotation writes it", _MUTED)
        else:
            following = f"next run {look.when(owner.next_at, now)}" if owner.next_at else "does not run by itself"
            yield plain(one_line(f"written by {owner.name}, {following}"), _MUTED)

    def _value(self, secret: PlacedSecret, now: datetime) -> Content:
        if not secret.secret:
            return plain(self._public.get((key_of(secret), secret.version), ""))
        if self._revealed is not None and self._revealed[0] == key_of(secret) and self._masked_at is not None:
            note = masked_soon(self._masked_at, now, "space")
            return Content.assemble(plain(self._revealed[1], "bold"), (note, look.STYLES[look.WARN]))
        return Content.assemble((mask(), _MUTED), ("  space", "bold"), (" shows it for 30 s", _MUTED))

    def _mask(self) -> None:
        if self._mask_timer is not None:
            self._mask_timer.stop()
            self._mask_timer = None
        if self._revealed is not None:
            self._revealed = None
            if self.is_attached:
                self._show_detail()

    # What can be done ------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        secret = self._table.cursor_row
        if action == "reveal":
            return secret is not None and secret.secret
        if action == "send":
            return secret is not None
        return action != "find" or self._list.may_find()

    @work(exclusive=True, group="reveal")
    async def action_reveal(self) -> None:
        secret = self._table.cursor_row
        if self._revealed is not None or secret is None:
            self._mask()
            return
        value = await self._asked(secret, "")
        here = self._table.cursor_row
        if value is None or not self.is_active or here is None or key_of(here) != key_of(secret):
            return
        self._revealed = key_of(secret), value
        self._masked_at = self._desk.now() + REVEALED_FOR
        self._mask_timer = self.set_timer(REVEALED_FOR.total_seconds(), self._mask)
        self._show_detail()

    @work(exclusive=True, group="send")
    async def action_send(self) -> None:
        secret = self._table.cursor_row
        if secret is None:
            return
        value = await self._asked(secret, "sent to the terminal's clipboard")
        if value is not None:
            send(self.app, value)
            self.notify(f"Sent {one_line(secret.name)} to your terminal's clipboard.")

    async def _asked(self, secret: PlacedSecret, how: str) -> str | None:
        """The value, once the history says that it was asked for."""
        try:
            return await self._desk.service.secrets.reveal_at(secret.place, secret.name, how=how)
        except Exception as error:
            self.notify(in_words(error), severity="error")
            return None

    def action_find(self) -> None:
        self._list.finder.open()

    def action_back(self) -> None:
        if not self._list.widen():
            self.dismiss(None)

    @on(LineTable.Selected)
    def _open(self) -> None:
        secret = self._table.cursor_row
        if secret is not None and secret.rotation_id is not None:
            open_rotation(self.app, self._desk, secret.rotation_id)
        elif secret is not None:
            self.notify(f"No rotation writes {one_line(secret.name)}.")


def key_of(secret: PlacedSecret) -> str:
    place = secret.place
    return f"{place.project} {place.environment} {place.path} {secret.name}"


def _texts(secrets: list[PlacedSecret], owners: dict[str, RotationRow]) -> list[str]:
    found = []
    for secret in secrets:
        owner = owners.get(secret.rotation_id or "")
        found.append(f"{key_of(secret)} {owner.name if owner else 'nobody'}".lower())
    return found


def _columns(width: int) -> list[Column]:
    columns = [Column("Secret", 16, 3), Column("Place", 10, 2), Column("Changed", look.AT_WIDTH)]
    columns.append(Column("Rotation", 12, 3))
    if width >= _WITH_NEXT:
        columns.append(Column("Next run", look.AT_WIDTH))
    return [*columns, Column("Version", 7)] if width >= _WITH_VERSION else columns
