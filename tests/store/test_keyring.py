"""The key is found where it should be looked for, kept to oneself, and never made twice."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import select
import shlex
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from store import keyring
from store.errors import KeyUnusable
from store.keyring import KeyOrigin, KeyPlaces, create_key_file, format_key_ring, load_key_ring
from store.sealing import KeyRing
from tests.store.ground import PRELUDE, Child


def ring_of(letter: str) -> KeyRing:
    return KeyRing({letter: letter.encode() * 32}, letter)


def text_of(letter: str) -> str:
    return format_key_ring(ring_of(letter))


def write_private(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
    return path


@pytest.fixture
def everywhere(tmp_path: Path) -> KeyPlaces:
    """A different key in every place."""
    write_private(tmp_path / "credentials" / "keyturn.key", text_of("s"))
    printer = write_private(tmp_path / "print key.py", f"print({text_of('c')!r})")
    return KeyPlaces(
        default_file=write_private(tmp_path / "default.key", text_of("d")),
        key_file=write_private(tmp_path / "explicit.key", text_of("x")),
        environ={
            "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials"),
            "KEYTURN_KEY": text_of("e"),
            "KEYTURN_KEY_COMMAND": shlex.join([sys.executable, str(printer)]),
        },
    )


def without(places: KeyPlaces, *names: str) -> KeyPlaces:
    return dataclasses.replace(
        places, key_file=None, environ={k: v for k, v in places.environ.items() if k not in names}
    )


ORDER: list[tuple[Callable[[KeyPlaces], KeyPlaces], str, KeyOrigin, str]] = [
    (lambda p: p, "x", KeyOrigin.FILE, "explicit.key"),
    (lambda p: without(p), "s", KeyOrigin.SYSTEMD, "systemd"),
    (lambda p: without(p, "CREDENTIALS_DIRECTORY"), "e", KeyOrigin.ENVIRONMENT, "KEYTURN_KEY"),
    (
        lambda p: without(p, "CREDENTIALS_DIRECTORY", "KEYTURN_KEY"),
        "c",
        KeyOrigin.COMMAND,
        "KEYTURN_KEY_COMMAND",
    ),
    (lambda p: without(p, *p.environ), "d", KeyOrigin.FILE, "default.key"),
]


@pytest.mark.parametrize(("narrow", "letter", "origin", "told"), ORDER, ids=[row[1] for row in ORDER])
def test_the_first_place_in_the_order_wins_and_says_so(
    everywhere: KeyPlaces, narrow: Callable[[KeyPlaces], KeyPlaces], letter: str, origin: KeyOrigin, told: str
) -> None:
    loaded = load_key_ring(narrow(everywhere))
    assert loaded is not None
    assert loaded.ring == ring_of(letter)
    assert loaded.source.origin == origin
    assert told in loaded.source.text
    assert (loaded.source.path is not None) == (origin is KeyOrigin.FILE)


def test_a_missing_explicit_file_is_not_replaced_by_another_place(everywhere: KeyPlaces, tmp_path: Path) -> None:
    assert load_key_ring(dataclasses.replace(everywhere, key_file=tmp_path / "typo.key")) is None


def test_other_systemd_credentials_are_not_ours(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("x")
    places = KeyPlaces(tmp_path / "none.key", environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert load_key_ring(places) is None


def test_places_show_no_key(everywhere: KeyPlaces) -> None:
    assert "primary" not in repr(everywhere)


def test_a_created_file_is_private_whatever_the_umask_and_opens_again(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "keyturn.key"
    former = os.umask(0)
    try:
        created = create_key_file(path)
    finally:
        os.umask(former)
    assert created.source.created
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(p.stat().st_mode) for p in (path.parent, path.parent.parent)} == {0o700}
    assert [p.name for p in path.parent.iterdir()] == ["keyturn.key"]
    again = load_key_ring(KeyPlaces(path))
    assert again is not None
    assert again.ring == created.ring
    assert not again.source.created


def test_creating_where_a_key_is_returns_that_key(tmp_path: Path) -> None:
    path = write_private(tmp_path / "keyturn.key", text_of("x"))
    loaded = create_key_file(path)
    assert loaded.ring == ring_of("x")
    assert not loaded.source.created
    assert [p.name for p in tmp_path.iterdir()] == ["keyturn.key"]


@pytest.mark.soak
def test_processes_that_create_at_once_agree(tmp_path: Path) -> None:
    script = (
        PRELUDE
        + """
