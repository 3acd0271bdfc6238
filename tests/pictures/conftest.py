"""What every picture needs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pictures.gallery import WRITING, Gallery
from tests.variants import few


@pytest.fixture(autouse=True)
def _same_everywhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Wherever and whenever it is run: same zone, same palette, same letters."""
    monkeypatch.setenv("HOME", str(home.parent))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("LANG", "C.UTF-8")
    for name in ("SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT", "TEXTUAL_THEME", "COLORTERM", "TERM"):
        monkeypatch.delenv(name, raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(params=few([False, True]), ids=["some", "every"])
def gallery(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """Judges at the end of the test."""
    gallery = Gallery(tmp_path_factory.mktemp("pictures"), every=request.param or WRITING)
    yield gallery
    gallery.judge()
