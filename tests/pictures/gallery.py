"""Pictures to hold the screens against: `docs/pictures/NAME-80x24-dark.svg`. PICTURES=write makes them anew."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.pictures.frames import portraits
from tests.tui.ground import Walk

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
# Textual lets the viewer fetch its font from far away; every system has a monospaced one.
WRITING = os.environ.get("PICTURES") == "write"
_FONTS = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


@dataclass
class Gallery:
    """Collects what looks different, so that one run tells of everything."""

    apart: Path
    """Where pictures go that differ from what is expected."""
    every: bool
    """Whether all sizes are looked at in all themes; otherwise each screen in one of them."""
    different: list[str] = field(default_factory=list)
    hung: int = 0

    async def hang(
        self,
        name: str,
        walk: Walk,
        *,
        size: tuple[int, int] | None = None,
        reopen: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Take the screen as it is, in every size, or in that one alone, and every theme; opened anew for each."""
        turn = None if self.every else self.hung
        for variant, svg in (await portraits(walk, size, turn=turn, reopen=reopen)).items():
            self._look(f"{name}-{variant}.svg", f"{_FONTS.sub('', svg).rstrip()}\n")

    def _look(self, name: str, svg: str) -> None:
        self.hung += 1
        expected = FOLDER / name
        if WRITING:
            FOLDER.mkdir(exist_ok=True)
            expected.write_text(svg)
        elif not expected.exists() or expected.read_text() != svg:
            (self.apart / name).write_text(svg)
            self.different.append(name)

    def judge(self) -> None:
        """Raises AssertionError when something looks different."""
        assert self.hung
        assert not self.different, (
            f"{len(self.different)} pictures differ: {', '.join(self.different)}.\n"
            f"How they look now is in {self.apart}. When that is right: make pictures"
        )
