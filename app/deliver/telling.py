"""Telling a program that its file has changed: by a command, or by a signal to the process of a PID file."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from app.errors import KeyturnError
from app.rotation.redact import redact

TIME_OUT = 30.0
"""Seconds that a reload command may take."""
_LAST_MOMENTS = 3.0
"""Seconds that it still has when Keyturn is told to end."""
_KEPT = 4000
_QUOTED = 800
_OURS_ALONE = ("KEYTURN_KEY",)


class NotTold(KeyturnError):
    """The file is written, but its program could not be told."""


def run(
    command: str,
    secrets: Iterable[str],
    *,
    stopping: Callable[[], bool] = lambda: False,
) -> None:
    """A shell reads the command. Raises NotTold with the end of what it said, without `secrets`.

    It is over when the shell ends: what goes on in the background may keep the pipe.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _OURS_ALONE}
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )
    except (OSError, ValueError) as error:
        raise NotTold(f"The reload command does not start: {error}.") from None
    assert process.stdout is not None
    deadline, ending = time.monotonic() + TIME_OUT, False
    said = b""
    with process.stdout as pipe:
        os.set_blocking(pipe.fileno(), False)
        while process.poll() is None:
            if stopping() and not ending:
                deadline, ending = min(deadline, time.monotonic() + _LAST_MOMENTS), True
            if time.monotonic() > deadline:
                _end(process)
                why = "was ended with Keyturn" if ending else f"did not end within {TIME_OUT:g} s and was killed"
                raise NotTold(f"The reload command {why}{_quoted(said, secrets)}")
            select.select([pipe], [], [], 0.05)
            said = _more(pipe.fileno(), said)
        said = _more(pipe.fileno(), said)
    if process.returncode != 0:
        how = f"exit code {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
        raise NotTold(f"The reload command failed with {how}{_quoted(said, secrets)}")


def send(where: str) -> None:
    """`where` is "PIDFILE:SIGNAL". Raises NotTold."""
    file, _, name = where.rpartition(":")
    try:
        pid = int(Path(file).read_text("ascii").split()[0])
    except FileNotFoundError:
        raise NotTold(f"There is no PID file {file}: does the program run?") from None
    except OSError as error:
        raise NotTold(f"The PID file {file} cannot be read: {error.strerror}.") from None
    except (ValueError, IndexError):
        raise NotTold(f"The PID file {file} holds no process id.") from None
    if pid < 2:
        raise NotTold(f"The PID file {file} holds no process id.")
    try:
        os.kill(pid, signal_named(name))
    except ProcessLookupError:
        raise NotTold(f"There is no process {pid}, which {file} names: does the program run?") from None
    except (OSError, OverflowError):
        raise NotTold(f"Process {pid}, which {file} names, takes no signal from this user.") from None


def signal_named(name: str) -> signal.Signals:
    """Of "HUP" or "SIGHUP". Raises ValueError."""
    try:
        return signal.Signals[f"SIG{name.upper().removeprefix('SIG')}"]
    except KeyError:
        raise ValueError("no such signal") from None


def _more(pipe: int, said: bytes) -> bytes:
    """What was written since, as far as it is kept: the end of it. One call reads no more than a flood's next wave."""
    for _ in range(64):
        try:
            wave = os.read(pipe, 65536)
        except BlockingIOError:
            break
        if not wave:
            break
        said = (said + wave)[-_KEPT:]
    return said


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _quoted(said: bytes, secrets: Iterable[str]) -> str:
    """The end of it. Its beginning may have been cut off within a secret, which would not be recognised there."""
    hidden = {part for secret in secrets for part in (secret, *secret.splitlines())}
    text = said.decode("utf-8", "replace")
    if len(text) > _QUOTED:
        text = text[-_QUOTED:][max(map(len, hidden), default=0) :]
    text = " ".join(redact(text, hidden).split())
    return f": {text}" if text else "."
