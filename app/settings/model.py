"""Everything that can be set, declared once: names, types, limits, defaults, and what each is for.

A setting `log_level` is `log_level = "debug"` in the file, KEYTURN_LOG_LEVEL in the environment and, where the
command line has it, `--log-level`. Importing this takes Pydantic: short commands do without.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.settings.loading import LEASE_SECONDS


class Declared(BaseModel):
    """The settings, with their defaults."""

    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True, hide_input_in_errors=True)

    database_url: str = ""
    """The store: `sqlite:////PATH` or `postgresql+psycopg://USER@HOST/DB`. Default: SQLite in the data folder."""
    key_file: str = ""
    """The file with the key ring. Default: `keyturn.key` in the configuration folder, after the other places."""
    key_command: str = ""
    """A command that prints the key ring; no shell reads it."""
    lease_seconds: float = Field(default=LEASE_SECONDS, ge=0.5, le=3600)
    """For how long a rotation is blocked by a process that died."""
    concurrency: int = Field(default=4, ge=1, le=64)
    """How many rotations the loop carries out at once."""
    checkup_hours: float = Field(default=6, ge=0.1, le=720)
    """How often both credentials of an idle rotation are tried."""
    park_seconds: float = Field(default=20, ge=0, le=600)
    """How long running rotations may take to finish when the loop is told to stop; then they are parked."""
    deliveries_days: float = Field(default=30, ge=1, le=3650)
    """For how many days deliveries of hooks that are over are kept."""
    log_format: Literal["text", "json"] = "text"
    """How the loop writes its log lines: key=value, or one JSON object a line."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Which log lines the loop writes: these and worse ones."""
    metrics_address: str = ""
    """HOST:PORT for `/metrics` and `/healthz`. Default: none, nothing listens."""
    metrics_public: bool = False
    """Whether that address may be another one than this machine's own (loopback)."""
