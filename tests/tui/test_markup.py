"""Brackets that somebody else wrote are shown as they are: Textual would read them as markup, links or errors."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg import sql
from textual.app import App, ComposeResult
from textual.widgets import Input

from screens.text import one_line, plain, visible
from screens.widgets.bars import TitleBar
from screens.widgets.field import Field
from screens.widgets.question import Question
from store import rotations
from tests.conftest import Database
from tests.tui.ground import connect, open_here, walking
from tests.variants import few

NASTY = ["a[/]b", "x[@click=app.quit]y", "db[prod]", "[bold red]z", "]["]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("nasty", few(NASTY, keep=2))
async def test_every_screen_shows_brackets_literally(pg: Database, nasty: str) -> None:
    secret = nasty.replace("/", "|")
    users = [f"{nasty}{number}_{pg.suffix}" for number in (1, 2)]
    for user in users:
        pg.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(user)))
    async with open_here(f"cli:{nasty}") as service:
        connection = await connect(service, pg, "ops-admin")
        body: dict[str, Any] = {
            "name": "plain",
            "projectId": "default",
            "environment": "prod",
            "secretPath": "/",
            "connectionId": connection,
            "parameters": {"username1": users[0], "username2": users[1]},
            "secretsMapping": {"username": f"{secret}_U", "password": f"{secret}_P"},
            "rotationInterval": 30,
            "rotateAtUtc": {"hours": 2, "minutes": 0},
            "isAutoRotationEnabled": True,
        }
        rotation_id = (await service.creation.create("postgres-credentials", body)).rotation.id
        # Names like this come from another program, or from an older version.
        await service.store.awrite(
            lambda tx: rotations.update_fields(
                tx,
                rotation_id,
                name=nasty,
                description=f"about {nasty}",
                rotation_status="failed",
                last_rotation_message=f"server says {nasty}",
            )
        )
    async with walking((120, 40)) as walk:
        await walk.sees(nasty, users[0], f"server says {nasty}")
        await walk.press("ctrl+p")
        await walk.sees(f"Open {nasty} (prod /)")
        await walk.press("escape")
        await walk.press("p")
        await walk.sees(f"{nasty} is paused")
        await walk.press("enter")
        await walk.reaches("RotationScreen")
        await walk.sees(f"about {nasty}", f"{secret}_P", f"● {users[0]}", f"create by cli:{nasty}")
        await walk.press("r")
        await walk.sees(f"Rotate {nasty} now?", f"published in {secret}_U")
        await walk.press("enter")
        await walk.sees(f"Rotating {nasty}", users[1], "Done")
        await walk.press("escape", "d")
        await walk.reaches("DeleteDialog")
        await walk.sees(f"Delete {nasty}", f"The secrets {secret}_")
        await walk.press("x", "enter")
        await walk.sees(f"type exactly: {nasty}")
        assert walk.app.is_running


@pytest.mark.parametrize("nasty", NASTY)
async def test_toasts_read_no_markup_whatever_they_are_told(nasty: str) -> None:
    async with walking((80, 24), until_open=False) as walk:
        walk.app.notify(nasty)
        walk.screen.notify(f"{nasty} again", title=nasty, markup=True)
        await walk.sees(nasty, f"{nasty} again")


class Shared(App[None]):
    """The shared widgets, given untrusted text everywhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.nasty = text

    def compose(self) -> ComposeResult:
        yield TitleBar(self.nasty, self.nasty)
        yield Field(self.nasty, Input(compact=True), key="k", unit=self.nasty)


@pytest.mark.parametrize("nasty", NASTY)
async def test_shared_widgets_show_brackets_literally(nasty: str) -> None:
    app = Shared(nasty)
    async with app.run_test(size=(80, 24)) as pilot:
        field = app.screen.query_one(Field)
        field.error = f"wrong: {nasty}"
        app.push_screen(Question(nasty, nasty, [("a", nasty)]))
        await pilot.pause()
        app.pop_screen()
        await pilot.pause()
        drawn = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
        assert drawn.count(nasty) >= 4


def test_what_a_terminal_would_obey_is_made_visible() -> None:
    assert visible("a\x1b[31mb\x07\x9bc\u202ed") == "a�[31mb��c�d"
    assert visible("tab\there\nnext") == "tab    here\nnext"
    assert one_line("two\r\nlines") == "two lines"
    assert plain("x[/]\x1b]52;c;aGk=\x07").plain == "x[/]�]52;c;aGk=�"
    assert visible("größe ✓ 日本") == "größe ✓ 日本"
