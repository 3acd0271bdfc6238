"""A stand-in in a process of its own: it serves on a socket that is made here, and ends when this process does.

The socket listens before the process is up, so whoever comes early waits for an answer instead of being turned away.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

HOST = "127.0.0.1"
_PATIENCE = 10.0


class Leashed:
    """`module` is run as a script that calls `begun` and `serve_until_released`.

    The job goes to its standard input, which is the leash.
    """

    def __init__(
        self, module: str, job: Mapping[str, object], *, complaints: Path | None = None, niceness: int = 0
    ) -> None:
        """Returns at once. `complaints`: the file for what it writes on standard error."""
        with socket.create_server((HOST, 0), backlog=128) as listener, _opened(complaints) as errors:
            self.port: int = listener.getsockname()[1]
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(listener.fileno()), str(niceness)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                pass_fds=[listener.fileno()],
                cwd=Path(__file__).parents[2],
                start_new_session=True,  # ctrl+c in the terminal is for the program
                text=True,
            )
        leash = self._process.stdin
        assert leash is not None
        with suppress(BrokenPipeError):  # it has ended at once, as whoever asks it will be told
            leash.write(json.dumps(job) + "\n")
            leash.flush()

    def came_up(self) -> bool:
        """Wait until it serves; False when it ended instead."""
        assert self._process.stdout is not None
        return bool(self._process.stdout.readline())

    def stop(self) -> None:
        """May be called again."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def begun() -> tuple[socket.socket, Any]:
    """In the stand-in's process: the socket to serve on, and the job."""
    os.nice(int(sys.argv[2]))
    return socket.socket(fileno=int(sys.argv[1])), json.loads(sys.stdin.buffer.readline())


def serve_until_released() -> None:
    """In the stand-in's process, once it serves. Returns when the other one has ended, however it ended."""
    try:
        print("ready", flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # let nothing complain about it at exit
    sys.stdin.buffer.read()


@contextmanager
def _opened(path: Path | None) -> Iterator[IO[bytes] | None]:
    if path is None:
        yield None
        return
    with path.open("ab") as stream:
        yield stream
