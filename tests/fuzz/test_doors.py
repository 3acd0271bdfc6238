"""Anything at all at every door: no traceback, nothing half written, no secret said, the documented exit codes."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import EXIT_USAGE, InvalidInput, explain
from app.service import Service
from tests.cli.ground import keyturn
from tests.fuzz.ground import ALIEN, House, at_home, effort, furnish, spoilt, values, words
from tests.rotation.conftest import body
from tests.rotation.model import WORLDS, World


@pytest.fixture
def house(fresh_home: Path, home: Path, world: World) -> House:
    shutil.copytree(fresh_home, home)
    made = House(home, next(name for name, found in WORLDS.items() if found is world))
    furnish(made)
    return made


FEW, MANY = [20], [pytest.param(1500, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
Call = Callable[[Service, Any], Awaitable[object]]

ROTATION = {
    **body(name="fresh"),
    "description": "x",
    "isAutoRotationEnabled": True,
    "guard": {"policy": "wait", "waitHours": 3},
    "parameters": {"username1": "fresh_1", "username2": "fresh_2"},
    "secretsMapping": {"username": "FRESH_USER", "password": "FRESH_PASSWORD"},
}
MOVE = {"destinationEnvironment": "prod", "destinationSecretPath": "/x", "overwriteDestination": True}
PG_PARAMETERS = {
    "username1": "one",
    "username2": "two",
    "rotationStatement": "ALTER USER {{username}} PASSWORD '{{password}}'",
    "passwordRequirements": {"length": 20, "required": {"digits": 1}, "allowedSymbols": "-_"},
}
POSTGRES = {**ROTATION, "parameters": PG_PARAMETERS}
EDIT = {key: value for key, value in ROTATION.items() if key not in ("projectId", "connectionId", "environment")}
PG_CONNECTION = {
    "name": "db",
    "method": "username-and-password",
    "credentials": {
        "host": "localhost",
        "port": 1,
        "database": "d",
        "username": "u",
        "password": ALIEN,
        "sslEnabled": True,
        "sslRejectUnauthorized": True,
        "sslCertificate": "x",
    },
}


def _connection(house: House) -> dict[str, Any]:
    return {**house.connection, "credentials": {**house.connection["credentials"], "token": ALIEN}}


BODIES: dict[str, tuple[Callable[[House], dict[str, Any]], Call, tuple[str, ...]]] = {
    "connections add": (_connection, lambda s, b: s.connections.add("model", b), ("world",)),
    "connections problems": (
        lambda house: PG_CONNECTION,
        lambda s, b: s.connections.problems("postgres", b),
        (),
    ),
    "rotations create": (lambda house: ROTATION, lambda s, b: s.creation.create("model-passwords", b), ()),
    "rotations problems": (lambda house: POSTGRES, lambda s, b: s.creation.problems("postgres-credentials", b), ()),
    "rotations edit": (lambda house: EDIT, lambda s, b: s.edits.edit("app", b), ()),
    "rotations move": (lambda house: MOVE, lambda s, b: s.edits.move("app", b), ()),
}


@pytest.mark.parametrize("examples", [*FEW, *MANY])
@pytest.mark.parametrize("door", BODIES)
def test_bodies_through_the_service(house: House, door: str, examples: int) -> None:
    good, call, kept = BODIES[door]
    with asyncio.Runner() as runner, at_home(runner) as service:

        @effort(examples)
        @given(spoilt(good(house), kept))
        def at_the_door(data: Any) -> None:
            before = house.state()
            try:
                runner.run(_awaited(call(service, data)))
            except Exception as error:
                _refused(house, error, before)

        at_the_door()


def _refused(house: House, error: Exception, before: list[str]) -> None:
    known = explain(error)
    assert known is not None, repr(error)
    assert known.exit_code == EXIT_USAGE or not isinstance(error, InvalidInput)
    house.silent(f"{known.message} {known.remedy}")
    assert house.state() == before, f"refused, but something was written: {known.message}"


async def _awaited(call: Awaitable[object]) -> object:
    return await call


@pytest.mark.parametrize("examples", [*FEW, *MANY])
def test_bodies_through_the_command_line(house: House, examples: int) -> None:
    texts = st.one_of(
        st.binary(max_size=40),
        spoilt(_connection(house), ("world",)).map(lambda data: json.dumps(data).encode()),
        spoilt(EDIT).map(lambda data: json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass")),
        spoilt(ROTATION).map(lambda data: json.dumps(data).encode()[:-1]),
    )
    commands = st.sampled_from(
        [
            ("connections", "add", "model"),
            ("connections", "edit", "model"),
            ("rotations", "create", "model-passwords"),
            ("rotations", "edit", "app"),
        ]
    )

    @effort(examples)
    @given(commands, texts)
    def at_the_door(command: tuple[str, ...], text: bytes) -> None:
        before = house.state()
        house.refused_or_done(keyturn(*command, "--file", "-", stdin=text), before)

    at_the_door()


GROUPS = ["connections", "rotations", "secrets", "events", "doctor", "key"]
VERBS = ["list", "show", "get", "export", "check", "plan", "pause", "resume", "history", "credentials", "move", "edit"]
VERBS += ["add", "create", "delete", "remove", "rotate", "test"]
FLAGS = ["--json", "--help", "--version", "--yes", "--env", "--path", "--project", "--format", "--limit", "--file"]
FLAGS += ["--revoke", "--force", "--heal", "--overwrite", "--rotation", "-", "--", "--nonsense", "--json=1"]
NAMES = [
    "app",
    "model",
    "nobody",
    "dev",
    "prod",
    "/",
    "DB_PASSWORD",
    "dotenv",
    "json",
    "yaml",
    "shell",
    "postgres",
    "3",
]


def harmless(word: str) -> bool:
    """Nothing that waits for ever, and no file of this machine."""
    return not word.startswith(("--fo", "--w", "--ru", "/")) and max(word, default="") < "\ud800"


@pytest.mark.parametrize("examples", [*FEW, *MANY])
def test_arguments(house: House, examples: int) -> None:
    anything = st.one_of(
        st.sampled_from([*VERBS, *FLAGS, *NAMES, *NAMES]), words.filter(harmless).filter(lambda word: "\0" not in word)
    )
    before_each = st.tuples(st.sampled_from(GROUPS), st.one_of(st.sampled_from(VERBS), anything))
    lines = st.tuples(before_each, st.lists(anything, max_size=5)).map(lambda parts: [*parts[0], *parts[1]])

    @effort(examples)
    @given(lines)
    def at_the_door(line: list[str]) -> None:
        before = house.state()
        ran = keyturn(*line, stdin=b"{}")
        house.refused_or_done(ran, before)

    at_the_door()


@pytest.mark.parametrize("examples", [*FEW, *MANY])
def test_the_key_file(house: House, examples: int) -> None:
    key = house.home / "keyturn.key"
    good = json.loads(key.read_text())
    contents = st.one_of(
        st.binary(max_size=80),
        spoilt(good).map(lambda data: json.dumps(data).encode()),
        st.tuples(st.integers(0, len(key.read_bytes()) - 1), st.integers(1, 255)).map(
            lambda flip: _flipped(json.dumps(good).encode(), *flip)
        ),
        values.map(lambda data: json.dumps({"primary": good["primary"], "keys": data}).encode()),
    )
    house.secrets += list(good["keys"].values())
    before = house.state()

    @effort(examples)
    @given(contents)
    def at_the_door(content: bytes) -> None:
        key.write_bytes(content)
        for command in (("rotations", "list"), ("secrets", "get", "DB_PASSWORD"), ("--run-scheduler", "--once")):
            ran = keyturn(*command)
            assert ran.code in (0, 1), ran.said
            assert "Traceback" not in ran.said
            assert "nexpected" not in ran.err, ran.err
            if ran.code:
                assert "key" in ran.err
                house.silent(ran.said)
            assert house.state() == before

    at_the_door()


def _flipped(content: bytes, at: int, mask: int) -> bytes:
    at %= len(content)
    return content[:at] + bytes([content[at] ^ mask]) + content[at + 1 :]


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")  # it prints whole files
@pytest.mark.parametrize("examples", [*FEW, *MANY])
def test_the_database_file(house: House, examples: int) -> None:
    database = house.home / "keyturn.db"
    good = database.read_bytes()
    place = st.integers(0, len(good) - 1)
    contents = st.one_of(
        st.binary(max_size=200),
        place.map(lambda length: good[:length]),
        st.lists(st.tuples(place, st.integers(1, 255)), min_size=1, max_size=40).map(
            lambda flips: _all_flipped(good, flips)
        ),
        st.tuples(place, st.binary(min_size=1, max_size=300)).map(
            lambda patch: good[: patch[0]] + patch[1] + good[patch[0] + len(patch[1]) :]
        ),
    )

    @effort(examples)
    @given(contents.map(Content))
    def at_the_door(spoilt_file: Content) -> None:
        content = spoilt_file.data
        for leftover in house.home.glob("keyturn.db-*"):
            leftover.unlink()
        database.write_bytes(content)
        for command in (("rotations", "list"), ("rotations", "show", "app", "--json"), ("--run-scheduler", "--once")):
            ran = keyturn(*command)
            assert ran.code in (0, 1, 2, 3), ran.said
            assert "Traceback" not in ran.said
            assert "nexpected" not in ran.err, ran.err
            house.silent(ran.said)

    at_the_door()


@dataclass(frozen=True)
class Content:
    """Shown by its size alone: Hypothesis would print all of it."""

    data: bytes = field(repr=False)


def _all_flipped(content: bytes, flips: list[tuple[int, int]]) -> bytes:
    for at, mask in flips:
        content = _flipped(content, at, mask)
    return content
