"""Which format of the tables this version knows; apart, so that knowing it needs no database toolkit."""

from __future__ import annotations

HEAD = "0007"
"""The newest migration; a test holds it against the tree."""
