from tests.cli.conftest import _heed_signals, connected, fresh_home, ground, ready

__all__ = ["_heed_signals", "connected", "fresh_home", "ground", "ready"]
