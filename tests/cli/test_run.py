"""`keyturn run`: the program becomes the process, with the published values in its environment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.cli.ground import DEADLINE, ROOT, Ground, Running, command, keyturn, process

# Tells about itself, as JSON.
SCRIPT = """
import json, os, sys
about = {"env": dict(os.environ), "argv": sys.argv[1:], "pid": os.getpid(), "cwd": os.getcwd(), "in": sys.stdin.read()}
print(json.dumps(about))
"""
AWAIT_TERM = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # what comes before it waits is not lost
print("ready", file=sys.stderr, flush=True)
signal.sigwait([signal.SIGTERM])
sys.exit(42)
"""
SHOW = [sys.executable, "-c", SCRIPT]


def test_the_program_gets_values_arguments_and_input(connected: Ground) -> None:
    connected.create()
    words = ["a b", "", "--", "-x", "$HOME"]
    ran = process("run", "--", *SHOW, *words, stdin="from outside", OF_THE_CALLER="stays")
    assert (ran.code, ran.err) == (0, "")
    shown = ran.json
    assert shown["argv"] == words
    assert shown["in"] == "from outside"
    assert shown["cwd"] == str(ROOT)
    assert shown["env"]["OF_THE_CALLER"] == "stays"
    assert shown["env"]["POSTGRES_DB_USERNAME"] == connected.users[0]
    assert connected.pg.login(shown["env"]["POSTGRES_DB_USERNAME"], shown["env"]["POSTGRES_DB_PASSWORD"])


def test_the_program_is_the_process_itself(ready: Path) -> None:
    popen = subprocess.Popen(
        command("run", "--", *SHOW), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    out, _ = popen.communicate(timeout=DEADLINE)
    assert json.loads(out)["pid"] == popen.pid


def test_the_exit_code_is_the_programs_own(ready: Path) -> None:
    assert process("run", "--", "sh", "-c", "exit 7").code == 7


def test_signals_reach_the_program_and_end_it_as_usual(ready: Path) -> None:
    with Running("run", "--", sys.executable, "-c", AWAIT_TERM) as running:
        running.hear("ready")
        running.signal(signal.SIGTERM)
        ran = running.finish()
    assert ran.code == 42
    with Running("run", "--", "sh", "-c", "echo ready >&2; exec sleep 60") as running:
        running.hear("ready")
        running.signal(signal.SIGINT)
        assert running.finish().code == -signal.SIGINT


def test_a_program_in_a_pipe_dies_of_sigpipe_as_usual(ready: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        command("run", "--", "sh", "-c", "while :; do echo x; done"),
        stdout=write,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        timeout=DEADLINE,
        check=False,
    )
    os.close(write)
    assert ended.returncode == -signal.SIGPIPE


def test_published_values_win_and_the_key_is_not_handed_on(connected: Ground, ready: Path) -> None:
    connected.create()
    key = (ready / "keyturn.key").read_text()
    (ready / "keyturn.key").rename(ready / "elsewhere")
    ran = process("run", "--", *SHOW, POSTGRES_DB_USERNAME="outer", KEYTURN_KEY=key)
    environment = ran.json["env"]
    assert environment["POSTGRES_DB_USERNAME"] == connected.users[0]
    assert "KEYTURN_KEY" not in environment
    assert environment["KEYTURN_HOME"] == str(ready)


def test_environment_and_path_choose_the_place(connected: Ground, tmp_path: Path) -> None:
    connected.create(environment="staging", secretPath="/app")
    ran = process("run", "--env", "staging", "--path", "/app", "--", "printenv", "POSTGRES_DB_USERNAME")
    assert (ran.code, ran.out) == (0, f"{connected.users[0]}\n")
    assert process("run", "--", "printenv", "POSTGRES_DB_USERNAME").code == 1
    missing = process("run", "--env", "nonsense", "--", "touch", str(tmp_path / "never-made"))
    assert missing.code == 3
    assert not (tmp_path / "never-made").exists()


def test_the_dashes_may_be_left_out_and_belong_to_the_program_after_the_first(ready: Path) -> None:
    assert process("run", "echo", "-n", "x", "--", "y").out == "x -- y"
    assert process("run", "--env", "prod", "--", "echo", "--", "z").out == "-- z\n"


def test_what_cannot_be_run_exits_as_a_shell_would(ready: Path, tmp_path: Path) -> None:
    missing = keyturn("run", "--", "no-such-program-anywhere")
    assert missing.code == 127
    assert "There is no program 'no-such-program-anywhere'." in missing.err
    text = tmp_path / "text"
    text.write_text("no program")
    assert keyturn("run", "--", str(text)).code == 126
    text.chmod(0o755)
    script = keyturn("run", "--", str(text))
    assert script.code == 126
    assert "#!" in script.err
    assert keyturn("run", "--", str(tmp_path)).code == 126
    assert keyturn("run", "--", "true", "a\0b").code == 126


def test_unicode_values_arrive_in_utf_8_whatever_the_locale(connected: Ground) -> None:
    user = connected.pg.create_role("żółć", "temporary-three")
    connected.create(parameters={"username1": user, "username2": connected.users[1]})
    words = ("run", "--", "printenv", "POSTGRES_DB_USERNAME")
    for locale in ("C", "en_US.ISO-8859-1"):
        ran = process(*words, LC_ALL=locale, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
        assert (ran.code, ran.out) == (0, f"{user}\n")
