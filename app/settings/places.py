"""Where Keyturn's folders are: below KEYTURN_HOME, or where the XDG specification says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE_VARIABLE = "KEYTURN_CONFIG"
FILE_NAME = "config.toml"


@dataclass(frozen=True)
class Places:
    data: Path
    config: Path
    state: Path

    @property
    def log_file(self) -> Path:
        return self.state / "keyturn.log"


def places_of(environ: Mapping[str, str]) -> Places:
    if home := environ.get("KEYTURN_HOME"):
        folder = Path(home).expanduser().absolute()
        return Places(folder, folder, folder)
    user = Path(environ.get("HOME") or Path.home())

    def xdg(variable: str, default: str) -> Path:
        value = environ.get(variable, "")
        # The XDG specification: relative paths are to be ignored.
        return (Path(value) if value.startswith("/") else user / default) / "keyturn"

    return Places(
        data=xdg("XDG_DATA_HOME", ".local/share"),
        config=xdg("XDG_CONFIG_HOME", ".config"),
        state=xdg("XDG_STATE_HOME", ".local/state"),
    )


def settings_file(environ: Mapping[str, str]) -> tuple[Path, bool]:
    """The settings file, and whether somebody named it, so that it must be there."""
    if named := environ.get(FILE_VARIABLE):
        return Path(named).expanduser().absolute(), True
    return places_of(environ).config / FILE_NAME, False
