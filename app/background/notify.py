"""Telling systemd how the service is (sd_notify): a datagram to the socket in NOTIFY_SOCKET."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping

Notify = Callable[..., None]


def notifier(environ: Mapping[str, str]) -> Notify | None:
    """A function that takes "READY=1" and the like, each a line of one message; None when nobody wants to know."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return None
    target = f"\0{address[1:]}" if address.startswith("@") else address

    def notify(*lines: str) -> None:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode(), target)
        except OSError:
            return  # systemd restarts: nobody listens for a moment, and the work goes on

    return notify


def reloading() -> tuple[str, str]:
    """What comes before a reload; READY=1 ends it."""
    return "RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"


def watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    """How long systemd waits for a sign of life before it ends the service; None: it does not."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    text = environ.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isascii() and text.isdigit() and int(text) > 0 else None
