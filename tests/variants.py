"""Variants of one test: a few in the suite, which must stay short, and all of them in the soak."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest


def few(values: Sequence[Any], keep: int = 1) -> list[Any]:
    """The values for `parametrize`, all but the first ones marked for the soak."""
    return [value if at < keep else pytest.param(value, marks=pytest.mark.soak) for at, value in enumerate(values)]


def few_rows(rows: Sequence[tuple[Any, ...]], keep: int = 1) -> list[Any]:
    """The same for several arguments at once."""
    return [row if at < keep else pytest.param(*row, marks=pytest.mark.soak) for at, row in enumerate(rows)]