from store.keyring import create_key_file
print("ready", flush=True)
input()
made = create_key_file(Path(sys.argv[1]))
print(made.ring.primary, made.source.created)
"""
    )
    children = [Child(script, str(tmp_path / "deep" / "keyturn.key")) for _ in range(4)]
    assert [child.hear() for child in children] == ["ready"] * 4
    for child in children:
        child.tell()
    answers = [child.finish().split() for child in children]
    assert len({kid for kid, _ in answers}) == 1
    assert sorted(created for _, created in answers) == ["False", "False", "False", "True"]


def test_without_hard_links_the_file_is_still_created_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    first = create_key_file(tmp_path / "keyturn.key")
    second = create_key_file(tmp_path / "keyturn.key")
    assert first.source.created
    assert not second.source.created
    assert first.ring == second.ring
    assert [p.name for p in tmp_path.iterdir()] == ["keyturn.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_can_read_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    path = write_private(tmp_path / "my key", text_of("x"))
    path.chmod(mode)
    with pytest.raises(KeyUnusable, match="Other users can read") as caught:
        load_key_ring(KeyPlaces(path))
    assert f"chmod 600 '{path}'" in caught.value.remedy


SECRET_BASE64 = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI="
BAD_TEXTS = {
    "empty": "",
    "not json": f"key={SECRET_BASE64}",
    "list": f'["{SECRET_BASE64}"]',
    "no primary": f'{{"keys": {{"a": "{SECRET_BASE64}"}}}}',
    "other primary": f'{{"primary": "b", "keys": {{"a": "{SECRET_BASE64}"}}}}',
    "short key": '{"primary": "a", "keys": {"a": "c2hvcnQ="}}',
    "not base64": '{"primary": "a", "keys": {"a": "%%%"}}',
    "number": '{"primary": "a", "keys": {"a": 7}}',
    "keys is a list": '{"primary": "a", "keys": []}',
}


@pytest.mark.parametrize("text", BAD_TEXTS.values(), ids=BAD_TEXTS.keys())
def test_a_text_that_is_no_ring_is_refused_without_repeating_it(tmp_path: Path, text: str) -> None:
    path = write_private(tmp_path / "keyturn.key", text)
    with pytest.raises(KeyUnusable, match="cannot be understood") as caught:
        load_key_ring(KeyPlaces(path))
    assert SECRET_BASE64 not in caught.value.message + caught.value.remedy
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert str(path) in caught.value.message


def test_a_directory_in_the_place_of_the_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="cannot be read: Is a directory"):
        load_key_ring(KeyPlaces(tmp_path))


def test_a_place_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(KeyUnusable, match="cannot be written"):
        create_key_file(blocker / "keyturn.key")


def command(*words: str, timeout: float = 30.0) -> KeyPlaces:
    return KeyPlaces(
        Path("/nonexistent"),
        environ={"KEYTURN_KEY_COMMAND": shlex.join(words)},
        command_timeout=timeout,
    )


def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    with pytest.raises(KeyUnusable, match="cannot be understood"):
        load_key_ring(
            KeyPlaces(Path("/nonexistent"), environ={"KEYTURN_KEY_COMMAND": f"echo $(touch {trap}); touch {trap}"})
        )
    assert not trap.exists()


def test_a_failing_command_is_reported_with_its_last_words() -> None:
    script = "import sys; print('secret on stdout'); print('vault is sealed', file=sys.stderr); sys.exit(3)"
    with pytest.raises(KeyUnusable, match="exit code 3: vault is sealed") as caught:
        load_key_ring(command(sys.executable, "-c", script))
    assert "secret on stdout" not in caught.value.message


@pytest.mark.parametrize("line", ["/nonexistent/program", "echo 'unbalanced", "''", " "])
def test_a_command_that_does_not_start_is_reported(line: str) -> None:
    places = KeyPlaces(Path("/nonexistent"), environ={"KEYTURN_KEY_COMMAND": line})
    with pytest.raises(KeyUnusable, match="does not start"):
        load_key_ring(places)


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    # The grandchild keeps the pipe open: waiting for the end of the output would take its 1000 s.
    line = f"sleep 1000 & echo $! > {shlex.quote(str(note))}; wait"
    with pytest.raises(KeyUnusable, match="did not finish within 2 s"):
        load_key_ring(command("sh", "-c", line, timeout=2.0))
    with contextlib.suppress(ProcessLookupError):
        grandchild = os.pidfd_open(int(note.read_text()))
        try:
            assert select.select([grandchild], [], [], 30)[0], "it still runs"
        finally:
            os.close(grandchild)


def test_a_new_primary_joins_the_ring_and_the_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "keyturn.key"
    former = create_key_file(path).ring
    wider = keyring.with_new_primary(former)
    assert wider.primary not in former.keys
    assert former.keys.items() <= wider.keys.items()
    keyring.replace_key_file(path, wider)
    loaded = load_key_ring(KeyPlaces(path))
    assert loaded is not None
    assert loaded.ring == wider
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["keyturn.key"]
