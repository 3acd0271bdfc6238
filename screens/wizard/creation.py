"""The creation itself: it goes on when the wizard is left, and tells what became of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from app.errors import Explanation, InvalidInput, PreflightFailed
from app.views import Progress
from screens import look
from screens.look import MUTED, STYLES, glyphs
from screens.progress import step_line
from screens.text import one_line, plain
from screens.troubles import told
from screens.widgets.rows import rows
from screens.wizard.draft import KIND
from screens.wizard.review import Check

if TYPE_CHECKING:
    from app.contract import SecretRotation
    from app.service import Service


STEPS = ("plan", "issue", "verify", "publish")


class Creation:
    """One run of `create`, watched through `changed`. It belongs to the program, not to a screen."""

    def __init__(self, service: Service, type_name: str, body: Mapping[str, Any]) -> None:
        self.type_name, self.body = type_name, body
        self.changed: Callable[[], None] = lambda: None
        self.progress: dict[str, dict[str, Progress]] = {}
        """The newest word on each step, by attempt."""
        self.running = True
        self.created: SecretRotation | None = None
        self.checks: tuple[Check, ...] = ()
        """Set when a check failed: nothing was begun."""
        self.problems: tuple[tuple[str, str], ...] = ()
        """Set when the body did not stand up to what has changed meanwhile."""
        self.failure: Explanation | None = None
        self._service = service
        self._started = time.monotonic()
        self._ended = 0.0

    @property
    def seconds(self) -> float:
        return (self._ended or time.monotonic()) - self._started

    def now(self) -> datetime:
        return self._service.context.clock()

    async def carry_out(self) -> None:
        try:
            found = await self._service.creation.create(self.type_name, self.body, self._listen)
            self.created = found.rotation
            with contextlib.suppress(Exception):  # the rotation is there, whatever becomes of the draft
                await self._service.drafts.discard(KIND)
        except PreflightFailed as error:
            self.checks, self.failure = error.checks, told(error)
        except InvalidInput as error:
            self.problems, self.failure = tuple((p.field, p.message) for p in error.problems), told(error)
        except Exception as error:
            self.failure = told(error)
        finally:
            self.running, self._ended = False, time.monotonic()
            self.changed()

    def _listen(self, progress: Progress) -> None:
        self.progress.setdefault(progress.attempt_id, {})[progress.step] = progress
        self.changed()


class CreationView(Vertical):
    """Shows the steps as they happen, then what came of them."""

    def __init__(self, creation: Creation) -> None:
        super().__init__(classes="section")
        self._creation = creation
        self._lead, self._steps = Static(), Static(classes="steps")

    def compose(self) -> ComposeResult:
        yield self._lead
        yield self._steps

    def on_mount(self) -> None:
        self._clock = self.set_interval(0.5, self.show)
        self.show()

    def show(self) -> None:
        creation = self._creation
        if creation.running:
            at = "Setting it up" if creation.progress else "Checking everything once more"
            text = f"{glyphs().busy} {at}{glyphs().ellipsis}  {creation.seconds:.0f} s"
            self._lead.update(plain(text, STYLES[look.BUSY]))
        self._steps.update(Content("\n").join(self._lines()))

    def _lines(self) -> Iterable[Content]:
        now = self._creation.now()
        for steps in self._creation.progress.values():
            yield plain(one_line(_who(steps)), "bold")
            for step in (*STEPS, *(step for step in steps if step not in STEPS)):
                yield step_line(step, steps.get(step), now)

    async def finish(self) -> None:
        self._clock.stop()
        self.show()
        creation = self._creation
        if creation.created is not None:
            await self._tell_success(creation.created)
        elif creation.failure is not None:
            await self._tell_failure(creation.failure)

    async def _tell_success(self, rotation: SecretRotation) -> None:
        took = look.duration(self._creation.seconds * 1000)
        self._lead.update(plain(f"{glyphs().healthy} {rotation.name} is set up, in {took}.", STYLES[look.GOOD]))
        place = f"{rotation.environment.slug} {rotation.folder.path}"
        following = look.in_both_zones(rotation.next_rotation_at) if rotation.next_rotation_at else "only by hand"
        done = list(self._creation.progress.values())
        lines = [
            ("Active now", _who(done[-1]) if done else ""),  # the last one carried out is the one published
            ("Programs read", f"{' and '.join(rotation.secrets_mapping.values())} in {place}"),
            ("Next rotation", following),
        ]
        await self.mount(rows(((plain(a, STYLES[MUTED]), plain(one_line(b))) for a, b in lines if b), labels=18))

    async def _tell_failure(self, failure: Explanation) -> None:
        self._lead.update(plain(f"{glyphs().failed} Not set up.", STYLES[look.BAD]))
        works = "Everything that was published before. No secret was written."
        remedy = failure.remedy or "Go back and change what does not fit, or try again."
        lines = [("What happened", failure.message), ("What still works", works), ("What to do", remedy)]
        await self.mount(rows(((plain(a, STYLES[MUTED]), plain(b)) for a, b in lines), labels=18))


def _who(steps: Mapping[str, Progress]) -> str:
    return next(iter(steps.values())).identity
