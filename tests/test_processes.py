"""A forked process is what one with an interpreter of its own is."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import Process

_PIECES = {
    "where it is": "import os, sys; print(os.getcwd(), sys.argv, os.environ['HOME'], os.environ.get('NEW'), __name__)",
    "what it is told": "import sys; print(sys.stdin.read().upper()); print('aside', file=sys.stderr)",
    "how it writes": "import sys\nfor s in (sys.stdin, sys.stdout, sys.stderr):"
    " print(s.encoding, s.errors, s.line_buffering, s.newlines, s.isatty(), s.fileno())",
    "what it has open": "import os; print(sorted(os.listdir('/proc/self/fd')))",
    "what it heeds": "import signal; print([str(signal.getsignal(n)) for n in (1, 2, 13, 15, 17)])",
    "an exit code": "raise SystemExit(7)",
    "last words": "raise SystemExit('no')",
    "last deeds": "import atexit, threading, time; atexit.register(print, 'at the end'); "
    "threading.Thread(target=lambda: (time.sleep(0.2), print('after it'))).start()",
    "what is left at the end": "import sys, types, os\nclass Left:\n def __init__(self, what): self.what = what\n"
    " def __del__(self, write=os.write): write(1, self.what)\n"
    "left = Left(b'a global'); sys.modules['own'] = types.ModuleType('own'); sys.modules['own'].left = Left(b'one')",
    "a signal": "import os; os.kill(os.getpid(), 15)",
    "an interrupt": "import os; os.kill(os.getpid(), 2)",
    "a defect": "1 / 0",
}


def _ended(begin: type[subprocess.Popen[bytes]], words: list[str], directory: Path, **more: str) -> tuple[object, ...]:
    pipe = subprocess.PIPE
    environment = {**os.environ, **more}
    with begin(words, stdin=pipe, stdout=pipe, stderr=pipe, cwd=directory, env=environment) as begun:
        out, err = begun.communicate(b"told")
    return begun.returncode, out.decode(), err.decode().splitlines()[-1:]


@pytest.mark.parametrize("piece", _PIECES)
def test_a_piece_of_python_ends_the_same(piece: str, tmp_path: Path) -> None:
    words = [sys.executable, "-c", _PIECES[piece], "one", "two words"]
    assert _ended(Process, words, tmp_path, NEW="new") == _ended(subprocess.Popen, words, tmp_path, NEW="new")


def test_a_module_ends_the_same() -> None:
    words, here = [sys.executable, "-m", "app", "rotations", "no-such-verb"], Path.cwd()
    assert _ended(Process, words, here) == _ended(subprocess.Popen, words, here)


def test_it_is_a_child_of_ours_and_another_process() -> None:
    ids = [_ended(Process, [sys.executable, "-c", "import os; print(os.getpid())"], Path("/"))[1] for _ in range(2)]
    assert len({str(os.getpid()), *map(str, ids)}) == 3
    with Process([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG) is None
        child.kill()
        assert child.wait(60) == -9


@pytest.mark.parametrize("variable", ["PYTHONDONTWRITEBYTECODE", "LC_ALL", "TEXTUAL_FPS"])
def test_what_only_a_start_heeds_makes_it_a_new_interpreter(variable: str) -> None:
    words = [sys.executable, "-c", "import sys; print('psycopg' in sys.modules)"]
    assert _ended(Process, words, Path("/"))[1] == "True\n"
    value = "" if os.environ.get(variable) else "C"
    assert _ended(Process, words, Path("/"), **{variable: value})[1] == "False\n"


def test_the_terminal_of_its_input_interrupts_it() -> None:
    master, slave = pty.openpty()
    words = [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)"]
    with Process(words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True) as begun:
        assert os.read(master, 100) == b"ready\r\n"
        os.write(master, b"\x03")
        assert begun.wait(60) == -2
    os.close(master)
    os.close(slave)
