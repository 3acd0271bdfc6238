"""A person in front of the wizard, with nothing but a keyboard."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from textual import events
from textual.keys import _character_to_key
from textual.widget import Widget

from app.service import Service
from screens.widgets.controls import text_of
from screens.widgets.field import Field
from screens.wizard.asking import TITLES
from screens.wizard.draft import KIND
from tests.conftest import Database
from tests.tui.ground import Walk, connect, open_here, until, walking

CONNECTION, PARAMETERS, MAPPING, DETAILS, REVIEW = range(1, 6)


async def press(walk: Walk, *keys: str) -> None:
    """As fast as one can type. What acts on more than the control with the focus is given time to act."""
    for key in keys:
        name = key if len(key) > 1 or key.isalnum() else _character_to_key(key)
        walk.app.post_message(events.Key(name, " " if key == "space" else key if len(key) == 1 else None))
        if key.startswith("ctrl+") or key in ("enter", "escape", "space"):
            await walk.pilot.pause()
    await walk.pilot.pause()


def label(walk: Walk) -> str:
    """The label of the field that has the focus."""
    focused = walk.focused()
    rows = [node for node in focused.ancestors if isinstance(node, Field)] if focused else []
    return rows[0].label if rows else ""


def error(walk: Walk, title: str) -> str:
    """What stands under a field."""
    return next(field.error for field in walk.screen.query(Field) if field.label == title)


async def complains(walk: Walk, title: str, complaint: str) -> None:
    """Wait until that complaint stands under a field."""
    await until(
        lambda: complaint in error(walk, title), lambda: f"{complaint!r}, not {error(walk, title)!r}\n{walk.text}"
    )


async def field(walk: Walk, title: str) -> None:
    """Wait until that field has the focus."""
    await until(lambda: label(walk) == title, lambda: f"the focus in {title}, which is in {label(walk)!r}\n{walk.text}")


async def step(walk: Walk, at: int) -> None:
    """Wait until the wizard is at that step, and something has the focus."""
    title = f"● {at} {TITLES[at]}" if at else f"● {TITLES[0]}"
    await walk.sees(title)
    await until(lambda: walk.focused() is not None, "something to have the focus")


async def fill(walk: Walk, title: str, text: str) -> None:
    """Replace what stands in the field that has, or will have, the focus; long texts are pasted."""
    await field(walk, title)
    if text_of(_focused(walk)):
        await press(walk, "end", "ctrl+u")
    if len(text) <= 5:
        await press(walk, *text)
    else:
        walk.app.post_message(events.Paste(text))
    await until(lambda: text_of(_focused(walk)) == text, lambda: f"{text!r} in {title}\n{walk.text}")


def _focused(walk: Walk) -> Widget:
    focused = walk.focused()
    assert focused is not None
    return focused


async def down_to(walk: Walk, title: str) -> None:
    """Press the down key until that field has the focus."""
    for _ in range(20):
        if label(walk) == title:
            return
        await press(walk, "down")
    raise AssertionError(f"the down key never comes to {title}\n{walk.text}")


async def tab_to(walk: Walk, name: str) -> Widget:
    """Press tab until the widget with that id has the focus."""
    for _ in range(40):
        focused = walk.focused()
        if focused is not None and focused.id == name:
            return focused
        await press(walk, "tab")
    raise AssertionError(f"tab never comes to {name}\n{walk.text}")


async def start(walk: Walk) -> None:
    await press(walk, "n")
    await walk.reaches("WizardScreen")
    await walk.sees("What do you want to rotate?", "PostgreSQL credentials")
    await step(walk, 0)


async def resume(walk: Walk) -> None:
    """Start, and continue the draft that is there."""
    await press(walk, "n")
    await walk.reaches("Question")
    await walk.sees("Continue the draft from")
    await press(walk, "enter")
    await walk.reaches("WizardScreen")
    await until(lambda: walk.focused() is not None, "something to have the focus")


def users_of(pg: Database) -> tuple[str, str]:
    return pg.role_name("app1"), pg.role_name("app2")


def answers(pg: Database, **changes: str) -> dict[str, str]:
    """A draft that has everything; dots in names as __."""
    first, second = users_of(pg)
    values = {
        "connectionId": "ops-admin",
        "rotationInterval": "30",
        "rotateAt": "03:30",
        "parameters.username1": first,
        "parameters.username2": second,
        "environment": "prod",
        "secretPath": "/billing",
        "name": "billing",
    }
    return {**values, **{key.replace("__", "."): value for key, value in changes.items()}}


async def keep_draft(service: Service, at: int, values: Mapping[str, str]) -> None:
    await service.drafts.save(KIND, at, {"type": "postgres-credentials", "values": dict(values)})


async def kept_draft() -> Mapping[str, Any] | None:
    """What another process finds."""
    async with open_here() as service:
        found = await service.drafts.load(KIND)
    return found.data if found is not None else None


@contextlib.asynccontextmanager
async def at_step(
    pg: Database, at: int, size: tuple[int, int] = (80, 24), *, users: bool = True, **changes: str
) -> AsyncIterator[Walk]:
    """In the wizard, at a step, everything filled in and valid but for the changes."""
    if users:
        for name in ("app1", "app2"):
            pg.create_role(name, "temporary")
    async with open_here() as service:
        await connect(service, pg)
        await keep_draft(service, at, answers(pg, **changes))
    async with walking(size) as walk:
        await resume(walk)
        await step(walk, at)
        yield walk
