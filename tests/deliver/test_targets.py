"""`keyturn targets`: files that other programs really read, kept up by the loop."""

from __future__ import annotations

import json
import os
import signal
import stat
from pathlib import Path

import psycopg
import pytest
import yaml

from app.deliver import telling
from tests.cli.ground import Ground, Ran, Running, done, keyturn, until
from tests.deliver.ground import publish


def add(kind: str, file: Path, *words: str, name: str = "t") -> Ran:
    return keyturn("targets", "add", name, "--kind", kind, "--file", str(file), *words)


def state(name: str = "t") -> tuple[str, str]:
    shown = done("targets", "show", name, "--json").json["target"]
    return shown["state"], shown["message"]


def happened() -> list[tuple[str, str, str]]:
    """What the history tells of targets, oldest first."""
    found = done("events", "--json").json["events"]
    return [(e["action"], e["result"], e["message"]) for e in reversed(found) if e["action"].endswith("-target")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "there").mkdir()
    return tmp_path / "there" / "file"


def test_the_formats_are_those_of_export(ready: Path, file: Path) -> None:
    values = {"A": "it's $1", "B": "żółć\nzwei"}
    publish(values, "/app")
    for kind in ("dotenv", "json", "yaml", "shell"):
        one = file.with_name(kind)
        assert add(kind, one, "--path", "/app", name=kind).code == 0
        assert one.read_text() == done("secrets", "export", "--path", "/app", "--format", kind).out
        assert stat.S_IMODE(one.stat().st_mode) == 0o600
    assert (
        json.loads(file.with_name("json").read_text()) == values == yaml.safe_load(file.with_name("yaml").read_text())
    )
    listed = done("targets", "list")
    assert [cells[:4] for cells in listed.lines] == [
        [kind, "written", kind, "default dev /app"] for kind in ("dotenv", "json", "shell", "yaml")
    ]
    assert "zwei" not in listed.said


def test_postgres_files_log_in_before_and_after_a_rotation(connected: Ground, file: Path) -> None:
    rotation = connected.create()["name"]
    passwords, services, users = (file.with_name(name) for name in ("pass", "service.conf", "users"))
    services.write_text("[other]\nhost=elsewhere\n")
    add("pgpass", passwords, "--rotation", rotation, name="pass")
    add("pg-service", services, "--rotation", rotation, "--service", "app", name="service")
    add("pgbouncer-userlist", users, "--rotation", rotation, name="users")
    for _ in range(2):
        for user in connected.users:
            psycopg.connect(
                host=connected.pg.host,
                port=connected.pg.port,
                dbname=connected.pg.database,
                user=user,
                passfile=str(passwords),
            ).close()
        os.environ["PGSERVICEFILE"] = str(services)
        try:
            with psycopg.connect(service="app") as session:
                assert session.info.user == connected.published()["POSTGRES_DB_USERNAME"]
        finally:
            del os.environ["PGSERVICEFILE"]
        assert services.read_text().startswith("[other]\nhost=elsewhere\n\n[app]\n")
        before = users.read_text()
        assert {line.split('"')[1] for line in before.splitlines()} == set(connected.users)
        assert before.count("SCRAM-SHA-256$4096:") == 2
        assert done("targets", "render").lines[0][2] == "up to date"  # salts do not change by themselves
        assert users.read_text() == before
        done("rotations", "rotate", rotation)
        assert keyturn("targets", "render", "--check").code == 1
        ahead = {"pass": "up to date", "service": "written", "users": "up to date"}
        assert {cells[0]: cells[2] for cells in done("targets", "render").lines} == ahead
    # What PgBouncer compares with is what the server would: the verifier itself is taken for a password's.
    done(
        "targets",
        "add",
        "plain",
        "--kind",
        "pgbouncer-userlist",
        "--plain",
        "--file",
        str(file),
        "--rotation",
        rotation,
    )
    secrets = dict(line.split('"')[1::2] for line in file.read_text().splitlines())
    for line in users.read_text().splitlines():
        user, verifier = line.split('"')[1::2]
        connected.pg.execute(f"ALTER ROLE \"{user}\" PASSWORD '{verifier}'")
        assert connected.pg.login(user, secrets[user])


