"""The unit file that lets systemd run the loop, hardened; as text, nothing is written here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app import __version__

NAME = "keyturn.service"
SYSTEM_PLACES = {"XDG_DATA_HOME": "/var/lib", "XDG_STATE_HOME": "/var/lib", "XDG_CONFIG_HOME": "/etc"}
"""So that data and log are in the state directory /var/lib/keyturn, and settings and key in /etc/keyturn."""
KEY_FILE = Path("/etc/keyturn/keyturn.key")
_HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user")))
_HEAD = "# Written by keyturn {version} service install. Changes belong beside it: systemctl {user}edit {name}\n"
_SEAL = "# checksum {}\n"
_SEALED = re.compile(r"^# checksum ([0-9a-f]{64})\n", re.MULTILINE)


@dataclass(frozen=True)
class Plan:
    """`command`: the words that start this very installation. `installed_in`: the folders that it is read from.

    `writable`: folders of a user's own service. `user`: whom a system service runs as; None for a user's own.
    `patience`: seconds that an end may take.
    """

    command: Sequence[str]
    installed_in: Sequence[Path]
    user: str | None
    patience: float
    writable: Sequence[Path] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def unit_text(plan: Plan) -> str:
    """The unit with a checksum, by which a later version of it is told from one that somebody changed."""
    head = _HEAD.format(version=__version__, user="" if plan.user else "--user ", name=NAME)
    body = "\n".join([*_unit(plan), "", *_service(plan), "", *_install(plan), ""])
    return f"{head}{_SEAL.format(_checksum(body))}{body}"


def changed_by_hand(text: str) -> bool:
    """Whether a unit is no longer as it was written, or was never ours."""
    found = _SEALED.search(text)
    return found is None or found[1] != _checksum(text[found.end() :])


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _unit(plan: Plan) -> list[str]:
    lines = ["[Unit]", "Description=Keyturn, rotates credentials without downtime"]
    # A user's manager knows no targets of the system.
    return [*lines, "Wants=network-online.target", "After=network-online.target"] if plan.user else lines


def _service(plan: Plan) -> list[str]:
    program, *more = plan.command
    # A dollar would be taken for a variable there, and there alone.
    words = (_word(program), *(_word(word).replace("$", "$$") for word in more), "--run-scheduler")
    return [
        "[Service]",
        "Type=notify",
        f"ExecStart={' '.join(words)}",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "Restart=on-failure",
        "RestartSec=5",
        "# Wrong settings get no better by trying again.",
        "RestartPreventExitStatus=2",
        "WatchdogSec=60",
        f"TimeoutStopSec={plan.patience:g}",
        *(f"Environment={_word(f'{name}={value}')}" for name, value in plan.environment.items()),
        "",
        *(_of_system(plan, plan.user) if plan.user else _of_user(plan)),
        "",
        *_HARDENED,
    ]


def _of_system(plan: Plan, user: str) -> list[str]:
    hidden = any(path.is_relative_to(place) for path in plan.installed_in for place in _HIDDEN)
    return [
        f"User={user}",
        "StateDirectory=keyturn",
        "StateDirectoryMode=0700",
        "ConfigurationDirectory=keyturn",
        "ConfigurationDirectoryMode=0700",
        f"LoadCredential=keyturn.key:{KEY_FILE}",
        "",
        "ProtectSystem=strict",
        *(["# Keyturn itself is installed there."] if hidden else []),
        f"ProtectHome={'read-only' if hidden else 'yes'}",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "ProtectClock=yes",
        "ProtectHostname=yes",
        "ProtectKernelLogs=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelTunables=yes",
        "ProtectControlGroups=yes",
        "ProtectProc=invisible",
        "ProcSubset=pid",
        "CapabilityBoundingSet=",
        "AmbientCapabilities=",
        "RemoveIPC=yes",
    ]


def _of_user(plan: Plan) -> list[str]:
    return [
        "# The next four need user namespaces; where the kernel forbids them, take these lines out.",
        "PrivateUsers=yes",
        "PrivateTmp=yes",
        "ProtectSystem=strict",
        f"ReadWritePaths={' '.join(_word(str(path)) for path in plan.writable)}",
    ]


_HARDENED = (
    "NoNewPrivileges=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallErrorNumber=EPERM",
    "UMask=0077",
)


def _install(plan: Plan) -> list[str]:
    return ["[Install]", f"WantedBy={'multi-user.target' if plan.user else 'default.target'}"]


def _word(text: str) -> str:
    """As systemd reads one word of a line."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("%", "%%")
    return f'"{escaped}"' if re.search(r"[^\w/.:=,@+-]", escaped) else escaped
