"""Settings from flags, environment and file, in this order; what none of them gives has its default.

What every command needs is found without Pydantic, which takes longer to import than a short command may take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.settings.file import SettingsFile, read_file
from app.settings.places import places_of

if TYPE_CHECKING:
    from app.settings.model import Declared

LEASE_SECONDS = 30.0
_TEXTS = ("database_url", "key_file", "key_command")


@dataclass(frozen=True)
class Settings:
    """What every command needs. `environ` is handed to the key search."""

    data_dir: Path
    config_dir: Path
    state_dir: Path
    log_file: Path
    database_url: str
    key_file: Path | None
    lease_seconds: float
    file: SettingsFile
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def default_key_file(self) -> Path:
        return self.config_dir / "keyturn.key"


@dataclass(frozen=True)
class Given:
    """What somebody set. `origin` is the flag, the variable, or "FILE:LINE"."""

    value: Any = field(repr=False)
    origin: str
    text: bool = False
    """It came as text, so "8" may be a number."""


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Raises UsageError for a file that cannot be read, or a value that makes no sense."""
    file = read_file(environ)
    found = {name: given_for(name, environ, file) for name in _TEXTS}
    if all(given is None or isinstance(given.value, str) for given in found.values()):
        texts = {name: given.value if given else "" for name, given in found.items()}
    else:
        texts = _checked(_TEXTS, environ, file)
    lease = "lease_seconds"
    seconds = _checked((lease,), environ, file)[lease] if given_for(lease, environ, file) else LEASE_SECONDS
    return _settings(texts, seconds, file, environ)


def load_declared(environ: Mapping[str, str], flags: Mapping[str, Any], file: SettingsFile) -> Declared:
    """All settings. `flags`: by name, None for those not given. Raises UsageError."""
    from app.settings.check import check
    from app.settings.model import Declared

    return check({name: given_for(name, environ, file, flags) for name in Declared.model_fields})


def given_for(
    name: str, environ: Mapping[str, str], file: SettingsFile, flags: Mapping[str, Any] | None = None
) -> Given | None:
    """Who set it; None leaves the default. An empty variable counts as not set."""
    if (value := (flags or {}).get(name)) is not None:
        return Given(value, f"--{name.replace('_', '-')}", text=isinstance(value, str))
    variable = variable_of(name)
    if value := environ.get(variable):
        return Given(value, variable, text=True)
    if name in file.values:
        return Given(file.values[name], file.where(name))
    return None


def variable_of(name: str) -> str:
    return f"KEYTURN_{name.upper()}"


def _checked(names: tuple[str, ...], environ: Mapping[str, str], file: SettingsFile) -> dict[str, Any]:
    from app.settings.check import check

    found = check({name: given_for(name, environ, file) for name in names})
    return {name: getattr(found, name) for name in names}


def _settings(
    texts: Mapping[str, str], lease_seconds: float, file: SettingsFile, environ: Mapping[str, str]
) -> Settings:
    places = places_of(environ)
    if command := texts["key_command"]:
        environ = {**environ, variable_of("key_command"): command}
    return Settings(
        data_dir=places.data,
        config_dir=places.config,
        state_dir=places.state,
        log_file=places.log_file,
        database_url=texts["database_url"] or f"sqlite:///{places.data / 'keyturn.db'}",
        key_file=Path(texts["key_file"]).expanduser() if texts["key_file"] else None,
        lease_seconds=lease_seconds,
        file=file,
        environ=environ,
    )