def test_the_loop_writes_what_another_process_published_and_reloads_once(ready: Path, file: Path) -> None:
    publish({"A": "one"})
    told = file.with_name("told")
    add("dotenv", file, "--reload", f"cat {file} >> {told}")
    assert told.read_text() == "A=one\n"
    with Running("--run-scheduler") as loop:
        loop.hear("started")
        publish({"A": "two"})
        until(lambda: told.read_text() == "A=one\nA=two\n")
        publish({"A": "two"})  # a new version of an equal value
        file.write_text("A=tampered\n")
        until(lambda: told.read_text() == "A=one\nA=two\nA=two\n")
        file.unlink()
        until(lambda: told.read_text() == "A=one\nA=two\nA=two\nA=two\n")
        file.chmod(0o644)
        until(lambda: stat.S_IMODE(file.stat().st_mode) == 0o600)
        until(lambda: told.read_text().count("A=two") == 4)
        loop.signal(signal.SIGTERM)
        assert loop.finish().code == 0
    assert state() == ("written", "")
    assert [action for action, *_ in happened()] == ["add-target", *["render-target"] * 5]
    assert not [one for one in file.parent.iterdir() if "keyturn" in one.name]


def test_a_signal_goes_to_the_process_of_a_pid_file(ready: Path, file: Path) -> None:
    publish({"A": "one"})
    pid_file = file.with_name("pid")
    assert "no PID file" in add("dotenv", file, "--signal", f"{pid_file}:HUP").err
    assert file.read_text() == "A=one\n"
    assert state()[0] == "failed"
    with Running(
        "run", "--", "sh", "-c", "trap 'echo hup >&2; exit 3' HUP; echo ready >&2; while :; do sleep 0.1; done"
    ) as one:
        one.hear("ready")
        pid_file.write_text(f"{one.popen.pid}\n")
        assert done("targets", "render").lines == [["t", str(file), "up to date"]]  # and told, at last
        one.hear("hup")
        assert one.finish().code == 3
    assert state() == ("written", "")
    publish({"A": "two"})
    assert "names: does the program run?" in keyturn("targets", "render").out


def test_what_a_reload_command_does_wrong_is_told_without_secrets(ready: Path, file: Path) -> None:
    publish({"PASSWORD": "hunter2-and-more"})
    failing = add("dotenv", file, "--reload", f"cat {file}; yes flood | head -c 5000000; cat {file}; exit 3")
    assert failing.code == 1
    assert "exit code 3" in failing.err
    assert "is kept, and tried again by the loop" in failing.err
    assert "hunter2" not in failing.said
    assert "PASSWORD=•••" in failing.err
    assert len(failing.err) < 2000
    assert state()[0] == "failed"
    assert all("hunter2" not in message for *_, message in happened())
    # What goes on in the background may keep the pipe; the command is over when its shell is.
    done("targets", "remove", "t")
    publish({"PASSWORD": "hunter3-and-more"})
    assert add("dotenv", file, "--replace", "--reload", f"sleep 300 & echo $! > {file}.pid").code == 0
    os.kill(int(Path(f"{file}.pid").read_text()), signal.SIGKILL)


def test_a_reload_command_that_hangs_is_killed_with_all_that_it_started(
    ready: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish({"A": "one"})
    monkeypatch.setattr(telling, "TIME_OUT", 0.3)
    pid = file.with_name("pid")
    hanging = add("dotenv", file, "--reload", f"sleep 300 & echo $! > {pid}; wait")
    assert "did not end within 0.3 s and was killed" in hanging.err
    cmdline = Path(f"/proc/{pid.read_text().strip()}/cmdline")
    until(lambda: not cmdline.exists() or not cmdline.read_bytes())  # a zombie has no command line


def test_a_template_gets_secrets_by_name_and_both_credentials(connected: Ground, file: Path) -> None:
    rotation = connected.create()["name"]
    template = file.with_name("template")
    template.write_text(
        "url = postgresql://{{ POSTGRES_DB_USERNAME }}:{{ secrets['POSTGRES_DB_PASSWORD'] }}"
        "@{{ server.host }}/x?a=1&b\n"
        "{% for held in [active, inactive] %}{{ held.username }}\n{% endfor %}"
    )
    assert add("template", file, "--template", str(template), "--rotation", rotation).code == 0
    values = connected.published()
    url, *users = file.read_text().splitlines()
    assert url.startswith(f"url = postgresql://{values['POSTGRES_DB_USERNAME']}:{values['POSTGRES_DB_PASSWORD']}@")
    assert url.endswith("/x?a=1&b")
    assert users == list(connected.users)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ok\n{{ NOTHING }}\n", "line 2: 'NOTHING' is undefined"),
        ("ok\n\n{% if %}\n", "line 3: "),
        ("ok\n{{ A.b.c }}\n", "line 2: "),
        ("{{ A.__class__.__mro__ }}", "line 1: "),
        ("{{ 1 // 0 }}", "line 1: ZeroDivisionError"),
        ("{% include '/etc/passwd' %}", "line 1: "),
    ],
)
def test_what_is_wrong_with_a_template_is_said_with_its_line(ready: Path, file: Path, text: str, said: str) -> None:
    publish({"A": "value"})
    template = file.with_name("template")
    template.write_text(text)
    ran = add("template", file, "--template", str(template))
    assert ran.code == 1
    assert f"{template}, {said}" in ran.err
    assert not file.exists()
    assert done("targets", "list").out == ""


