"""Stands between a program and its private PostgreSQL; run as a script, on the standard library alone.

Standard input is the leash: one line with the job, then nothing until the program ends, however it ends. When
the leash goes slack the server is shut down and its directory removed. A parent-death signal alone would not
do: the kernel binds it to the thread that forked, which may end long before the program, and nobody would
tidy up.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000


class Job(TypedDict):
    """What to run: `commands` in order, each but the last to its successful end."""

    base: str
    binaries: str
    identities: list[str]
    commands: list[list[str]]


def identities() -> list[str]:
    """Ways not to be root, best first: PostgreSQL refuses to run as root.

    A user namespace needs no change of owner and reaches binaries under a private folder; containers often
    forbid it. The user nobody cannot reach such binaries, so the last resort runs a copy of them.
    """
    return ["namespace", "nobody", "nobody-copy"] if os.geteuid() == 0 else ["self"]


def process_state(process: int) -> tuple[str, int]:
    """Return a process's state letter (T: stopped, Z: ended) and its parent. Raises OSError."""
    state, parent, *_ = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return state, int(parent)


def children(parent: int) -> list[int]:
    """Return the processes that `parent` started; none where there is no /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            if process_state(int(entry.name))[1] == parent:
                found.append(int(entry.name))
    return found


def main() -> int:
    """Run the job; return the exit status of the command that ended it, or 0 when the leash did.

    126 means that PostgreSQL cannot be run here at all; the reasons are on standard error.
    """
    job: Job = json.loads(sys.stdin.buffer.readline())
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler must exist for the descriptor to be written
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    found = _runnable(job)
    if found is None:
        return 126
    binaries, become = found
    for program, *arguments in job["commands"]:
        # The leash is not passed on. This process has one thread, so preexec_fn is safe.
        child = subprocess.Popen(
            [binaries / program, *arguments],
            stdin=subprocess.DEVNULL,
            cwd="/",
            preexec_fn=become,  # noqa: PLW1509
        )
        status = _wait(child, sys.stdin.fileno(), woken)
        if status is None:
            _end(child)
            shutil.rmtree(job["base"], ignore_errors=True)
            return 0
        if status != 0:
            return status
    return 0


def _wait(child: subprocess.Popen[bytes], leash: int, woken: int) -> int | None:
    """Return the child's exit status, or None when the leash goes slack first."""
    while True:
        ready, _, _ = select.select([leash, woken], [], [])
        if leash in ready:
            return None
        os.read(woken, 4096)
        status = child.poll()
        if status is not None:
            return status


def _end(child: subprocess.Popen[bytes]) -> None:
    """Shut down: fast, then immediate, then by force; a paused server is woken, or it would not hear."""
    for number, patience in ((signal.SIGINT, 5), (signal.SIGQUIT, 10), (signal.SIGKILL, 5)):
        child.send_signal(number)
        for process in (child.pid, *children(child.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        return


def _runnable(job: Job) -> tuple[Path, Callable[[], None]] | None:
    """Find an identity under which the binaries run; return them and what takes the identity on."""
    for identity in job["identities"]:
        binaries = Path(job["binaries"])
        if identity == "nobody-copy":
            binaries = _copy(binaries, Path(job["base"]))
        if identity.startswith("nobody"):
            _give_to_nobody(Path(job["base"]))
        become = functools.partial(_become, identity, os.getpid())
        try:
            subprocess.run(
                [binaries / "initdb", "--version"],
                check=True,
                capture_output=True,
                cwd="/",
                preexec_fn=become,
            )
        except (OSError, subprocess.SubprocessError) as error:
            print(f"PostgreSQL does not run with identity {identity!r}: {error}", file=sys.stderr, flush=True)
        else:
            return binaries, become
    return None


def _become(identity: str, supervisor: int) -> None:
    if identity == "namespace":
        _enter_namespace()
    elif identity.startswith("nobody"):
        nobody = _nobody()
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
    if sys.platform == "linux":
        # Last, as a change of identity clears it. Should the supervisor itself be killed: shut down fast.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != supervisor:
            os._exit(1)


def _enter_namespace() -> None:
    """Become nobody in a user namespace of one's own, which outside is still the user it was."""
    user, group, nobody = os.geteuid(), os.getegid(), _nobody()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are not allowed here")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{nobody.pw_uid} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{nobody.pw_gid} {group} 1")


def _nobody() -> pwd.struct_passwd:
    # By name: the number differs between distributions, and initdb insists that its user has a name.
    return pwd.getpwnam("nobody")


def _copy(binaries: Path, base: Path) -> Path:
    installation = binaries.parent
    package = installation.parent
    copy = base / "binaries"
    if not copy.exists():
        shutil.copytree(installation, copy / package.name / installation.name, symlinks=True)
        # A wheel keeps the libraries it brings along in a folder beside its package.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copy / libraries.name, symlinks=True)
    return copy / package.name / installation.name / binaries.name


def _give_to_nobody(base: Path) -> None:
    nobody = _nobody()
    for path in [base, *base.rglob("*")]:
        os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)


if __name__ == "__main__":
    sys.exit(main())
