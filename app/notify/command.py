"""A hook that is a command: run without a shell, told by its environment."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping

from app.errors import UsageError
from app.notify.answer import READ_MAX, Answer, clean, quoted

_OURS_ALONE = ("KEYTURN_KEY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_TICK = 0.05


def words_of(command: str) -> list[str]:
    """As a shell would split it, but none will read it. Raises UsageError."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--command cannot be split into words: {str(error).lower()}.") from None
    if not words:
        raise UsageError("--command names no program.")
    if "\0" in command:
        raise UsageError("--command holds a NUL character, which no program can be given.")
    return words


def send(
    command: str,
    environment: Mapping[str, str],
    secrets: Iterable[str],
    *,
    time_out: float,
    stopping: Callable[[], bool],
) -> Answer:
    """Blocking. It succeeds with exit code 0; what it wrote last is in the answer, without `secrets`."""
    passed_on = {name: value for name, value in os.environ.items() if name not in _OURS_ALONE}
    try:
        process = subprocess.Popen(
            words_of(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**passed_on, **environment},
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Answer(False, clean(f"{words_of(command)[0]} does not start: {why}.", secrets))
    said, why = _watched(process, time.monotonic() + time_out, stopping)
    text = quoted(said[-READ_MAX:], secrets, cut_before=len(said) > READ_MAX)
    if why:
        return Answer(False, f"{why.format(time_out=f'{time_out:g}')}{text}")
    if process.returncode == 0:
        return Answer(True, f"exit code 0{text}")
    code = process.returncode
    how = f"exit code {code}" if code > 0 else f"ended by signal {-code}"
    return Answer(False, f"{how}{text}")


def _watched(process: subprocess.Popen[bytes], deadline: float, stopping: Callable[[], bool]) -> tuple[bytes, str]:
    """The end of what it said, one byte more than is kept when it was more; and why it was ended, if it was."""
    assert process.stdout is not None
    said, why = b"", ""
    with process.stdout as pipe:
        os.set_blocking(pipe.fileno(), False)
        while process.poll() is None:
            if stopping():
                why = "ended, because Keyturn was"
            elif time.monotonic() > deadline:
                why = "did not end within {time_out} s and was killed"
            if why:
                _end(process)
                break
            select.select([pipe], [], [], _TICK)
            said, closed = _more(pipe.fileno(), said)
            if closed:
                _sleep_until_ended(process)
        said, _ = _more(pipe.fileno(), said)
    return said, why


def _sleep_until_ended(process: subprocess.Popen[bytes]) -> None:
    """It closed its output: a look at that returns at once from now on."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_TICK)


def _more(pipe: int, said: bytes) -> tuple[bytes, bool]:
    """What was written since, and whether the pipe is closed. One call reads no more than a flood's next wave."""
    for _ in range(64):
        try:
            wave = os.read(pipe, 65536)
        except BlockingIOError:
            return said, False
        if not wave:
            return said, True
        said = (said + wave)[-READ_MAX - 1 :]
    return said, False


def _end(process: subprocess.Popen[bytes]) -> None:
    """The whole group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