def test_bad_places_are_refused_before_anything_is_kept(ready: Path, file: Path, tmp_path: Path) -> None:
    publish({"A": "one"})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    link = file.with_name("link")
    link.symlink_to(elsewhere)
    pipe = file.with_name("pipe")
    os.mkfifo(pipe)
    other = file.with_name("other")
    other.write_text("somebody's\n")
    cases: list[tuple[Path, tuple[str, ...], str]] = [
        (file.parent, (), "is a directory"),
        (link, (), f"is a symbolic link to {elsewhere}, and is not followed"),
        (pipe, (), "is no plain file"),
        (tmp_path / "missing" / "file", (), f"There is no folder {tmp_path / 'missing'}."),
        (other, (), "is there already, with other content"),
        (file, ("--owner", "nobody-of-that-name"), "There is no user 'nobody-of-that-name'"),
        (file, ("--owner", "root:nobody-of-that-name"), "There is no group 'nobody-of-that-name'"),
        (file, ("--path", "/nonsense"), "There is no folder /nonsense"),
        (file, ("--rotation", "nonsense"), "There is no rotation 'nonsense'"),
        (file, ("--profile", "x"), "--profile does not go with dotenv"),
        (file, ("--template", "x"), "go together"),
    ]
    for path, words, said in cases:
        ran = add("dotenv", path, *words)
        assert ran.code != 0, (path, words)
        assert said in ran.err
    assert "made of one rotation" in add("pgpass", file).err
    assert done("targets", "list").out == ""
    assert (elsewhere.read_text(), other.read_text()) == ("mine", "somebody's\n")
    assert add("dotenv", other, "--replace").code == 0
    assert "already" in add("dotenv", file).err
    assert add("dotenv", file, "--mode", "0999", name="x").code == 2
    assert add("dotenv", file, "--signal", "HUP", name="x").code == 2


def test_a_link_that_somebody_put_there_is_not_followed(ready: Path, file: Path, tmp_path: Path) -> None:
    publish({"A": "one"})
    add("dotenv", file)
    file.unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    file.symlink_to(elsewhere)
    ran = keyturn("targets", "render")
    assert ran.code == 1
    assert "not followed" in ran.out
    assert elsewhere.read_text() == "mine"
    assert state()[0] == "failed"
    file.unlink()
    assert done("targets", "render").lines[0][2] == "written"
    assert [(action, result) for action, result, _ in happened()] == [
        ("add-target", "success"),
        ("render-target", "success"),
        ("render-target", "failed"),
        ("render-target", "success"),
    ]


def test_check_changes_nothing(ready: Path, file: Path) -> None:
    publish({"A": "one"})
    add("dotenv", file)
    assert done("targets", "render", "--check", "t").lines == [["t", str(file), "up to date"]]
    publish({"A": "two"})
    ran = keyturn("targets", "render", "--check", "--json")
    assert (ran.code, ran.json["targets"][0]["result"]) == (1, "out of date")
    assert file.read_text() == "A=one\n"


def test_a_target_follows_its_rotation_and_outlives_it(connected: Ground, file: Path) -> None:
    rotation = connected.create()["name"]
    add("dotenv", file, "--rotation", rotation)
    done("rotations", "move", rotation, "--env", "prod", "--path", "/new")
    done("rotations", "rotate", rotation)
    assert done("targets", "render").lines[0][2] == "written"
    kept = file.read_text()
    assert connected.users[1] in kept
    done("rotations", "delete", rotation, "--yes")
    ran = keyturn("targets", "render")
    assert "Its rotation was deleted" in ran.out
    assert file.read_text() == kept
    done("targets", "remove", "t")
    assert file.read_text() == kept
    assert keyturn("targets", "show", "t").code == 3
