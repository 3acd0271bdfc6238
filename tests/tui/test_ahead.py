"""What the other pages need is there before the first key asks for one of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.tui.ground import until, walking
from tests.tui.wizardry import press, start

pytestmark = pytest.mark.usefixtures("home")


async def test_while_the_first_rows_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "screens.rotation_page.move", raising=False)
    async with walking() as walk:

        def styles() -> set[str]:
            return {Path(path).name for path, _ in walk.app.stylesheet.source}

        assert "wizard.tcss" not in styles()
        await until(lambda: {"wizard.tcss", "form_screen.tcss", "rotation.tcss"} <= styles(), "the styles of all pages")
        assert "screens.rotation_page.move" in sys.modules
        known = len(walk.app.stylesheet.source)
        await start(walk)
        await press(walk, "escape")
        await walk.reaches("DashboardScreen")
        added = [path for path, _ in list(walk.app.stylesheet.source)[known:] if path.endswith(".tcss")]
        assert not added, "nothing is read twice"
