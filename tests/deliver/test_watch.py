"""`keyturn run --watch`: the program learns of new values, and nothing else about it changes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.ground import Running, finished, keyturn, process
from tests.deliver.ground import publish, withdraw

# Says what it was given and each signal that comes; USR2 is how a test asks whether all before has been dealt with.
PROGRAM = """
import os, signal, sys
heard = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH}
signal.pthread_sigmask(signal.SIG_BLOCK, heard)
print("given", os.environ.get("A"), os.environ.get("B"), os.getpid(), file=sys.stderr, flush=True)
while True:
    came = signal.sigwait(heard)
    print("heard", signal.Signals(came).name, file=sys.stderr, flush=True)
    if came == signal.SIGTERM and "STUBBORN" not in os.environ:
        sys.exit(7)
"""
SHOW = (sys.executable, "-c", PROGRAM)


@contextlib.contextmanager
def watched(*words: str, **environment: str) -> Iterator[Running]:
    """The program's end is seen to, too: killed, keyturn cannot do that."""
    with Running("run", "--watch", *words, "--", *SHOW, **environment) as running:
        pids = []
        try:
            yield running
        finally:
            pids = [int(line.rpartition(" ")[2]) for line in running.heard if line.startswith("given")]
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def test_a_changed_value_starts_the_program_anew_and_an_equal_one_does_not(ready: Path) -> None:
    publish({"A": "one", "B": "same"})
    with watched() as running:
        running.hear("given one same")
        publish({"A": "one", "B": "same"})  # new versions of equal values
        publish({"NEW": "a name that it was not given"})
        withdraw("NEW")
        publish({"A": "two"})
        running.hear("heard SIGTERM")
        running.hear("given two same")
        withdraw("B")
        publish({"A": "three"})
        running.hear("given three same")
        running.signal(signal.SIGTERM)
        ran = running.finish()
    assert ran.code == 7
    assert [line.split()[1] for line in running.heard if line.startswith("given")] == ["one", "two", "three"]
    assert ran.err.count("starting the program anew") == 2


def test_told_by_a_signal_the_program_stays(ready: Path) -> None:
    publish({"A": "one"})
    with watched("--signal", "HUP") as running:
        first = running.hear("given one")
        publish({"A": "two"})
        running.hear("heard SIGHUP")
        running.signal(signal.SIGTERM)
        assert running.finish().code == 7
    assert [line for line in running.heard if line.startswith("given")] == [first]


def test_signals_are_passed_on(ready: Path) -> None:
    with watched() as running:
        running.hear("given None")
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGINT):
            running.signal(number)
            running.hear("heard", number.name)
        running.signal(signal.SIGTERM)
        assert running.finish().code == 7


def test_a_program_that_does_not_end_is_killed_after_its_grace(ready: Path) -> None:
    publish({"A": "one"})
    with watched("--grace", "0.2", STUBBORN="yes") as running:
        running.hear("given one")
        publish({"A": "two"})
        running.hear("did not end within 0.2 s: KILL")
        running.hear("given two")


def test_asked_to_end_while_it_starts_the_program_anew_it_ends(ready: Path) -> None:
    publish({"A": "one"})
    with watched("--grace", "60", STUBBORN="yes") as running:
        pid = int(running.hear("given one").rpartition(" ")[2])
        publish({"A": "two"})
        running.hear("heard SIGTERM")
        running.signal(signal.SIGTERM)
        running.hear("heard SIGTERM")
        os.kill(pid, signal.SIGKILL)
        assert running.finish().code == 128 + signal.SIGKILL


@pytest.mark.parametrize(
    ("script", "code"), [("exit 9", 9), ("kill -TERM $$", 143), ("kill -SEGV $$", 139), ("exit 0", 0)]
)
def test_the_end_of_the_program_is_the_end_with_its_code(ready: Path, script: str, code: int) -> None:
    assert process("run", "--watch", "--", "sh", "-c", script).code == code


def test_a_store_that_is_away_for_a_moment_does_not_matter(ready: Path) -> None:
    publish({"A": "one"})
    key, away = ready / "keyturn.key", ready / "away.key"
    with watched() as running:
        running.hear("given one")
        key.rename(away)
        (ready / "keyturn.db").touch()  # a reason to look
        running.hear("cannot be read", "runs on with what it has")
        away.rename(key)
        running.hear("can be read again")
        publish({"A": "two"})
        running.hear("given two")


def test_two_programs_may_watch_one_secret(ready: Path) -> None:
    publish({"A": "one"})
    with watched() as first, watched("--signal", "USR1") as second:
        first.hear("given one")
        second.hear("given one")
        publish({"A": "two"})
        first.hear("given two")
        second.hear("heard SIGUSR1")


def test_ctrl_c_reaches_the_program_once(ready: Path) -> None:
    # A shell with a terminal of its own; "ready" is what makes it press ctrl+c.
    script = f"""
import os, pty, subprocess, sys
program = "import signal,sys; signal.pthread_sigmask(0, [2, 15]); print('ready', flush=True);" \\
    "signal.sigwait([2]); print('once', signal.sigtimedwait([2], 0.5), flush=True); sys.exit(5)"
pid, master = pty.fork()
if pid == 0:
    python = {sys.executable!r}
    os.execv(python, [python, "-m", "app", "run", "--watch", "--", python, "-c", program])
text = b""
try:
    while True:
        text += os.read(master, 1000)
        if text.strip() == b"ready":
            os.write(master, b"\\x03")
except OSError:
    pass
print(text.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    ran = finished([sys.executable, "-c", script])
    assert ran.code == 5, ran.said
    assert "once None" in ran.out


@pytest.mark.parametrize("words", [["--signal", "HUP"], ["--restart"], ["--grace", "3"]], ids=" ".join)
def test_options_of_watch_alone_are_refused(ready: Path, words: list[str]) -> None:
    ran = keyturn("run", *words, "--", "true")
    assert ran.code == 2
    assert "go with --watch" in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ["--signal", "NONSENSE"],
        ["--signal", "KILL"],
        ["--grace", "-1"],
        ["--grace", "nan"],
        ["--restart", "--signal", "HUP"],
    ],
    ids=" ".join,
)
def test_options_that_make_no_sense_are_wrong_usage(home: Path, words: list[str]) -> None:
    assert keyturn("run", "--watch", *words, "--", "true").code == 2


def test_what_cannot_be_run_exits_as_without_watching(ready: Path, tmp_path: Path) -> None:
    assert keyturn("run", "--watch", "--", "no-such-program-anywhere").code == 127
    assert keyturn("run", "--watch", "--", str(tmp_path)).code == 126
