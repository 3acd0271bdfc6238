"""How a command can end early without anything being wrong."""

from __future__ import annotations


class OutputClosed(Exception):
    """Whoever read our output has gone (`| head`): there is nothing left to do."""


class Terminated(Exception):
    """SIGTERM came; what was running has been parked."""
