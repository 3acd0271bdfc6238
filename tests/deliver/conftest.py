"""The command line's ground: what is delivered is read by real programs."""

from __future__ import annotations

from tests.cli.conftest import _heed_signals, connected, fresh_home, ground, ready

__all__ = ["_heed_signals", "connected", "fresh_home", "ground", "ready"]
