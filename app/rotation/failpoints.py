"""Places where a test may let this process die. Does nothing unless a child process is armed through its environment.

`KEYTURN_FAILPOINT=issue.called` kills the process the first time it gets there, `issue.called#2` the second time.
`=stop` behind it suspends the process instead (SIGSTOP), as a laptop's lid does. `*=FILE` lets it live, and writes
down in the file where it came by.
"""

from __future__ import annotations

import os
import signal

_ARMED = os.environ.get("KEYTURN_FAILPOINT", "")
_hits = 0


def reached(point: str) -> None:
    """`<step>.before` it begins, `<step>.called` when the target answered, `<step>.recorded` after the commit."""
    if _ARMED:
        _reached(point)


def _reached(point: str) -> None:
    global _hits  # noqa: PLW0603 - counts for the life of the process
    place, _, action = _ARMED.partition("=")
    if place == "*":
        with open(action, "a", encoding="utf-8") as file:  # noqa: PTH123 - no import that only a test needs
            file.write(f"{point}\n")
        return
    name, _, count = place.partition("#")
    if point != name:
        return
    _hits += 1
    if _hits == int(count or 1):
        os.kill(os.getpid(), signal.SIGSTOP if action == "stop" else signal.SIGKILL)
