"""The soak stands on what the tests of the command line stand on."""

from __future__ import annotations

from tests.cli.conftest import fresh_home, ready

__all__ = ["fresh_home", "ready"]
