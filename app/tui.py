"""The terminal application: theme, keys, command palette, and the background loop as a worker.

The first frame is drawn before anything of the service is imported; that happens in a thread while a person reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import getpass
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.geometry import Size
from textual.message import Message
from textual.screen import Screen
from textual.worker import WorkerFailed

from app import logs
from app.crash import last_words
from app.errors import Explanation, explain
from app.preferences import AUTO, Preferences, load, save, wants_mouse, zone_of
from app.settings import Settings
from screens import look
from screens.dashboard import DashboardScreen
from screens.desk import Desk
from screens.driver import TerminalDriver
from screens.theme import default_theme, themes

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual.filter import LineFilter
    from textual.notifications import SeverityLevel

    from app.service import Service

log = logging.getLogger("keyturn.tui")

_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_PATIENCE = 20.0
"""How long parking may take once the terminal is restored, in seconds."""


def run_tui(
    settings: Settings,
    *,
    status_line: Callable[[], str] | None = None,
    background_loop: bool = True,
    first_start_notice: bool = True,
) -> int:
    """Show the terminal UI until it is left; the exit code. Look at `app.terminal.terminal_problem` first.

    `status_line` is asked once a second for a line to show under the title.
    """
    app = KeyturnApp(
        settings,
        status_line=status_line,
        background_loop=background_loop,
        first_start_notice=first_start_notice,
    )
    with logs.kept(settings.log_file), asyncio.Runner() as runner:
        try:
            runner.run(app.run_until_left())
        finally:
            runner.run(app.wind_down())
            gc.enable()
    return app.return_code or 0


def _commands() -> type[Provider]:
    from screens.palette import Commands

    return Commands


class KeyturnApp(App[int]):
    """Opens the service after its first frame. `desk` is there from then on."""

    TITLE = "Keyturn"
    CSS_PATH: ClassVar[list[str | PurePath]] = ["../screens/base.tcss", "../screens/dashboard/dashboard.tcss"]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (96, "-wide")]  # noqa: RUF012 - Textual declares no ClassVar
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_commands}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True),
        Binding("question_mark,f1", "help", "Help", show=False),
        Binding("v,4", "go('events')", "Events", tooltip="The history: who did what when"),
        Binding("3", "go('secrets')", "Secrets", tooltip="What is published, by place"),
        Binding("5", "go('deliveries')", "Deliveries", tooltip="What hooks were told, and what was not", show=False),
        Binding("comma", "go('settings')", "Settings", tooltip="Colours, times, characters"),
        Binding("1", "go('rotations')", "Rotations", tooltip="All rotations", show=False),
        Binding("2", "go('connections')", "Connections", tooltip="Admin access to the targets", show=False),
        # Over a slow line several keys arrive at once: what follows a tab must not reach the field before it.
        Binding("tab", "app.focus_next", "To the next part", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", "To the part before", show=False, priority=True),
    ]

    @dataclass
    class Opened(Message):
        service: Service

    @dataclass
    class NotOpened(Message):
        error: Explanation

    def __init__(
        self,
        settings: Settings,
        *,
        status_line: Callable[[], str] | None = None,
        background_loop: bool = True,
        first_start_notice: bool = True,
    ) -> None:
        super().__init__(driver_class=TerminalDriver)
        if "TEXTUAL_ANIMATIONS" not in os.environ:
            self.animation_level = "none"  # over a slow line each frame of a list that glides holds up the next key
        self.settings = settings
        self.desk: Desk | None = None
        self._status_line = status_line
        self._background_loop = background_loop
        self._first_start_notice = first_start_notice
        self._leaving = False
        for theme in themes():
            self.register_theme(theme)
        self._plain: tuple[LineFilter, ...] = ()
        self._preferences, self._complaints = load(settings.file)
        self._apply()

    def _apply(self) -> None:
        """Make the preferences hold."""
        chosen, environ = self._preferences, self.settings.environ
        self.theme = default_theme(environ, self.available_themes) if chosen.theme == AUTO else chosen.theme
        look.choose_times(look.Times(chosen.times == "relative", zone_of(chosen.zone)))
        asked = None if chosen.ascii == AUTO else chosen.ascii == "on"
        self._plain = ()
        if look.choose_glyphs(environ, asked) is look.ASCII:
            from screens.ascii import AsciiFilter

            self._plain = (AsciiFilter(),)

    def _prefer(self, chosen: Preferences) -> Explanation | None:
        """Make them hold on all screens, and write them down. What kept them from being written."""
        self._preferences = chosen
        self._apply()
        if isinstance(self._driver, TerminalDriver):
            self._driver.use_mouse(wants_mouse(chosen, self.settings.environ))
        for screen in self.screen_stack:
            for widget in screen.walk_children(with_self=True):
                widget.notify_style_update()
                widget.refresh()
        try:
            save(self.settings.file.path, chosen)
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            return known
        return None

    def get_default_screen(self) -> Screen[Any]:
        return DashboardScreen(self._status_line)

    async def on_event(self, event: events.Event) -> None:
        """Keys that were typed ahead of the end find no screen any more."""
        if self._screen_stack or not isinstance(event, events.InputEvent | events.Paste):
            await super().on_event(event)

    def on_mount(self) -> None:
        self.call_after_refresh(self._start_opening)
        self.screen_change_signal.subscribe(self, lambda _: self.call_later(lambda: self._fit(self.size)))

    def on_resize(self, event: events.Resize) -> None:
        self._fit(event.size)

    def _fit(self, size: Size) -> None:
        """Also when a page comes to the top while there is no room for it, because what was above it has ended."""
        from screens.too_small import TooSmallScreen, too_small

        if not self._screen_stack:
            return
        small = too_small(*size)
        if small and not any(isinstance(screen, TooSmallScreen) for screen in self.screen_stack):
            self.push_screen(TooSmallScreen())
        elif not small and isinstance(self.screen, TooSmallScreen):
            self.screen.dismiss()

    async def run_until_left(self) -> None:
        """Signals end it as a key would, with the terminal restored and the exit code of the signal."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, partial(self._terminated, number))
        await self.run_async(mouse=wants_mouse(self._preferences, self.settings.environ))

    async def wind_down(self) -> None:
        """After the terminal is restored: park what still runs in this event loop, and close the service."""
        if self.desk is None:
            return
        self.desk.park()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest, timeout=_PATIENCE)
        await self.desk.service.aclose()

    # Opening ---------------------------------------------------------------------------------------------------------

    def _start_opening(self) -> None:
        self.run_worker(self._open(), name="open the service")

    async def _open(self) -> None:
        try:
            service = await asyncio.to_thread(_opened, self.settings)
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            self.post_message(self.NotOpened(known))
        else:
            self.post_message(self.Opened(service))
        finally:
            # What was imported so far stays for good: the collector need not look at it again.
            gc.freeze()
            gc.enable()

    def on_keyturn_app_opened(self, message: Opened) -> None:
        self.desk = Desk(message.service, self, self._spawn)
        if not self.is_running:
            return  # left meanwhile; `wind_down` closes it
        dashboard = self.screen_stack[0]
        assert isinstance(dashboard, DashboardScreen)
        dashboard.attach(self.desk)
        from screens.given_up import Watch

        Watch(self, self.desk)
        from screens.endings import tell_endings

        tell_endings(self, self.desk)
        from screens.ahead import load_ahead

        load_ahead(self, self.desk)
        self.desk.open(background_loop=self._background_loop)
        for complaint in self._complaints:
            self.notify(complaint, severity="warning", timeout=20)
        if self._first_start_notice and (notice := message.service.first_start_notice):
            from screens.message import MessageScreen

            self.push_screen(MessageScreen("Welcome to Keyturn", notice, foot="Any key goes on."))

    def on_keyturn_app_not_opened(self, message: NotOpened) -> None:
        from screens.message import MessageScreen

        error = message.error
        log.error("not opened: %s", error.message)
        screen = MessageScreen(
            "The store cannot be opened",
            error.message,
            error.remedy,
            foot="Any key leaves.",
            style=look.STYLES[look.BAD],
        )
        self.push_screen(screen, lambda _: self.exit(return_code=1))

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self.run_worker(work, name=name)

    # Leaving ---------------------------------------------------------------------------------------------------------

    async def action_quit(self) -> None:
        """What is under way ends first; asked again, it is parked and resumed at the next start."""
        if self._leaving or self.desk is None:
            self.exit()
            return
        self._leaving = True
        if self.desk.busy:
            self.notify("Finishing what is under way, then leaving. ctrl+q again parks it: it is resumed later.")
        self.run_worker(self._leave_when_done(self.desk), name="leave")

    async def _leave_when_done(self, desk: Desk) -> None:
        await desk.wind_up()
        self.exit()

    def _terminated(self, number: signal.Signals) -> None:
        self.exit(return_code=128 + number)

    def panic(self, *renderables: RenderableType) -> None:
        """Textual leaves the exit code at 0 when the terminal cannot be read any more."""
        self._return_code = self._return_code or 1
        super().panic(*renderables)

    def _fatal_error(self) -> None:
        """Instead of Textual's picture of every frame with its variables."""
        failed = self._exception
        error = failed.error if isinstance(failed, WorkerFailed) else failed
        if self._exit_renderables or error is None:
            self._close_messages_no_wait()
            return
        # Broken by the terminal and not by us, so that the path can be copied.
        text = Text(last_words(error, self.settings.log_file), no_wrap=True, overflow="ignore")
        self._exit_renderables.append(text)
        self._close_messages_no_wait()

    # Everywhere ------------------------------------------------------------------------------------------------------

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*self._plain, *super().get_line_filters()]

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """As Textual's, but brackets in names and errors are only brackets."""
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=False)

    def action_help_quit(self) -> None:
        """ctrl+c does not quit, by habit of terminals; it says what does."""
        self.notify("Press ctrl+q to quit.")

    def action_help(self) -> None:
        from screens.help import HelpScreen, help_for

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(help_for(self.screen))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "go":
            if self.desk is None or not self._screen_stack:
                return False
            from screens.pages import may_go

            return may_go(self.screen, str(parameters[0]))
        return super().check_action(action, parameters)

    def action_go(self, page: str) -> None:
        """To another page, from wherever no text is being typed."""
        from screens.pages import SETTINGS, go

        if page == SETTINGS:
            from screens.settings import SettingsScreen

            self.push_screen(SettingsScreen(self._preferences, self.settings.file.path, self._prefer))
        elif self.desk is not None:
            go(self, self.desk, page)

    def action_command_palette(self) -> None:
        from screens.palette import Palette

        if not isinstance(self.screen, Palette):
            self.push_screen(Palette(id="--command-palette"))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What the screen's keys do, and all pages. No screenshot: it would put secrets on the disk."""
        from screens.pages import ROTATIONS, TITLES, may_go
        from screens.palette import everywhere

        told = {title for title, _ in TITLES.values()}
        for active in screen.active_bindings.values():
            binding = active.binding
            if not active.enabled or not binding.show or binding.description in told:
                continue
            if binding.action not in ("app.quit", "app.help", "select") and not binding.action.startswith("go("):
                run = partial(self.run_action, binding.action, active.node)
                yield SystemCommand(binding.description, binding.tooltip or f"Key: {binding.key}", run)
        for page, (title, about) in TITLES.items():
            if self.desk is not None and may_go(screen, page):
                yield SystemCommand(title, about, partial(self.action_go, page))
        if self.desk is not None and may_go(screen, ROTATIONS):
            for name, about, act in everywhere(self, self.desk):
                yield SystemCommand(name, about, act)
        yield SystemCommand("Help", "The keys of this screen", self.action_help)
        yield SystemCommand("Quit", "Leave Keyturn; what is under way ends first", self.action_quit)


def _opened(settings: Settings) -> Service:
    from app.service import open_service

    return open_service(settings, f"tui:{_user()}")


def _user() -> str:
    with contextlib.suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    return str(os.getuid())  # a container whose user has no name
