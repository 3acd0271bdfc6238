"""Request bodies: from a file or standard input, and everything that is no JSON object in UTF-8."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.cli.body import LARGEST, read_body
from app.errors import UsageError
from tests.cli.ground import keyturn, process

BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "blank": (b" \n\t", "is empty"),
    "no json": (b'{\n  "name": my-rotation\n}', "line 2, column 11"),
    "cut off": (b'{"name": "x"', "line 1, column 13"),
    "two documents": (b"{}{}", "line 1, column 3"),
    "trailing comma": (b'{"a": 1,}', "line 1, column 9"),
    "control character": (b'{"a": "x\ny"}', "line 1"),
    "latin-1": ('{"name": "ä"}'.encode("latin-1"), "not UTF-8 (byte 11)"),
    "utf-16": ('{"name": "x"}'.encode("utf-16"), "not UTF-8"),
    "nan": (b'{"rotationInterval": NaN}', "NaN"),
    "infinity": (b'{"rotationInterval": -Infinity}', "-Infinity"),
    "huge number": (b'{"rotationInterval": 1e999}', "too large"),
    "endless number": (b'{"rotationInterval": ' + b"9" * 5000 + b"}", "5000 digits"),
    "key twice": (b'{"a": {"name": "x", "name": "y"}}', "'name' stands twice"),
    "nested deeply": (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
    "half a pair": (b'{"credentials": {"password": "\\ud800"}}', "no valid Unicode: credentials.password"),
    "half a pair in a key": (b'{"\\udfff": 1}', "no valid Unicode"),
    "half a pair in a list": (b'[["\\ud800"]]', "no valid Unicode: [0][0]"),
    "too large": (b'{"a": "' + b"x" * LARGEST + b'"}', "too large"),
}


@pytest.mark.parametrize(("data", "said"), BAD.values(), ids=BAD.keys())
def test_what_is_no_body_is_refused_before_anything_happens(home: Path, data: bytes, said: str) -> None:
    ran = keyturn("connections", "add", "postgres", "--file", "-", stdin=data)
    assert ran.code == 2
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""
    assert not home.exists()


def test_errors_do_not_quote_the_body(home: Path) -> None:
    ran = keyturn("connections", "add", "postgres", "--file", "-", stdin='{"password": "hunter2-secret" "x"}')
    assert ran.code == 2
    assert "hunter2" not in ran.err


@pytest.mark.parametrize("value", ['{"a": 1}', "\ufeff" + '{"a": 1}'], ids=["plain", "with a byte order mark"])
def test_a_file_is_read(tmp_path: Path, value: str) -> None:
    path = tmp_path / "body.json"
    path.write_text(value, encoding="utf-8")
    assert read_body(str(path)) == {"a": 1}


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no file .*missing\.json"):
        read_body(str(tmp_path / "missing.json"))
    with pytest.raises(UsageError, match="Is a directory"):
        read_body(str(tmp_path))
    with pytest.raises(UsageError, match="can't be a file's name"):
        read_body("a\0b")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="Not a directory"):
        read_body(str(tmp_path / "file" / "inside"))


def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    path = tmp_path / "body.json"
    path.write_text("{}")
    path.chmod(0)
    if os.geteuid() != 0:  # root may read anything; for it the same error comes from a file without data
        with pytest.raises(UsageError, match="Permission denied"):
            read_body(str(path))
    else:
        with pytest.raises(UsageError, match="cannot be read"):
            read_body("/proc/self/mem")


@pytest.mark.parametrize("value", ["[]", '"text"', "3", "null", "true"])
def test_a_body_that_is_no_object_is_refused(ready: Path, value: str) -> None:
    for words in (("connections", "add", "postgres"), ("rotations", "create", "postgres-credentials")):
        ran = keyturn(*words, "--file", "-", stdin=value)
        assert ran.code == 2
        assert "must be a JSON object" in ran.err


def test_a_closed_standard_input_is_no_defect(home: Path) -> None:
    import subprocess
    import sys

    from tests.cli.ground import ROOT

    ended = subprocess.run(
        ["sh", "-c", 'exec "$0" -m app connections add postgres --file - <&-', sys.executable],
        capture_output=True,
        cwd=ROOT,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert "Standard input is closed" in ended.stderr
    assert not home.exists()


def test_a_real_pipe_is_read_to_its_end(ready: Path) -> None:
    ran = process("rotations", "create", "no-such-type", "--file", "-", stdin="{" + " " * 200_000 + "}")
    assert ran.code == 2
    assert "postgres-credentials" in ran.err
