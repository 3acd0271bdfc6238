"""The export formats, read back by those who read them: sh, bash, PyYAML, a dotenv reader."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import dotenv
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from app.deliver.formats import refuse_unfit, rendered
from app.errors import KeyturnError

SHELLS = [shell for shell in ("sh", "bash", "dash") if shutil.which(shell)]
VALUES = {
    "PLAIN": "abcXYZ019",
    "URL": "postgres://user:p@host:5432/db",
    "EMPTY": "",
    "BLANK": " ",
    "EDGES": "  two blanks at either end  ",
    "SINGLE": "it's",
    "DOUBLE": 'say "hi"',
    "BOTH": 'it\'s "both"',
    "DOLLAR": "$HOME ${HOME} $(id) $$",
    "TICK": "`id`",
    "BACKSLASH": "a\\b\\\\c\\n\\",
    "QUOTED_BACKSLASH": "\\'",
    "EVERYTHING": "a'b\"c$d`e\\f\ng!h#i;j&k|l<m>n(o)p*q?r[s]t~u=v%w^x",
    "NEWLINES": "\nfirst\n\nthird\n",
    "CARRIAGE": "a\r\nb\r",
    "TAB": "a\tb",
    "HASH": "#no comment # here",
    "BANG": "wow!!",
    "UNICODE": "żółć 漢字 🔑 \u00a0\u2028\u0081\u0085",
    "CONTROL": "\x01\x07\x1b[31m\x7f",
    "DASHES": "-n",
    "TILDE": "~root",
    "EQUALS": "a=b",
    "YES": "yes",
    "NULL": "null",
    "NUMBER": "0123",
    "DATE": "2026-11-21",
    "LONG": "word " * 1000,
}


def read_by_shell(shell: str, script: str, names: list[str], argument: str = "") -> dict[str, str]:
    """What the variables hold after a script; each is told with its end marked by a NUL."""
    tell = "".join(f"printf '%s\\0' \"${name}\"\n" for name in names)
    ended = subprocess.run(
        [shell, "-c", f"{script}\n{tell}", shell, argument], capture_output=True, check=True, timeout=30, env={}
    )
    assert ended.stderr == b""
    return dict(zip(names, ended.stdout.decode().split("\0")[:-1], strict=True))


@pytest.mark.parametrize("shell", SHELLS)
def test_shells_read_back_the_shell_format(shell: str) -> None:
    script = f"eval \"$(cat <<'END-OF-EXPORT'\n{rendered(VALUES, 'shell')}END-OF-EXPORT\n)\""
    assert read_by_shell(shell, script, list(VALUES)) == VALUES


def test_the_shell_format_exports_to_programs() -> None:
    script = f"{rendered({'ONE': 'x y'}, 'shell')}exec /usr/bin/env printenv ONE"
    ended = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True, timeout=30, env={})
    assert ended.stdout == b"x y\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_shells_read_back_the_dotenv_format(shell: str, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(rendered(VALUES, "dotenv").encode())
    assert read_by_shell(shell, 'set -a; . "$1"', list(VALUES), str(path)) == VALUES


ENTRY = re.compile(
    r"""(?P<name>[A-Za-z_][A-Za-z0-9_]*)=
    (?: '(?P<single>[^']*)' | "(?P<double>(?:[^"\\]|\\.)*)" | (?P<bare>[^\s'"\\$`\#]*) )\n""",
    re.VERBOSE | re.DOTALL,
)


def read_dotenv(text: str) -> dict[str, str]:
    """The documented rule, written down a second time: how a reader takes the dotenv format."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        entry = ENTRY.match(text, at)
        assert entry is not None, f"no entry at {text[at : at + 40]!r}"
        single, double, bare = entry["single"], entry["double"], entry["bare"]
        if double is not None:
            found[entry["name"]] = re.sub(r'\\([\\"$`])', r"\1", double)
        else:
            found[entry["name"]] = single if single is not None else bare
        at = entry.end()
    return found


def test_the_documented_rule_reads_back_the_dotenv_format() -> None:
    assert read_dotenv(rendered(VALUES, "dotenv")) == VALUES


def test_python_dotenv_reads_back_what_dotenv_readers_agree_about(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    # Inside double quotes it knows no escaped $ and `, and it takes every line end for a newline.
    agreed = {
        name: value
        for name, value in VALUES.items()
        if "\r" not in value and not (re.search(r"['\\]", value) and re.search(r"[$`]", value))
    }
    assert len(agreed) > 22
    path.write_bytes(rendered(agreed, "dotenv").encode())
    assert dotenv.dotenv_values(path, interpolate=False) == agreed


def test_json_and_yaml_hold_any_name_and_value() -> None:
    values = {**VALUES, "with-dash": "x", "with blank": "y", "1ST": "z", "ключ": "q", "NUL": "a\0b"}
    assert json.loads(rendered(values, "json")) == values
    assert yaml.safe_load(rendered(values, "yaml")) == values
    assert list(json.loads(rendered(values, "json"))) == list(values)


def test_a_default_password_needs_no_quotes_in_dotenv() -> None:
    assert rendered({"PASSWORD": "aB3dE6"}, "dotenv") == "PASSWORD=aB3dE6\n"


def test_nothing_to_export_is_empty_in_each_format() -> None:
    assert [rendered({}, name) for name in ("dotenv", "shell", "json", "yaml")] == ["", "", "{}\n", "{}\n"]


@pytest.mark.parametrize("name", ["with-dash", "with blank", "1ST", "ключ", "a.b", "A=B", "A$(id)", "", "A\n"])
@pytest.mark.parametrize("form", ["dotenv", "shell"])
def test_names_that_cannot_be_variables_are_named(name: str, form: str) -> None:
    with pytest.raises(KeyturnError) as caught:
        rendered({"GOOD": "secret-value", name: "secret-value"}, form)
    assert repr(name) in caught.value.message
    assert "GOOD" not in caught.value.message
    assert "json" in caught.value.remedy
    assert "secret-value" not in caught.value.message + caught.value.remedy


def test_a_value_with_nul_fits_in_no_variable() -> None:
    with pytest.raises(KeyturnError, match="'BAD'"):
        refuse_unfit({"GOOD": "x", "BAD": "a\0b"}, "a shell")


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
nasty = st.text("'\"\\$`\n\r !#=x~é", max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(texts, nasty), min_size=1, max_size=60))
def test_any_values_survive_every_format(found: list[str]) -> None:
    values = {f"V{number}": value for number, value in enumerate(found)}
    names = list(values)
    assert json.loads(rendered(values, "json")) == values
    assert yaml.safe_load(rendered(values, "yaml")) == values
    assert read_dotenv(rendered(values, "dotenv")) == values
    assert read_by_shell("sh", rendered(values, "shell"), names) == values
    assert read_by_shell("sh", rendered(values, "dotenv"), names) == values
