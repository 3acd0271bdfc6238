"""The ground of the fuzz: the model of a target, in this process, beside the real types."""

from __future__ import annotations

from tests.cli.conftest import fresh_home
from tests.faults.conftest import _model_is_installed_too
from tests.rotation.conftest import clock, world

__all__ = ["_model_is_installed_too", "clock", "fresh_home", "world"]
