"""Style sheets that are parsed once for all the apps of a run: most walks of the terminal UI are shorter than a second,
and a tenth of that would go into reading the same files anew.
"""

from __future__ import annotations

from typing import Any

import pytest
from textual.css.stylesheet import Stylesheet

_Rules = list[Any]


def share() -> None:
    """From now on, for every style sheet with the same colours."""
    parse, parsed = Stylesheet._parse_rules, dict[object, _Rules]()

    def parse_once(self: Stylesheet, *source: Any, **more: Any) -> _Rules:
        key = (source, tuple(more.items()), tuple(self._variables.items()))
        if key not in parsed:
            parsed[key] = parse(self, *source, **more)
        return parsed[key]

    pytest.MonkeyPatch().setattr(Stylesheet, "_parse_rules", parse_once)
