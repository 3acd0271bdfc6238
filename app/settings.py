"""Where things are and which limits hold: environment variables, read once, with XDG defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.errors import UsageError


@dataclass(frozen=True)
class Settings:
    """`KEYTURN_HOME` puts everything below one folder; otherwise the XDG folders are used.

    `lease_seconds`: for how long a rotation is blocked by a process that died. `environ` is handed to the key search.
    """

    data_dir: Path
    config_dir: Path
    state_dir: Path
    database_url: str
    key_file: Path | None
    lease_seconds: float
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def default_key_file(self) -> Path:
        return self.config_dir / "keyturn.key"

    @property
    def log_file(self) -> Path:
        return self.state_dir / "keyturn.log"


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Raises UsageError for a value that makes no sense."""
    data, config, state = _folders(environ)
    key_file = environ.get("KEYTURN_KEY_FILE")
    return Settings(
        data_dir=data,
        config_dir=config,
        state_dir=state,
        database_url=environ.get("KEYTURN_DATABASE_URL") or f"sqlite:///{data / 'keyturn.db'}",
        key_file=Path(key_file).expanduser() if key_file else None,
        lease_seconds=_seconds(environ, "KEYTURN_LEASE_SECONDS", 30.0),
        environ=environ,
    )


def _folders(environ: Mapping[str, str]) -> tuple[Path, Path, Path]:
    if home := environ.get("KEYTURN_HOME"):
        folder = Path(home).expanduser().absolute()
        return folder, folder, folder
    user = Path(environ.get("HOME") or Path.home())

    def xdg(variable: str, default: str) -> Path:
        value = environ.get(variable, "")
        # The XDG specification: relative paths are to be ignored.
        return (Path(value) if value.startswith("/") else user / default) / "keyturn"

    return (
        xdg("XDG_DATA_HOME", ".local/share"),
        xdg("XDG_CONFIG_HOME", ".config"),
        xdg("XDG_STATE_HOME", ".local/state"),
    )


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.5 <= value <= 3600:
        raise UsageError(f"{name} must be a number of seconds from 0.5 to 3600.")
    return value
