"""Forks a process for each request, in which the modules that Keyturn's start takes its time for are there already.

`python -m tests.fork_server FD`: each message on that socket is a JSON object of `Start`'s fields, with the
descriptors 0, 1 and 2 beside it; the answer is the process's id. Ends when the socket is closed.
"""

from __future__ import annotations

import atexit
import ctypes
import dataclasses
import fcntl
import gc
import importlib
import json
import os
import runpy
import socket
import sys
import termios
import time
import types
from io import TextIOWrapper

# What commands, the loop and the terminal UI import on a fresh start; each of them imports more of ours.
_MODULES = (
    "alembic.command",
    "alembic.script",
    "app.cli.connections",
    "app.cli.parser",
    "app.cli.rotations",
    "app.cli.scheduler",
    "app.cli.secrets",
    "app.notify.dispatcher",
    "app.tui",
    "cryptography.hazmat.primitives.ciphers.aead",
    "providers.postgres",
    "providers.postgres_preflight",
    "providers.postgres_scram",
    "psycopg",
    "sqlalchemy.dialects.sqlite",
)


@dataclasses.dataclass(frozen=True)
class Start:
    """A command line behind the name of the interpreter (`-c code ...` or `-m module ...`), and where it is run."""

    words: list[str]
    environment: dict[str, str]
    directory: str
    own_session: bool


def main() -> None:
    line = socket.socket(fileno=int(sys.argv[1]))
    for module in _MODULES:
        importlib.import_module(module)
    sys.modules["sqlalchemy.orm"].configure_mappers()  # as the first statement would
    gc.freeze()
    while True:
        message, descriptors, _, _ = socket.recv_fds(line, 1 << 20, 3)
        if not message:
            return
        if not (process := _fork()):
            line.close()
            start = Start(**json.loads(message))
            _become(start, descriptors)
            _carry_out(start.words)
            return
        for descriptor in descriptors:
            os.close(descriptor)
        line.send(str(process).encode())


def _fork() -> int:
    """As `os.fork`, but the child's parent, dead when this returns, leaves it to whoever takes in our orphans."""
    reading, writing = os.pipe()
    if between := os.fork():
        os.close(writing)
        os.waitpid(between, 0)
        with os.fdopen(reading) as told:
            return int(told.read())
    os.close(reading)
    if process := os.fork():
        os.write(writing, str(process).encode())
        os._exit(0)
    os.close(writing)
    return 0


def _become(start: Start, descriptors: list[int]) -> None:
    """What the system and the interpreter do before a program's first line."""
    if start.own_session:
        os.setsid()
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    for descriptor in descriptors:
        os.close(descriptor)
    if start.own_session and os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = _stream(number, getattr(sys, name))
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.environ.clear()
    os.environ.update(start.environment)
    time.tzset()
    os.chdir(start.directory)
    importlib.reload(sys.modules["app.rotation.failpoints"])  # reads its variable when it is imported


def _carry_out(words: list[str]) -> None:
    """It ends as any program does: what it raises goes on to the interpreter."""
    atexit.register(_leave, len(sys.modules))  # called after whatever the program registers
    how, program, *sys.argv[1:] = words
    if how == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
        return
    sys.argv[0] = "-c"
    sys.modules["__main__"] = types.ModuleType("__main__")
    exec(compile(program, "<string>", "exec"), vars(sys.modules["__main__"]))


def _leave(count: int) -> None:
    """Keep the interpreter from taking apart what was imported ahead: it would copy every page of that memory first.

    Those modules are the first `count`. Taken from the end, their names and they themselves are not even touched.
    """
    own = [("__main__", sys.modules["__main__"]), *(sys.modules.popitem() for _ in range(len(sys.modules) - count))]
    ahead = [sys.modules.popitem() for _ in range(count)]
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(ahead))
    sys.modules.update(reversed(own))


def _stream(number: int, like: TextIOWrapper) -> TextIOWrapper:
    """One whose buffering is right for what it is connected to now."""
    mode, encoding, errors = "w" if number else "r", like.encoding, like.errors
    stream = os.fdopen(number, mode, encoding=encoding, errors=errors, newline="\n", closefd=False)
    assert isinstance(stream, TextIOWrapper)
    stream.reconfigure(line_buffering=like.line_buffering or stream.isatty())
    return stream


if __name__ == "__main__":
    main()
