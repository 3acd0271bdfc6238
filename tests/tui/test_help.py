"""Help: what a screen is for, and all its keys in groups."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.dom import DOMNode
from textual.screen import Screen

import screens
from app.tui import KeyturnApp
from tests.conftest import Database
from tests.tui.ground import Walk, set_up, walking
from tests.variants import few

pytestmark = pytest.mark.usefixtures("home")


def ours(base: type[DOMNode] = DOMNode) -> Iterator[type[DOMNode]]:
    """All classes of the terminal UI that may have keys."""
    for kind in base.__subclasses__():
        if kind.__module__.startswith(("screens", "app.tui")):
            yield kind
        yield from ours(kind)


def test_every_key_has_a_name_an_explanation_and_an_action() -> None:
    for module in pkgutil.walk_packages(screens.__path__, "screens."):
        importlib.import_module(module.name)
    bound = [(kind, each) for kind in set(ours()) for each in vars(kind).get("BINDINGS", ())]
    assert len(bound) > 100
    for kind, binding in bound:
        what = f"{kind.__name__}: {binding.key}" if isinstance(binding, Binding) else f"{kind.__name__}: {binding}"
        assert isinstance(binding, Binding), what
        assert binding.description, what
        assert binding.tooltip or not binding.show, what
        space, _, name = binding.action.partition("(")[0].rpartition(".")
        places: dict[str, type[DOMNode]] = {"": kind, "app": KeyturnApp, "screen": Screen}
        assert hasattr(places[space], f"action_{name}"), what


async def read_all(walk: Walk) -> str:
    """The whole help, scrolled through by keyboard."""
    box = walk.screen.query_one(VerticalScroll)
    await walk.press("home")
    await walk.pilot.pause()
    shown = walk.text
    while box.scroll_offset.y < box.max_scroll_y:
        await walk.press("pagedown")
        await walk.pilot.pause()
        box.scroll_to(y=box.scroll_target_y, animate=False)
        shown += walk.text
    return shown


@pytest.mark.parametrize("size", few([(60, 20), (120, 40)]))
async def test_every_page_explains_itself_and_its_keys(pg: Database, size: tuple[int, int]) -> None:
    await set_up(pg, "billing")
    async with walking(size) as walk:
        for open_it, own in [
            ([], ["Set up a new rotation"]),
            (["2"], ["Log in through the one under the cursor"]),
            (["3"], ["Show the value for 30 s", "In a field"]),
            (["4"], ["Show new events as they are written", "In a field"]),
        ]:
            await walk.press(*open_it)
            await walk.pilot.pause()
            page = type(walk.screen).__name__
            await walk.press("question_mark")
            await walk.reaches("HelpScreen")
            shown = " ".join((await read_all(walk)).replace("│", " ").split())
            for text in ["On this screen", "Everywhere", "ctrl+p", "Leave Keyturn", *own]:
                assert all(word in shown for word in text.split()), f"{text!r} in the help of {page}:\n{shown}"
            await walk.press("escape")
            await walk.reaches(page)
