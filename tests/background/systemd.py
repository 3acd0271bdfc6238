"""The part of systemd that listens: a real datagram socket, and what came in."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

DEADLINE = 60.0


@dataclass
class Manager:
    """`messages`: all that came, each as its lines."""

    listener: socket.socket
    messages: list[list[str]] = field(default_factory=list)

    def hear(self, line: str) -> list[str]:
        """The next message with a line that begins so; those before it are kept as well."""
        while True:
            self.messages.append(self.listener.recv(65536).decode().split("\n"))
            if any(one.startswith(line) for one in self.messages[-1]):
                return self.messages[-1]


@contextlib.contextmanager
def manager(address: str | Path) -> Iterator[Manager]:
    """Listens at a path, or at an abstract address that begins with @."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{address[1:]}" if isinstance(address, str) else str(address))
        listener.settimeout(DEADLINE)
        yield Manager(listener)
