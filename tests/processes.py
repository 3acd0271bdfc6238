"""Processes that start in a fraction of the time: see `Process`."""

from __future__ import annotations

import atexit
import ctypes
import dataclasses
import functools
import inspect
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fork_server import Start
from tests.terminal import Terminal

_ROOT = Path(__file__).parents[1]
# What the interpreter reads before a program's first line, or a module when it is imported.
_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "TEXTUAL_", "ESCDELAY", "TERM_PROGRAM", "SSL_", "OPENSSL_")
_PR_SET_CHILD_SUBREAPER = 36


class Process(subprocess.Popen[Any]):
    """As `subprocess.Popen`; a Python program is forked from a process that has imported what Keyturn imports.

    Importing takes most of a command's time, and the suite starts some hundreds. This is a child of ours with a memory,
    environment, directory, descriptors, signals and terminal of its own, and it ends as every Python does, but that
    what was imported ahead is not taken apart. In the list of processes it has another's name, what it has imported
    tells nothing, and umask and limits are those of the first one: tests of these take `subprocess`. With a session of
    its own, it is controlled by the terminal of its input.

    What was asked for that only a new interpreter heeds starts one; so does every system but Linux.
    """

    def _execute_child(self, *given: Any) -> None:
        """What `subprocess` calls to start the process once its pipes are made."""
        # Both are private to Popen, so its stubs do not have them; nothing public lets a child be begun in another way.
        start = super()._execute_child  # type: ignore[misc]
        asked = inspect.signature(start).bind(*given).arguments
        pipes = {name: asked[name] for name in ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")}
        standard = (pipes["p2cread"], pipes["c2pwrite"], pipes["errwrite"])
        pid = None
        if not any(asked[name] for name in ("executable", "preexec_fn", "pass_fds", "shell", "gid", "gids", "uid")):
            pid = fork(
                asked["args"],
                os.environ if asked["env"] is None else asked["env"],
                directory=asked["cwd"],
                descriptors=[number if given < 0 else given for number, given in enumerate(standard)],
                own_session=asked["start_new_session"],
            )
        if pid is None:
            start(*given)
            return
        self.pid = pid
        self._child_created = True
        self._close_pipe_fds(*pipes.values())  # type: ignore[attr-defined]


class ForkingTerminal(Terminal):
    """Runs such a process."""

    def _begin(self, slave: int) -> int:
        forked = fork(self._arguments, self._environ, descriptors=[slave] * 3, own_session=True)
        return super()._begin(slave) if forked is None else forked


def fork(
    words: Sequence[str],
    environment: Mapping[str, str],
    *,
    directory: Path | str | None = None,
    descriptors: Sequence[int],
    own_session: bool,
) -> int | None:
    """The id of such a process; None when it takes a new interpreter. The descriptors are to be its 0, 1 and 2."""
    if sys.platform != "linux" or words[0] != sys.executable or words[1] not in {"-c", "-m"}:
        return None
    if _read_at_start(environment) != _read_at_start(_environment()):
        return None
    start = Start(list(words[1:]), dict(environment), str(directory or Path.cwd()), own_session)
    return _server().fork(start, descriptors)


class _Server:
    """One for this process, begun with the first that is forked; it ends when this process does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "tests.fork_server", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=_ROOT,
                env=_environment(),
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        atexit.register(self._end)

    def _end(self) -> None:
        self._line.close()
        self._popen.kill()
        self._popen.wait()

    def fork(self, start: Start, descriptors: Sequence[int]) -> int:
        with self._lock, _taking_in_orphans():
            socket.send_fds(self._line, [json.dumps(dataclasses.asdict(start)).encode()], list(descriptors))
            return int(self._line.recv(100))


_server = functools.cache(_Server)


@functools.cache
def _environment() -> dict[str, str]:
    """The server's, in the locale that the tests run in."""
    return {"PATH": os.environ["PATH"], **_read_at_start(os.environ)}


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_AT_START)}


@contextmanager
def _taking_in_orphans() -> Iterator[None]:
    """Linux: whoever loses his parent among our descendants becomes our child."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    yield
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
