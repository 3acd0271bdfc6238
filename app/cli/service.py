"""`keyturn service`: the unit file for systemd."""

from __future__ import annotations

import os
import shlex
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from app.background.unit import KEY_FILE, NAME, SYSTEM_PLACES, Plan, changed_by_hand, unit_text
from app.cli import output
from app.errors import KeyturnError, UsageError
from app.settings.file import read_file
from app.settings.loading import load_declared, load_settings
from app.settings.places import FILE_VARIABLE, settings_file

_FOLDERS = ("KEYTURN_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")
_LEFT_OUT = ("KEYTURN_KEY", "KEYTURN_KEY_COMMAND", "KEYTURN_KEY_FILE", "KEYTURN_DATABASE_URL")
_WINDING_DOWN = 45
"""Seconds, beside `park_seconds`: parking itself, and closing what is open."""


def install(args: Namespace) -> int:
    plan = _system_plan(args.run_as) if args.system else _user_plan()
    text = unit_text(plan)
    if args.print:
        output.out(text)
        return 0
    path = _unit_path(args)
    _write(path, text, force=args.force)
    output.line(f"Wrote {path}.")
    if args.system:
        _make_key(_below(args.root, KEY_FILE))
    else:
        for folder in plan.writable:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _tell_left_out()
    output.line("Next:")
    for command in _next_system(args.run_as) if args.system else _NEXT_USER:
        output.line(f"  {command}")
    return 0


def uninstall(args: Namespace) -> int:
    path = _unit_path(args)
    try:
        text = path.read_text("utf-8", "replace")
    except FileNotFoundError:
        raise UsageError(f"There is no {path}.") from None
    except OSError as error:
        raise _trouble(path, "read", error) from None
    if changed_by_hand(text) and not args.force:
        raise KeyturnError(f"{path} was changed by hand; it stays.", remedy="Remove it with --force.")
    try:
        path.unlink()
    except OSError as error:
        raise _trouble(path, "removed", error) from None
    manager = "sudo systemctl" if args.system else "systemctl --user"
    output.line(f"Removed {path}. Store, settings and key stay.")
    output.line(f"Next:\n  {manager} stop keyturn\n  {manager} daemon-reload")
    return 0


def _system_plan(user: str) -> Plan:
    named, explicit = settings_file(os.environ)
    environment = dict(SYSTEM_PLACES) | ({FILE_VARIABLE: str(named)} if explicit else {})
    return Plan(_command(), _installed_in(), user, _patience(environment), environment=environment)


def _user_plan() -> Plan:
    settings = load_settings(os.environ)
    named, explicit = settings_file(os.environ)
    environment = {name: os.environ[name] for name in _FOLDERS if os.environ.get(name)}
    environment |= {FILE_VARIABLE: str(named)} if explicit else {}
    folders = dict.fromkeys((settings.data_dir, settings.config_dir, settings.state_dir))
    return Plan(_command(), _installed_in(), None, _patience(os.environ), tuple(folders), environment)


def _command() -> list[str]:
    """How this very installation is started."""
    script = Path(sys.executable).with_name("keyturn")
    command = [str(script)] if os.access(script, os.X_OK) else [sys.executable, "-m", "app"]
    if any(sign in command[0] for sign in "\"'\\"):
        raise KeyturnError(
            f"systemd starts no program whose path holds quotes or backslashes: {command[0]}.",
            remedy="Install Keyturn in another folder.",
        )
    return command


def _installed_in() -> tuple[Path, ...]:
    return tuple(Path(text).resolve() for text in (sys.prefix, sys.base_prefix, __file__))


def _patience(environ: Mapping[str, str]) -> float:
    """Seconds; by the settings that the service will find."""
    return load_declared(environ, {}, read_file(environ)).park_seconds + _WINDING_DOWN


def _unit_path(args: Namespace) -> Path:
    if args.system:
        return _below(args.root, Path("/etc/systemd/system") / NAME)
    if args.root != "/":
        raise UsageError("--root goes with --system.")
    config = os.environ.get("XDG_CONFIG_HOME", "")
    base = Path(config) if config.startswith("/") else Path(os.environ.get("HOME") or Path.home()) / ".config"
    return base / "systemd" / "user" / NAME


def _below(root: str, path: Path) -> Path:
    return Path(root).absolute() / path.relative_to("/")


def _write(path: Path, text: str, *, force: bool) -> None:
    """At once or not at all."""
    draft = path.with_name(f".{path.name}.new")
    try:
        if not force and path.exists() and changed_by_hand(path.read_text("utf-8", "replace")):
            raise KeyturnError(
                f"{path} was changed by hand; it stays.",
                remedy="Overwrite it with --force. What is to stay belongs into: systemctl edit keyturn",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, "utf-8")
        draft.chmod(0o644)
        draft.replace(path)
    except OSError as error:
        raise _trouble(path, "written", error) from None


def _trouble(path: Path, deed: str, error: OSError) -> KeyturnError:
    return KeyturnError(
        f"{path} cannot be {deed}: {error.strerror}.",
        remedy="A system service is root's to install: use sudo, or --user for one of your own.",
    )


def _make_key(path: Path) -> None:
    """The service has to find a key: systemd starts nothing whose credential is missing."""
    from store.keyring import create_key_file

    if create_key_file(path).source.created:
        output.line(f"Created the key {path}: back it up. Without it the store is worthless.")


def _tell_left_out() -> None:
    given = [name for name in _LEFT_OUT if os.environ.get(name)]
    if given:
        output.note(
            f"keyturn: warning: {', '.join(given)}: set here, but not for the service. What is no secret belongs into "
            "config.toml (docs/settings.md)."
        )


_NEXT_USER = (
    "systemctl --user daemon-reload",
    "systemctl --user enable --now keyturn",
    "loginctl enable-linger          # so that it runs while you are not logged in",
)


def _next_system(user: str) -> list[str]:
    places = " ".join(f"{name}={value}" for name, value in SYSTEM_PLACES.items())
    name = shlex.quote(user)
    return [
        f"id {name} || sudo useradd --system --home-dir /var/lib/keyturn --shell /usr/sbin/nologin {name}",
        f"sudo chown {name}: {KEY_FILE.parent} {KEY_FILE}",
        "sudo systemctl daemon-reload",
        "sudo systemctl enable --now keyturn",
        f"sudo -u {name} env {places} {shlex.join(_command())} connections list     # the same store",
    ]
